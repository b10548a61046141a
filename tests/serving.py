"""The service as a user starts it: `pixmill serve` in a process of its own, on a free port.

Owns starting and stopping it and reading what its first start says. Requests are made with httpx
over real sockets; nothing is followed or decoded behind the test's back.
"""

from __future__ import annotations

import contextlib
import re
import signal
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from tests import command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

START_TIMEOUT_S = 60.0
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # instead of the root certificates, 50 ms a client
READY = "Ctrl-C stops it."
LISTENING = re.compile(r"pixmill serves (http://\S+)")
CREDENTIAL = re.compile(r"curl -u (\S+):(pm_\S+)")
LINK = re.compile(r"http://\S+/sign-in/link\?code=\S+")


@dataclass
class Service:
    """A running service: `url` without a slash at its end; `name` and `key` of its first start."""

    process: command.Process
    url: str
    said: list[str]
    log: list[str] = field(default_factory=list)

    @property
    def credential(self) -> tuple[str, str]:
        """Name and key of the first key."""
        found = CREDENTIAL.search("\n".join(self.said))
        assert found, self.said
        return found[1], found[2]

    @property
    def link(self) -> str:
        """The one-time link."""
        found = LINK.search("\n".join(self.said))
        assert found, self.said
        return found[0]

    def client(self, **options: object) -> httpx.Client:
        """A client that sends the first key; `auth=None` for one that does not."""
        settings = {"auth": self.credential if "auth" not in options else None, "timeout": 60}
        settings |= {"trust_env": False, "verify": NO_TLS}
        return httpx.Client(base_url=self.url, **{**settings, **options})

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; gives its exit status."""
        self.process.send_signal(number)
        return self.process.wait(40)


def within_a_minute() -> None:
    """Wait for the next minute where this one ends soon: quotas count by the clock's minutes."""
    left_s = 60 - time.time() % 60
    if left_s < 10:
        time.sleep(left_s)


@contextlib.contextmanager
def serving(
    folder: Path,
    *flags: str,
    env: Mapping[str, str] | None = None,
    loopback: bool = True,
    fresh: bool = False,
) -> Iterator[Service]:
    """Serve over a data folder in `folder`; with `loopback` images may be fetched from 127/8.

    `fresh` as of `command.start`.
    """
    flags = (*flags, *(command.LOOPBACK if loopback else ()))
    process = command.start(
        "serve", "--port", "0", *flags,
        cwd=folder,
        env={"PIXMILL_DATA": str(folder / "data"), **(env or {})},
        fresh=fresh,
    )  # fmt: skip
    said: list[str] = []
    log: list[str] = []
    readers = [_reading(process.stdout, said), _reading(process.stderr, log)]
    try:
        yield Service(process, _listening(process, said, log), said, log)
    finally:
        command.kill(process)
        for reader in readers:
            reader.join(5)
        for stream in (process.stdout, process.stderr):
            stream.close()


def _reading(stream: object, lines: list[str]) -> threading.Thread:
    def read() -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))  # noqa: PERF401  they are looked at meanwhile

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _listening(process: command.Process, said: list[str], log: list[str]) -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        found = LISTENING.search("\n".join(said))
        if found and said[-1] == READY:
            return found[1]
        time.sleep(0.02)
    raise AssertionError(f"the service did not start: {said} {log}")
