"""A worker of a cluster: one process that is told of shards and pictures, and makes them.

Owns the life of that process: one pool for all it does, its lease, and the end, which lets what is
at work finish for a while and hands back the rest. Celery takes the messages; its own processes
could not start a pool, so it runs threads. Needs the `cluster` extra.
"""

from __future__ import annotations

import os
import resource
import secrets
import signal
import socket
import threading
import time
from contextlib import ExitStack
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from celery import signals

from pixmill import __version__
from pixmill.analysis.work import work
from pixmill.batch.memory import most_workers, plan_memory
from pixmill.batch.options import PRELOAD_ALL, Shared
from pixmill.errors import OutputError
from pixmill.fetch.body import MemoryBudget
from pixmill.imaging.probe import Limits
from pixmill.ingest.retention import EVERY_S
from pixmill.jobs.cluster import ERRORS, Broker, BrokerRefused, explained, make_app
from pixmill.jobs.common_place import open_common_place
from pixmill.jobs.consuming import add_tasks, celery_worker
from pixmill.jobs.executor import Executor
from pixmill.jobs.expiry import Expiry
from pixmill.jobs.extra import broker_of
from pixmill.jobs.host_shares import HostShares
from pixmill.jobs.making import PoolMaker
from pixmill.jobs.operations import KIND, OperationsRunner
from pixmill.jobs.patience import Sparingly
from pixmill.jobs.queues import BULK, INTERACTIVE
from pixmill.jobs.relay import Relay
from pixmill.jobs.shard_work import ShardWork, Site
from pixmill.jobs.worker_metrics import Probes, WorkerMetrics
from pixmill.pool import Pool
from pixmill.store import open_archive, open_catalog, where
from pixmill.store.opening import utc_now
from pixmill.store.shards import ShardId, Worker
from pixmill.telemetry.traces import traces_sent

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pixmill.settings import Settings
    from pixmill.store import Archive, Catalog

# What this process needs besides the parent of a batch: Celery, the catalog, an archive.
WORKER_BYTES = 96 * 2**20
_INTERACTIVE_SLOTS = 2
# Images of one shard in the pool for each process, so that none waits for the next: threads of ours
# share its processor, and may have their turn later than one image takes.
_AHEAD = 4
_RENEWALS = 3  # in the time of a lease
_LOOK_EVERY_S = 2.0
_PATIENCE_S = 15.0  # with what is at work, when the process ends; 25 s later containers are killed
_PAUSE_S = 5.0
_LAST_PAUSE_S = 0.5  # once the process ends
_SWEEP_S = 5.0  # for the files of one job that was left behind, when the process ends


def work_until_stopped(
    settings: Settings,
    say: Callable[[str], None],
    told: Callable[[str, BaseException], None],
) -> int:
    """Work until SIGTERM or SIGINT; `say` is given lines for whoever started it.

    `told` is given what an operator should know: a sentence, and the error behind it. Returns the
    exit code: 1 where the pool broke, or the broker lets this worker in no more. Raises RunError
    where the worker can not start; for a broker that does not answer it waits.
    """
    broker = broker_of(settings)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # bodies of many shards may be files
    with ExitStack() as stack:
        name = settings.worker_name
        stack.enter_context(traces_sent("pixmill-worker", told, instance=name))
        catalog = stack.enter_context(open_catalog(settings.catalog, settings.data))
        process = _Process(settings, broker, catalog, stack, Sparingly(told))
        say(f"pixmill works as {process.worker.name}")
        return process.work()


