"""Blobs as objects of S3, or of what speaks its protocol.

A blob is whole or not there, since S3 has it so: also one that is sent in parts. Where `put` raises
because no answer came, the object may stand all the same, under a name that nobody names: whoever
put it deletes it, and `find_orphans` finds the rest. Every request has a deadline, and is repeated
a few times while that may help.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from pixmill.errors import OutputError
from pixmill.store.blobs import GREYS, ORIGINALS, BlobInfo, check_blob_name, is_blob_name
from pixmill.store.landmark import LANDMARK, MOST_BYTES, PLACE, read_text, settle, text_of
from pixmill.store.s3_failures import NO_SUCH_KEY, code_of, failure_of, is_answer
from pixmill.store.spool import Spool, explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from types import TracebackType

    from obstore import ObjectMeta
    from obstore.store import ClientConfig, RetryConfig, S3Config, S3Credential

    from pixmill.store.blobs import Content
    from pixmill.store.places import S3Keys, S3Place

_PART_BYTES = 5 * 2**20  # the least that S3 takes as a part, since many are sent at once
_PARTS_AT_ONCE = 2
_MOST_READ_BYTES = 8 * 2**20  # by one request, which has to end in time
_AHEAD_BYTES = 2**20
_LISTED_AT_ONCE = 1000
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


class Patience(NamedTuple):
    """How long a request may take, and when it is not repeated any more; in seconds."""

    connect_s: float = 5.0
    request_s: float = 20.0
    repeat_s: float = 30.0
    repeats: int = 8


_PATIENCE = Patience()


class S3Blobs:
    """The port `BlobStore` over a part of a bucket; `spool` is a folder of this machine.

    OutputError where its keys can not be used. Nothing is asked for until it is needed.
    """

    doubt = "is its bucket the right one"

    def __init__(self, place: S3Place, spool: Path, patience: Patience = _PATIENCE) -> None:
        self._place = place
        self._spool = Spool(spool)
        with self._explained():
            self._store = _open(place, patience)

    def __str__(self) -> str:
        return str(self._place)

    def claim(self, archive_id: str, may_be_new: Callable[[], bool]) -> None:
        """Make sure that the place is an archive's. Raises OutputError."""
        settle(self, archive_id, may_be_new)

    @property
    def spool(self) -> Path:
        """The folder of files that are not blobs yet; made where it is missing."""
        return self._spool.made()

    def put(self, name: str, content: Content) -> None:
        """Keep a blob, whole and durable."""
        check_blob_name(name)
        if not isinstance(content, Path):
            self._send(name, content)
            return
        with explained(content), content.open("rb"):
            pass  # so that a file that can not be read is not taken for a failure of S3
        self._send(name, content)
        with explained(content):
            content.unlink()

    def open(self, name: str) -> S3Blob | None:
        """Open a blob; None where there is none."""
        check_blob_name(name)
        found = self._find(name)
        return None if found is None else S3Blob(self, name, found)

    def delete(self, name: str) -> bool:
        """Delete a blob; False where there was none, which S3 tells only if it is asked before."""
        check_blob_name(name)
        if self._find(name) is None:
            return False
        with self._explained():
            self._store.delete(name)
        return True

    def all(self, folder: str) -> Iterator[BlobInfo]:
        """List the blobs of a folder."""
        with self._explained():
            for page in self._store.list(folder, chunk_size=_LISTED_AT_ONCE):
                for found in page:
                    if is_blob_name(found["path"]):  # else it is somebody else's
                        yield BlobInfo(found["path"], found["size"], found["last_modified"])

    def stale_files(self, before: datetime) -> Iterator[Path]:
        """Give the files of the spool that were left before a time, in UTC."""
        return self._spool.stale_files(before)

    def read_mark(self) -> str | None:
        """Read which archive's the place is; None where it is nobody's."""
        with self._explained():
            try:
                return read_text(bytes(self._store.get(LANDMARK).bytes())[:MOST_BYTES])
            except FileNotFoundError as error:
                if code_of(error) != NO_SUCH_KEY:
                    raise
                return None

    def has_images(self) -> bool:
        """Tell whether images lie in the place."""
        return any(True for folder in (ORIGINALS, GREYS) for _ in self.all(folder))

    def mark(self, archive_id: str) -> None:
        """Note whose the place is, unless another was first."""
        with self._explained(), suppress(AlreadyExistsError):
            self._store.put(LANDMARK, text_of(archive_id).encode(), mode="create")

    def read(self, name: str, found: ObjectMeta, first: int, end: int) -> bytes:
        """Read a part of the very object that was found, of at least one byte."""
        pieces = []
        for start in range(first, end, _MOST_READ_BYTES):
            stop = min(start + _MOST_READ_BYTES, end)
            pieces.append(self._read_piece(name, found, start, stop))
        return b"".join(pieces)

    def _read_piece(self, name: str, found: ObjectMeta, start: int, stop: int) -> bytes:
        with self._explained():
            try:
                got = self._store.get(
                    name, options={"range": (start, stop), "if_match": found["e_tag"]}
                )
                piece = bytes(got.bytes())
            except PreconditionError:
                raise OutputError(f"{name} was written anew while it was read") from None
            except FileNotFoundError as error:
                if code_of(error) != NO_SUCH_KEY:
                    raise
                raise OutputError(f"{name} was deleted while it was read") from None
        if len(piece) != stop - start:
            raise OutputError(f"{self} gave {len(piece)} bytes of {name} instead of {stop - start}")
        return piece

    def _send(self, name: str, content: Content) -> None:
        # Whoever does a job once more writes the same result, so this is no conditional put; and so
        # it may be repeated when no answer came.
        with self._explained():
            self._store.put(name, content, chunk_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE)

    def _find(self, name: str) -> ObjectMeta | None:
        """Look for an object. A bucket that is gone, or keys that are, are no missing object.

        A refusal of a HEAD has no body that would tell them apart, so a second look does.
        """
        with self._explained():
            try:
                return self._store.head(name)
            except (BaseError, FileNotFoundError) as error:
                if not is_answer(error):
                    raise
            try:
                return self._store.get(name, options={"range": (0, 1)}).meta
            except FileNotFoundError as error:
                if code_of(error) != NO_SUCH_KEY:
                    raise
                return None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, FileNotFoundError, ValueError) as error:
            cause, remedy = failure_of(error)
            # Without the client's own error, which may tell what is secret (see `s3_failures`).
            raise OutputError(f"{PLACE} {self} can not be used: {cause}; {remedy}") from None


