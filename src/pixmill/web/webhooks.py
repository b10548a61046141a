"""Webhooks: which URLs may be told of the end of a job, and the telling.

Owns how many are told at once, and that no receiver keeps others waiting. When the next attempt is
due is `jobs.webhooks`', what is kept of it the catalog's.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pixmill.errors import BlockedAddress, FetchError, InternalError, InvalidUrl, OutputError
from pixmill.fetch.options import FetchOptions, user_agent
from pixmill.jobs.webhooks import Verdict, verdict_on_answer, verdict_on_failure
from pixmill.signing import webhook_headers
from pixmill.store.jobs import Webhook
from pixmill.web.errors import JSON_TYPE, ApiError, invalid_request
from pixmill.web.job_views import job_as_json
from pixmill.web.store_calls import StoreCalls
from pixmill.web.words import OPENING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from pixmill.fetch.poster import Poster
    from pixmill.settings import Settings
    from pixmill.store import Catalog
    from pixmill.store.jobs import Job
    from pixmill.web.access import Log
    from pixmill.web.metrics import Metrics

MAX_URL_CHARS = 2048
AT_ONCE, AT_ONCE_OF_ONE = 16, 2
TIMEOUT_S = 10.0
LEASE_S = 30.0  # then an end that was being told when a process died is told by another
_CONNECT_TIMEOUT_S = 5.0
_LOOK_EVERY_S = 1.0
_PAUSE_S = 5.0  # where the catalog can not be used
_PATIENCE_S = 2.0  # with those under way, when the service ends
_CATALOG_THREADS = 2
_NO_CATALOG = (OutputError, ApiError)  # it can not be used, or does not answer


def webhook_options(settings: Settings) -> FetchOptions:
    """Return the limits of webhooks: the same addresses as for downloads, and a short deadline."""
    return FetchOptions(
        fetchers=AT_ONCE,
        timeout_s=TIMEOUT_S,
        connect_timeout_s=_CONNECT_TIMEOUT_S,
        user_agent=settings.user_agent or user_agent(settings.contact),
        allow_private=settings.allow_private,
        allow_networks=settings.allow_networks,
    )


def webhook_asked(poster: Poster, text: str | None) -> str | None:
    """Read the webhook that a request asks for: its URL in one form, None without one.

    Raises ApiError 400 for what is no URL, or one that can never be told.
    """
    if not text:
        return None
    try:
        url = poster.check(text).url
    except InvalidUrl as error:
        raise invalid_request(f"Invalid webhook: {error.message}") from error
    except BlockedAddress as error:
        raise ApiError(400, error.code, "This webhook can not be told", OPENING) from error
    if max(len(url), len(text)) > MAX_URL_CHARS:
        raise invalid_request(f"Invalid webhook: it is longer than {MAX_URL_CHARS} characters")
    return url


class WebhookSender:
    """Tells the ends of jobs to those who wait for them, at least once; for one event loop.

    Any number of processes may do this over one catalog. `clock` gives seconds since 1970, `rng`
    draws the jitter.
    """

    def __init__(  # noqa: PLR0913  keyword-only, and each a door for what comes from outside
        self,
        catalog: Catalog,
        poster: Poster,
        log: Log,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        self._catalog = catalog
        self._ask = StoreCalls("catalog", threads=_CATALOG_THREADS)
        self._poster = poster
        self._log = log
        self._metrics = metrics
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311  jitter, no secret
        self._under_way: set[asyncio.Task[None]] = set()
        self._of_receiver: Counter[str] = Counter()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Tell ends as they come, until the end of the context, which waits for none for long."""
        looking = asyncio.ensure_future(self._look())
        looking.add_done_callback(self._tell_defect)
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.wait([looking])
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=_PATIENCE_S)
            left = [*self._under_way]  # another's, when their lease is over
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            if len(self._under_way) >= AT_ONCE:
                await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            busy = [name for name, number in self._of_receiver.items() if number >= AT_ONCE_OF_ONE]
            try:
                job = await self._ask(self._catalog.webhooks.claim, LEASE_S, busy)
            except _NO_CATALOG as error:
                self._log.warning("webhooks can not be looked for", reason=str(error))
                await asyncio.sleep(_PAUSE_S)
                continue
            if job is None:
                await asyncio.sleep(_LOOK_EVERY_S)
            else:
                self._begin(job)

    def _begin(self, job: Job) -> None:
        receiver = _receiver_of(job)
        self._of_receiver[receiver] += 1
        task = asyncio.ensure_future(self._tell(job))
        self._under_way.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._under_way.discard(task)
            self._of_receiver[receiver] -= 1
            if not self._of_receiver[receiver]:
                del self._of_receiver[receiver]
            self._tell_defect(task)

        task.add_done_callback(done)

    def _tell_defect(self, task: asyncio.Future[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self._log.error("webhooks failed by a defect", error)

    async def _tell(self, job: Job) -> None:
        webhook = _webhook_of(job)
        attempts = webhook.attempts + 1
        try:
            verdict, came = await self._attempt(job, webhook.url, attempts)
            await self._ask(self._catalog.webhooks.told, job, **verdict._asdict())
        except _NO_CATALOG as error:  # it is told again when the lease is over
            self._log.warning("a webhook can not be noted", job=job.id, reason=str(error))
            return
        facts = {"job": job.id, "receiver": _receiver_of(job), "attempts": attempts, "came": came}
        if verdict.delivered:
            self._metrics.webhook("delivered")
            self._log.info("webhook delivered", **facts)
        elif verdict.again_s is None:
            self._metrics.webhook("given_up")
            self._log.warning("webhook given up", **facts)
        else:
            self._metrics.webhook("failed")
            self._log.warning("webhook failed", **facts, again_s=round(verdict.again_s))

    async def _attempt(self, job: Job, url: str, attempts: int) -> tuple[Verdict, str]:
        """Tell an end once; give what came of it, also in words for the log."""
        try:
            body = json.dumps(job_as_json(job)).encode()
            secrets = await self._ask(self._catalog.webhook_secrets.live)
            headers = webhook_headers(_id_of(job), int(self._clock()), body, secrets)
            headers["Content-Type"] = JSON_TYPE
            status, asked_s = await self._poster.post(url, body, headers)
        except FetchError as error:
            verdict = verdict_on_failure(error, attempts, self._rng)
            return verdict, f"{error.code}: {error.message}"
        except _NO_CATALOG:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, it must not come back for ever
            self._log.error("a webhook failed by a defect", error, job=job.id)
            return verdict_on_failure(InternalError(""), attempts, self._rng), InternalError.code
        return verdict_on_answer(status, asked_s, attempts, self._rng), f"status {status}"


def _id_of(job: Job) -> str:
    """Name an end of a job, the same at each attempt; a job that is done again has another one."""
    moment = job.finished_at or job.started_at or job.created_at
    return f"{job.id}-{job.state}-{moment.timestamp() * 1000:.0f}"


def _webhook_of(job: Job) -> Webhook:
    return job.webhook or Webhook("")  # of none without one an end is claimed


def _receiver_of(job: Job) -> str:
    """Return scheme, host and port, with the slash that ends them in every URL that is kept."""
    return "/".join(_webhook_of(job).url.split("/", 3)[:3]) + "/"
