"""The memory of the whole service, every process of it, under those who want to use it up."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest

from tests.drawn import chunk, encoded, ihdr, noise, segment, tall_png
from tests.pictures import plain
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from tests.serving import Service

pytestmark = pytest.mark.soak  # a minute of load

MIB = 2**20
GIB = 2**30
# What may come and go with requests: buffers of some hundred connections, small bodies, and what
# Python's allocator does not give back. Some 4 MiB were seen.
SLACK = 32 * MIB
SENDERS = 100
PATIENCE_S = 60.0
SMALL = plain((1, 2, 3))


class Gauge:
    """Adds up the memory of a service's processes ever again; shared pages count once."""

    def __init__(self, service: Service, every_s: float = 0.1) -> None:
        self._every_s = every_s
        self._process = psutil.Process(service.process.pid)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.start = self.peak = self.now()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def now(self) -> int:
        total = 0
        for process in (self._process, *self._process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
                total += process.memory_full_info().pss
        return total

    def _watch(self) -> None:
        while not self._done.wait(self._every_s):
            self.peak = max(self.peak, self.now())


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service"), "--workers", "1", fresh=True) as running:
        with running.client() as client:
            for path in ("/colors/top", "/colours/match"):
                assert client.post(path, content=SMALL).status_code == 200
        yield running


@contextlib.contextmanager
def flat_and_serving(service: Service) -> Iterator[None]:
    """Memory stays flat meanwhile, and somebody else is served all the time."""
    over, statuses = threading.Event(), []

    def ask() -> None:
        with service.client() as client:
            for number in itertools.count():
                picture = plain((number % 256, number // 256, 7))
                statuses.append(client.post("/colors/top", content=picture).status_code)
                statuses.append(client.get("/healthz").status_code)
                if over.wait(0.1):
                    return

    with ThreadPoolExecutor(1) as threads, Gauge(service) as gauge:
        asking = threads.submit(ask)
        try:
            yield
        finally:
            over.set()
        asking.result(PATIENCE_S)
    assert statuses
    assert set(statuses) == {200}
    assert gauge.peak - gauge.start < SLACK, f"{(gauge.peak - gauge.start) / MIB:.0f} MiB more"


class Sender:
    """A connection that sends a request of its own making and hears what becomes of it."""

    def __init__(self, service: Service) -> None:
        at = urlsplit(service.url)
        self._sock = socket.create_connection((at.hostname, at.port), timeout=PATIENCE_S)
        self.head = (
            b"POST /colors/top HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer "
            + service.credential[1].encode()
            + b"\r\n"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def send(self, *pieces: bytes) -> int:
        """Send as long as the service takes it; gives how many bytes it took."""
        sent = 0
        with contextlib.suppress(OSError):
            for piece in pieces:
                self._sock.sendall(piece)
                sent += len(piece)
        return sent

    def pour(self, piece: bytes, size: int) -> int:
        """Send one piece again and again, up to so many bytes."""
        return self.send(*itertools.repeat(piece, size // len(piece)))

    def status(self) -> int:
        """The status of the answer, 0 where the connection ended without one."""
        with contextlib.suppress(OSError):
            answer = self._sock.recv(4096)
            return int(answer.split()[1]) if answer else 0
        return 0

    def is_over(self) -> bool:
        """Whether the service has said or done something; does not wait for it."""
        self._sock.setblocking(False)
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        finally:
            self._sock.settimeout(PATIENCE_S)
        return True


def test_two_gigabytes_in_chunks_are_cut_off(service: Service) -> None:
    piece = b"%x\r\n" % MIB + bytes(MIB) + b"\r\n"
    with flat_and_serving(service), Sender(service) as sender:
        sender.send(sender.head + b"Transfer-Encoding: chunked\r\n\r\n")
        took = sender.pour(piece, 2 * GIB)
        status = sender.status()
    assert took < GIB / 2
    assert status in {413, 0}  # what is still on its way may take the answer with it


def test_two_gigabytes_that_are_declared_are_refused_unread(service: Service) -> None:
    with flat_and_serving(service), Sender(service) as sender:
        sender.send(sender.head + b"Content-Length: %d\r\n\r\n" % (2 * GIB))
        assert sender.status() == 413
        assert sender.pour(bytes(MIB), 2 * GIB) < GIB / 2


FORM = b"Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n"
FIELD = b'--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nv\r\n'
PART = b'--b\r\nContent-Disposition: form-data; name="f"\r\n'


@pytest.mark.parametrize(
    ("bomb", "status"),
    [
        (b"".join(FIELD % number for number in range(20_000)), 400),
        (PART + b"\r\n" + bytes(4 * MIB), 413),
        (PART + b"".join(b"X-%d: y\r\n" % number for number in range(100_000)), 400),
        (PART + b"X: " + b"y" * 4 * MIB, 400),
        (b"\r\n" * 2 * MIB, 413),
    ],
    ids=["parts", "field", "headers", "header", "preamble"],
)
def test_a_multipart_bomb_is_refused(service: Service, bomb: bytes, status: int) -> None:
    """Two at once, of a form without end."""

    def throw(_: int) -> int:
        with Sender(service) as sender:
            sender.send(sender.head + FORM)
            sender.pour(b"%x\r\n" % len(bomb) + bomb + b"\r\n", GIB // 2)
            return sender.status()

    with flat_and_serving(service), ThreadPoolExecutor(2) as threads:
        statuses = set(threads.map(throw, range(2)))
    assert statuses <= {status, 0}
    assert status in statuses


def test_slow_senders_of_heads_and_bodies_are_cut_off(service: Service) -> None:
    """A hundred of each, a byte at a time, as long as the service lets them."""
    with flat_and_serving(service), contextlib.ExitStack() as open_ones:
        heads = [open_ones.enter_context(Sender(service)) for _ in range(SENDERS)]
        bodies = [open_ones.enter_context(Sender(service)) for _ in range(SENDERS)]
        for sender in heads:
            sender.send(sender.head + b"X-Slow: ")
        for sender in bodies:
            sender.send(sender.head + b"Content-Length: 100000\r\n\r\n")
        waiting = [*heads, *bodies]
        deadline = time.monotonic() + PATIENCE_S
        while waiting and time.monotonic() < deadline:
            for sender in waiting:
                sender.send(b"y")
            time.sleep(0.5)
            waiting = [sender for sender in waiting if not sender.is_over()]
        assert not waiting
        assert {sender.status() for sender in (*heads, *bodies)} == {408}


LITTLE = 512 * MIB


@pytest.fixture(scope="module")
def large_pictures() -> list[Callable[[int], bytes]]:
    """A JPEG of 24 and a PNG of 20 megapixels, each in as many different bytes as are asked for."""
    jpeg = encoded(np.kron(noise(1000, 1500), np.ones((4, 4, 1), np.uint8)), "JPEG")
    png = tall_png(noise(1, 5000, 4)[0], 4000)

    def of_jpeg(number: int) -> bytes:
        return jpeg[:2] + segment(0xFE, b"%d" % number) + jpeg[2:]

    def of_png(number: int) -> bytes:
        return png[:33] + chunk(b"tEXt", b"number\0%d" % number) + png[33:]

    return [of_jpeg, of_png]


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("little")
    with serving(folder, "--workers", "1", "--memory", "512M", fresh=True) as running:
        yield running


def test_large_pictures_stay_under_the_cap(
    little: Service, large_pictures: list[Callable[[int], bytes]]
) -> None:
    """Sixteen clients at once; each is answered, or told to come back."""

    def upload(number: int) -> httpx.Response:
        path = ("/colors/top", "/colours/match")[number // 2 % 2]
        with little.client(timeout=100) as client:
            return client.post(path, content=large_pictures[number % 2](number))

    with Gauge(little) as gauge, ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(upload, range(16)))
    assert gauge.peak < LITTLE, f"{gauge.peak / MIB:.0f} MiB"
    for answer in answers:
        assert answer.status_code in {200, 404, 503}, answer.text
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) >= 1
    assert sum(answer.status_code in {200, 404} for answer in answers) >= 8


def test_pictures_that_do_not_fit_are_told_so(little: Service) -> None:
    """By their header alone: one too large for anybody, one too large for this little memory."""
    huge = b"\x89PNG\r\n\x1a\n" + ihdr(60_000, 60_000) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    interlaced = (
        b"\x89PNG\r\n\x1a\n"
        + ihdr(10_000, 10_000, 16, 6, 1)
        + chunk(b"IDAT", b"")
        + chunk(b"IEND", b"")
    )
    with Gauge(little) as gauge, little.client() as client:
        for picture in (huge, interlaced):
            answer = client.post("/colors/top", content=picture)
            assert answer.status_code == 400
            told = json.loads(answer.content)
            assert told["code"] == "too_many_pixels"
            assert told["errors"][0] == "Could not parse image"
            assert len(told["errors"]) == 2
        assert client.post("/colors/top", content=SMALL).status_code == 200
    assert gauge.peak < LITTLE
