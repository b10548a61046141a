"""A real S3 server for the tests, which may be stopped, hung and started again, and its buckets."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.services import free_port, wait_until_open

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_buckets = itertools.count()


class S3Server:
    """An S3 server over a folder, of which each folder is a bucket; it can be stopped and started.

    It stays at one port, and keeps what it has, as a machine that is restarted does.
    """

    access_key, secret_key = "pixmill-tests", "a-secret-of-the-tests"

    def __init__(self, program: str, folder: Path, tls: Sequence[str] = ()) -> None:
        """`tls` are the options that name a certificate and its key."""
        self._program, self._root, self._log = program, folder / "buckets", folder / "log"
        self._port, self._tls = free_port(), tls
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._port}"
        self.process: subprocess.Popen[bytes] | None = None
        self._root.mkdir()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        order = [self._program, "--port", f"127.0.0.1:{self._port}", "--keep-alive", "--quiet"]
        keys = {"ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*order, *self._tls, "posix", str(self._root)],
                env=os.environ | keys,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until_open(self._port, self.process, self._log)

    def stop(self) -> None:
        """End it at once, if it runs: asked to end, it waits for clients that keep connections."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Let it take connections and answer nothing while the context is open."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def has_objects(self, number: int) -> bool:
        """Tell whether so many files lie in its buckets."""
        return sum(path.is_file() for path in self._root.rglob("*")) >= number

    def new_bucket(self) -> str:
        """Make an empty bucket."""
        name = f"bucket-{os.getpid()}-{next(_buckets)}"
        (self._root / name).mkdir()
        return name


@dataclass(frozen=True)
class Bucket:
    """A part of a bucket of a server."""

    server: S3Server
    name: str
    prefix: str = "some/images"

    @property
    def url(self) -> str:
        """What the setting `blobs` has."""
        return f"s3://{self.name}/{self.prefix}"

    @property
    def settings(self) -> dict[str, str]:
        """The settings that lead to it."""
        return {
            "blobs": self.url,
            "s3_endpoint": self.server.url,
            "s3_access_key": self.server.access_key,
            "s3_secret_key": self.server.secret_key,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The same as variables."""
        return {f"PIXMILL_{name.upper()}": value for name, value in self.settings.items()}


@contextlib.contextmanager
def serve_s3(program: str, folder: Path, tls: Sequence[str] = ()) -> Iterator[S3Server]:
    """Run an S3 server over an empty folder while the context is open; `tls` as of `S3Server`."""
    server = S3Server(program, folder, tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()