class S3Blob:
    """A blob of which a part is asked for when it is read, as the port `Blob`.

    Small parts are read from a larger one that is asked for at once.
    """

    def __init__(self, blobs: S3Blobs, name: str, found: ObjectMeta) -> None:
        self._blobs, self._name, self._found = blobs, name, found
        self._held_from, self._held = 0, b""
        self.size = found["size"]

    def read(self, offset: int, length: int) -> bytes:
        """Read from a place; OutputError also where the blob was deleted since it was opened."""
        end = min(offset + length, self.size)
        if offset >= end:
            return b""
        if end - offset >= _AHEAD_BYTES:
            return self._blobs.read(self._name, self._found, offset, end)
        if not self._held_from <= offset <= end <= self._held_from + len(self._held):
            ahead = min(offset + _AHEAD_BYTES, self.size)
            self._held = self._blobs.read(self._name, self._found, offset, ahead)
            self._held_from = offset
        return self._held[offset - self._held_from : end - self._held_from]

    def fileno(self) -> None:
        """There is no file."""

    def close(self) -> None:
        """Let go of what was read ahead."""
        self._held = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _open(place: S3Place, patience: Patience) -> S3Store:
    endpoint = place.endpoint or next(filter(None, map(os.environ.get, _ENDPOINTS)), "")
    # One DELETE an object, since not everything that speaks S3 knows the one for many.
    config: S3Config = {"disable_bulk_delete": True}
    if place.endpoint is not None:
        # Both: the second goes before the first, and the environment may hold another.
        config |= {"endpoint": place.endpoint, "aws_endpoint_url_s3": place.endpoint}
    if place.region is not None:
        config["region"] = place.region
    client: ClientConfig = {
        "allow_http": endpoint.lower().startswith("http://"),
        "connect_timeout": timedelta(seconds=patience.connect_s),
        "timeout": timedelta(seconds=patience.request_s),
    }
    retry: RetryConfig = {
        "max_retries": patience.repeats,
        "retry_timeout": timedelta(seconds=patience.repeat_s),
        "backoff": {
            "init_backoff": timedelta(milliseconds=200),
            "max_backoff": timedelta(seconds=3),
            "base": 2,
        },
    }
    return S3Store(
        place.bucket,
        prefix=place.prefix or None,
        config=config,
        client_options=client,
        retry_config=retry,
        credential_provider=_provider(place.keys) if place.keys is not None else None,
    )


def _provider(keys: S3Keys) -> Callable[[], S3Credential]:
    """Give these keys alone: a token of the environment belongs to the keys that are there."""

    def provide() -> S3Credential:
        return {
            "access_key_id": keys.access_key,
            "secret_access_key": keys.secret_key,
            "token": None,
            "expires_at": None,
        }

    return provide
