"""A cluster on one machine: RabbitMQ, PostgreSQL, and workers as processes of their own.

Owns starting, killing and ending workers, and the environment by which commands and services find
each other: that of `deploy/compose.yaml`, with other places.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from pixmill.store import open_catalog
from tests import command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from pixmill.store import Catalog

START_TIMEOUT_S = 60.0
# The catalog forgets a command's shards as the command ends, before anyone who looks has seen all.
LEDGER = """
CREATE TABLE ledger (job text, number int, worker text, items int, PRIMARY KEY (job, number));
CREATE FUNCTION into_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger VALUES (NEW.job_id, NEW.number, NEW.worker, NEW.items)
    ON CONFLICT (job, number) DO UPDATE SET worker = excluded.worker;
    RETURN NULL;
END $$;
CREATE TRIGGER into_ledger AFTER UPDATE OF state ON shards
FOR EACH ROW WHEN (NEW.state = 'done') EXECUTE FUNCTION into_ledger();
"""
SHARES = "SELECT worker, sum(items) FROM ledger GROUP BY worker"


@dataclass
class Process:
    """A worker: what it is called, and what it said."""

    name: str
    process: command.Process
    said: list[str] = field(default_factory=list)
    readers: list[threading.Thread] = field(default_factory=list)

    def end(self) -> int:
        """Let it end in order; gives its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


class Cluster:
    """What runs; a context manager, at whose end no process is left."""

    def __init__(self, broker: str, catalog: str, folder: Path, **more: str) -> None:
        self.folder = folder
        self.catalog_url = catalog
        self.env: dict[str, str] = {
            "PIXMILL_BROKER": broker,
            "PIXMILL_CATALOG": catalog,
            "PIXMILL_BLOBS": str(folder / "nas"),
            "PIXMILL_DATA": str(folder / "data"),
            "PIXMILL_ALLOW_NETWORKS": "127.0.0.0/8",
            "PIXMILL_WORKERS": "1",
            "PIXMILL_SHARD_LINES": "20",
            "PIXMILL_JOB_LEASE": "3",
            **more,
        }
        self.alone = {name: value for name, value in self.env.items() if name != "PIXMILL_BROKER"}
        self.workers: dict[str, Process] = {}

    def __enter__(self) -> Self:
        with self.catalog():
            pass
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in list(self.workers.values()):
            if error is None and worker.process.poll() is None:  # so that it says what it covered
                worker.process.send_signal(signal.SIGTERM)
        for worker in list(self.workers.values()):
            with contextlib.suppress(subprocess.TimeoutExpired):
                if error is None:
                    worker.process.wait(10)
            self.kill(worker.name)
            if error is not None:
                print(f"-- {worker.name}", *worker.said[-60:], sep="\n")  # noqa: T201

    def start(self, *names: str, env: Mapping[str, str] | None = None) -> None:
        """Start workers of these names, and wait until they work."""
        for name in names:
            self.launch(name, env)
        with self.catalog() as catalog:
            wait_until(lambda: set(names) <= {each.name for each in catalog.workers.alive()})
        self.await_consumers((env or {}).get("PIXMILL_BROKER"))

    def launch(self, name: str, env: Mapping[str, str] | None = None) -> None:
        """Start a worker."""
        process = command.start(
            "worker", "--name", name, cwd=self.folder, env={**self.env, **(env or {})}
        )
        worker = self.workers[name] = Process(name, process)
        for stream in (process.stdout, process.stderr):
            thread = threading.Thread(target=_read, args=(stream, worker.said), daemon=True)
            thread.start()
            worker.readers.append(thread)

    def kill(self, name: str) -> None:
        """SIGKILL a worker, and all that it started."""
        worker = self.workers.pop(name)
        command.kill(worker.process)
        for reader in worker.readers:
            reader.join(5)
        for stream in (worker.process.stdout, worker.process.stderr):
            stream.close()

    def await_consumers(self, broker: str | None = None) -> None:
        """Wait until all workers take messages: they stand in the catalog before they do."""
        from kombu import Connection  # noqa: PLC0415  where Celery is installed

        living = sum(worker.process.poll() is None for worker in self.workers.values())
        with Connection(broker or self.env["PIXMILL_BROKER"]) as connection:
            declare = connection.default_channel.queue_declare
            for queue in ("pixmill.interactive", "pixmill.bulk"):
                wait_until(lambda q=queue: declare(q, passive=True).consumer_count >= living)

    @contextlib.contextmanager
    def catalog(self) -> Iterator[Catalog]:
        """The catalog, as the processes see it."""
        with open_catalog(self.catalog_url, self.folder / "data") as opened:
            yield opened

    @contextlib.contextmanager
    def shares(self) -> Iterator[Counter[str]]:
        """Count the items that each worker does meanwhile; they are told at the end.

        Of a shard that was done twice, the last time counts.
        """
        import psycopg  # noqa: PLC0415  where PostgreSQL is installed

        told = Counter[str]()
        with psycopg.connect(self.catalog_url, autocommit=True) as connection:
            connection.execute(LEDGER)
        yield told
        with psycopg.connect(self.catalog_url) as connection:
            told.update(dict(connection.execute(SHARES).fetchall()))


def _read(stream: object, lines: list[str]) -> None:
    for line in stream:
        lines.append(line.rstrip("\n"))  # noqa: PERF401  they are looked at meanwhile


def wait_until(is_so: object, timeout_s: float = START_TIMEOUT_S) -> None:
    """Return as soon as it is so."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, "it has not come to be"
        time.sleep(0.02)