class _Process:
    """The parts of one worker."""

    def __init__(
        self,
        settings: Settings,
        broker: str,
        catalog: Catalog,
        stack: ExitStack,
        told: Callable[[str, BaseException], None],
    ) -> None:
        slots = {INTERACTIVE: _INTERACTIVE_SLOTS, BULK: settings.shards}
        blobs = open_common_place(settings, catalog)
        self.worker = Worker(
            token=secrets.token_hex(16),
            name=settings.worker_name or f"{socket.gethostname()}-{os.getpid()}",
            slots=settings.shards,
            version=__version__,
            started_at=utc_now(),
            seen_at=utc_now(),
        )
        self._settings, self._catalog, self._told = settings, catalog, told
        self._app = make_app(broker, slots)
        try:
            Broker(self._app).declare()
        except BrokerRefused:
            raise
        except OutputError as error:
            told("the broker is waited for", error)
        self._concurrency = sum(slots.values())
        self._pool = _pool_of(settings, stack)
        self._relay = Relay(catalog, Broker(self._app), lease_s=settings.job_lease, told=told)
        opening = threading.Lock()

        @cache
        def opened() -> Archive:
            return stack.enter_context(open_archive(*where(settings)))

        def archive() -> Archive:
            with opening:  # or two threads would open two
                return opened()

        plan = plan_memory(settings.memory, self._pool.workers, WORKER_BYTES)
        shared = Shared(
            self._pool,
            plan.of_a_list(settings.shards),
            _AHEAD * self._pool.workers,
            MemoryBudget(plan.bodies),
        )
        self._hosts = HostShares(
            catalog.hosts,
            self.worker.token,
            limit=settings.per_host,
            lease_s=settings.job_lease,
            told=told,
        )
        site = Site(
            settings,
            catalog,
            blobs,
            archive,
            shared,
            self._hosts,
            self.worker.token,
            self.worker.name,
        )
        self._expiry = Expiry(catalog, blobs)
        self._sweep = threading.Thread(target=self._expire, name="pixmill-expiry", daemon=True)
        self._heart = threading.Thread(target=self._beat, name="pixmill-heart", daemon=True)
        self._renewed = time.monotonic()
        self._metrics = WorkerMetrics()
        self._metrics.watch_catalog(lambda: time.monotonic() - self._renewed)
        self._shards = ShardWork(site, told, self._metrics)
        limits = Limits(settings.max_pixels, settings.max_side, max_decode_bytes=plan.decode)
        maker = PoolMaker(archive, self._pool, limits, blobs.spool, at_once=_INTERACTIVE_SLOTS)
        stack.callback(maker.close)
        self._jobs = Executor(
            catalog.jobs,
            {KIND: OperationsRunner(maker, blobs)},
            at_once=0,
            told=told,
            lease_s=settings.job_lease,
            owner=self.worker.token,
        )
        self._ending = threading.Event()
        self._broken = False
        if settings.metrics_port is not None:
            host = settings.host or "127.0.0.1"
            probes = Probes(host, settings.metrics_port, self._metrics, self._is_well)
            stack.callback(probes.close)

    def work(self) -> int:
        """Take messages until a signal, or until no image can be analyzed any more."""
        self._catalog.workers.renew(self.worker, self._settings.job_lease)
        self._heart.start()
        self._sweep.start()
        self._jobs.start()
        self._relay.start()
        self._hosts.start()
        celery = celery_worker(self._app, self._concurrency, self.worker, self._fail)
        add_tasks(self._app, self._do_shard, self._do_operations)
        signals.worker_shutting_down.connect(self._end, weak=False)
        try:
            celery.start()
            # Those whose place was given up are at work yet, for as long as `_end` lets them.
            if self._ending.is_set():
                self._shards.close()
        finally:
            self._ending.set()
            self._shards.stopping = True
            self._shards.close()
            self._relay.stop()
            self._hosts.stop()
            self._jobs.stop(0.0)
            self._heart.join()
            self._sweep.join(_SWEEP_S)
            self._leave()
        return int(self._broken or bool(celery.exitcode))

    def _end(self, **_: Any) -> None:
        """Let what is at work finish for a while, then hand it back."""

        def hand_back() -> None:
            self._shards.stopping = True
            self._jobs.stop(0.0)

        timer = threading.Timer(_PATIENCE_S, hand_back)
        timer.daemon = True
        timer.start()
        self._ending.set()

    def _fail(self, error: Exception) -> None:
        """End, as no messages can be had any more: mostly the broker lets nobody in."""
        self._told("the worker ends", explained(error) if isinstance(error, ERRORS) else error)
        self._broken = True
        self._end()

    def _leave(self) -> None:
        try:
            self._shards.look()
            self._catalog.workers.leave(self.worker.token)
        except OutputError as error:  # its lease ends by itself
            self._told("the end of this worker can not be written down", error)

    def _beat(self) -> None:
        """Renew the lease, and look what others did to what is at work."""
        lease_s, until_renewal_s = self._settings.job_lease, 0.0
        every_s = min(_LOOK_EVERY_S, lease_s / _RENEWALS)
        while not self._shards.stopping:
            try:
                if until_renewal_s <= 0:
                    self._catalog.workers.renew(self.worker, lease_s)
                    until_renewal_s = lease_s / _RENEWALS
                    self._renewed = time.monotonic()
                self._shards.look()
            except OutputError as error:
                self._told("the catalog can not be told that this worker is alive", error)
            if self._pool.broken and not self._broken:
                self._broken = True
                self._told("the pool is broken, the worker ends", OutputError(self._pool.broken))
                os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(every_s)
            until_renewal_s -= every_s

    def _expire(self) -> None:
        """Drop jobs of commands that were left behind; there may be no service to do it."""
        keep = timedelta(days=self._settings.job_keep)
        while True:
            try:
                self._expiry.drop_abandoned(utc_now() - keep, self._ending.is_set)
            except Exception as error:  # noqa: BLE001  whatever it is, the next time may be better
                self._told("jobs that were left behind can not be dropped", error)
            if self._ending.wait(EVERY_S):
                return

    def _is_well(self) -> bool:
        """Tell whether this process can work; another one would reach the catalog no better."""
        return self._heart.is_alive() and self._pool.broken is None

    def _do_shard(self, job_id: str, number: int) -> None:
        self._insisting(lambda: self._shards.do(ShardId(job_id, number)))

    def _do_operations(self, job_id: str) -> None:
        self._insisting(lambda: self._jobs.take(job_id))

    def _insisting(self, do: Callable[[], None]) -> None:
        """Do what a message asks for, again while the catalog can not be asked."""
        while not self._shards.stopping:
            try:
                do()
            except OutputError as error:
                self._told("the catalog can not be asked what is to be done", error)
                if self._ending.wait(_PAUSE_S):
                    time.sleep(_LAST_PAUSE_S)
            else:
                return


def _pool_of(settings: Settings, stack: ExitStack) -> Pool[Any, Any]:
    workers = settings.workers
    if "workers" not in settings.model_fields_set:
        workers = min(workers, most_workers(settings.memory, WORKER_BYTES))
    plan = plan_memory(settings.memory, workers, WORKER_BYTES)
    pool: Pool[Any, Any] = Pool(
        work,
        workers=workers,
        item_timeout_s=settings.decode_timeout,
        decode_budget_bytes=plan.decode,
        preload=PRELOAD_ALL,
    )
    stack.callback(pool.close, cancel=True)
    return pool
