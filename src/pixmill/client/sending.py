"""One file on its way: into the archive of a service, through its job, and back as a picture.

Each step may be done again without harm: an upload that came is a duplicate, and the same chain for
the same file, source and reference goes by one `Idempotency-Key`, so it is one job, in this run of
the command or in another.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import secrets
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from pixmill.batch.durable import fsync_directory, output_errors
from pixmill.batch.gallery import make_folders
from pixmill.client.service import Again, ServiceFailure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from pathlib import Path

    import aiohttp

    from pixmill.client.service import Service

FINISHED = frozenset({"succeeded", "failed", "canceled", "expired"})
_GONE = frozenset({"canceled", "expired"})
_STATES = FINISHED | {"queued", "running", "stalled"}
_ID = re.compile(r"[0-9a-f]{32}")
_TYPE = re.compile(r"image/(jpeg|png|webp|avif|tiff)")
_PIECE_BYTES = 2**18
_MOST_LINE_BYTES = 2**17


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What is asked for each file; `chain` is one operation a line, or empty.

    `wait` follows the job to its end; `folder` is where its result is saved (None: nowhere).
    `timeout_s` is the deadline of one file, over all attempts and waits.
    """

    chain: str = ""
    source: str | None = None
    reference: str | None = None
    wait: bool = False
    folder: Path | None = None
    timeout_s: float = 600.0

    @property
    def who(self) -> dict[str, str]:
        """The words that say who sends something, as far as they are given."""
        words = {"source": self.source, "reference": self.reference}
        return {name: word for name, word in words.items() if word}


@dataclass(slots=True)
class Sent:
    """What became of a file. With a `code` it failed, and `message` says why."""

    file: str
    md5: str | None = None
    arrival: str | None = None
    job: str | None = None
    state: str | None = None
    result: str | None = None
    code: str | None = None
    message: str | None = None


class _Digests(NamedTuple):
    """What identifies a file: its size in bytes, and two digests in hex."""

    size: int
    md5: str
    sha256: str


class Sending:
    """Sends files to one service, a few uploads at a time."""

    def __init__(self, service: Service, wish: Wish, uploads_at_once: int) -> None:
        self._service = service
        self._wish = wish
        self._uploads = asyncio.Semaphore(uploads_at_once)

    async def send(self, path: str, shown: str, place: Callable[[str], str]) -> Sent:
        """Do all that is asked for a file; a failure is data. Raises OutputError.

        `place` names the picture that comes of it, given its format.
        """
        sent = Sent(shown)
        deadline_at = asyncio.get_running_loop().time() + self._wish.timeout_s
        try:
            async with asyncio.timeout_at(deadline_at):
                await self._send(path, sent, place, deadline_at)
        except ServiceFailure as error:
            sent.code, sent.message = error.code, str(error)
        except TimeoutError:
            sent.code, sent.message = "timeout", f"not done within {self._wish.timeout_s:g} s"
        return sent

    async def _send(
        self, path: str, sent: Sent, place: Callable[[str], str], deadline_at: float
    ) -> None:
        wish, patiently = self._wish, self._service.patiently
        digests = await asyncio.to_thread(_digests, path)
        sent.md5 = digests.md5
        async with self._uploads:
            sent.arrival = await patiently(lambda: self._upload(path, digests), deadline_at)
        if not wish.chain:
            return
        job = await self._job(digests, deadline_at)
        sent.job, sent.state = job["id"], job["state"]
        if not wish.wait:
            return
        job = await patiently(lambda: self._followed(sent), deadline_at)
        if sent.state != "succeeded":
            raise ServiceFailure(
                _word(job.get("code")) or str(sent.state),
                _word(job.get("message")) or f"the job is {sent.state}",
            )
        if wish.folder is not None:
            result = _result_of(job)
            target = wish.folder / place(result.format)
            await patiently(lambda: self._fetch(sent, result, target), deadline_at)
            sent.result = str(target)

    async def _upload(self, path: str, digests: _Digests) -> str:
        """Send a file, and tell whether it is new."""
        query = urlencode(self._wish.who)
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(digests.size),
        }
        with _opened(path) as descriptor:
            if os.fstat(descriptor).st_size != digests.size:
                raise _changed()
            answer = await self._service.document(
                "POST",
                f"/images?{query}" if query else "/images",
                headers=headers,
                data=_pieces(descriptor, digests.size),
            )
        if answer.get("md5") != digests.md5:
            raise _changed()
        return "duplicate" if answer.get("arrival") == "duplicate" else "success"

    async def _job(self, digests: _Digests, deadline_at: float) -> Mapping[str, Any]:
        """Have the chain carried out, anew where it failed before or what it made is gone."""
        patiently = self._service.patiently
        before: list[str] = []
        job = await patiently(lambda: self._order(digests, before), deadline_at)
        while job["state"] in _GONE and job["id"] not in before:
            before.append(job["id"])
            job = await patiently(lambda: self._order(digests, before), deadline_at)
        if job["state"] == "failed":
            return await patiently(lambda: self._again(job), deadline_at)
        return job

    async def _again(self, job: Mapping[str, Any]) -> Mapping[str, Any]:
        """Have a job that has failed done again, unless somebody has asked for that already."""
        try:
            return _as_job(await self._service.document("POST", f"/jobs/{job['id']}/retry"))
        except ServiceFailure as error:
            if error.code != "conflict":
                raise
        return _as_job(await self._service.document("GET", f"/jobs/{job['id']}"))

    async def _order(self, digests: _Digests, before: list[str]) -> Mapping[str, Any]:
        """Order the job that comes after those of the same identity whose results are gone."""
        identity = json.dumps(
            [digests.sha256, self._wish.chain, sorted(self._wish.who.items()), *before[-1:]]
        )
        word = hashlib.sha256(identity.encode()).hexdigest()
        query = urlencode(self._wish.who)
        return _as_job(
            await self._service.document(
                "POST",
                f"/images/{digests.md5}/operations{f'?{query}' if query else ''}",
                headers={"Content-Type": "text/plain", "Idempotency-Key": f"upload-{word}"},
                data=self._wish.chain.encode(),
            )
        )

    async def _followed(self, sent: Sent) -> Mapping[str, Any]:
        """Hear of the job's changes until its end."""
        async with self._service.asked("GET", f"/jobs/{sent.job}/events") as response:
            async for line in _lines(response):
                if line.startswith(b"data:"):
                    job = _as_job(_read(line[5:]))
                    sent.state = job["state"]
                    if sent.state in FINISHED:
                        return job
        raise Again("the service stopped telling of the job")

    async def _fetch(self, sent: Sent, result: _Result, target: Path) -> None:
        """Save the result of the job, whole or not at all."""
        folder = self._wish.folder or target.parent
        with output_errors(target):
            make_folders(target.parent, folder)
            partial = target.parent / f".{secrets.token_hex(8)}.part"
            try:
                with partial.open("xb") as file:
                    async with self._service.asked("GET", f"/jobs/{sent.job}/result") as response:
                        async for piece in response.content.iter_any():
                            if file.tell() + len(piece) > result.bytes:
                                break
                            await asyncio.to_thread(file.write, piece)
                    if file.tell() != result.bytes:
                        raise ServiceFailure("truncated_body", "the result has not its size")
                    file.flush()
                    await asyncio.to_thread(os.fsync, file.fileno())
                partial.replace(target)
                fsync_directory(target.parent)
            finally:
                with suppress(OSError):
                    partial.unlink(missing_ok=True)


class _Result(NamedTuple):
    format: str
    bytes: int


def _result_of(job: Mapping[str, Any]) -> _Result:
    result = job.get("result")
    if isinstance(result, dict):
        found, size = _TYPE.fullmatch(str(result.get("type"))), result.get("bytes")
        if found and isinstance(size, int):
            return _Result(found[1], size)
    raise _strange_job()


def _as_job(document: Mapping[str, Any]) -> Mapping[str, Any]:
    named = isinstance(document.get("id"), str) and _ID.fullmatch(document["id"])
    if not named or document.get("state") not in _STATES:
        raise _strange_job()
    return document


def _read(line: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _strange_job() from error
    if not isinstance(document, dict):
        raise _strange_job()
    return document


def _strange_job() -> ServiceFailure:
    return ServiceFailure("http_error", "the server tells of no job as a pixmill service does")


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    rest = b""
    async for piece in response.content.iter_any():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line
        if len(rest) > _MOST_LINE_BYTES:
            raise _strange_job()


def _word(value: object) -> str | None:
    return value[:500] if isinstance(value, str) and value else None


@contextmanager
def _opened(path: str) -> Iterator[int]:
    """Open a regular file; ServiceFailure where there is none: a pipe could block for good."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _unreadable(error) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ServiceFailure("invalid_request", "this is no regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def _changed() -> ServiceFailure:
    return ServiceFailure("conflict", "the file changed while it was sent")


def _unreadable(error: Exception) -> ServiceFailure:
    reason = getattr(error, "strerror", None) or str(error)
    return ServiceFailure("invalid_request", f"the file can not be read: {reason}")


def _digests(path: str) -> _Digests:
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    with _opened(path) as descriptor:
        try:
            while piece := os.read(descriptor, _PIECE_BYTES):
                md5.update(piece)
                sha256.update(piece)
                size += len(piece)
        except OSError as error:
            raise _unreadable(error) from error
    return _Digests(size, md5.hexdigest(), sha256.hexdigest())


async def _pieces(descriptor: int, size: int) -> AsyncIterator[bytes]:
    """Read as many bytes as were promised; OSError where there are fewer."""
    left = size
    while left:
        piece = await asyncio.to_thread(os.read, descriptor, min(left, _PIECE_BYTES))
        if not piece:
            raise OSError("the file became shorter")
        left -= len(piece)
        yield piece
