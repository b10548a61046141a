"""Where bytes lie: the port of a blob store, and how blobs are named.

A blob is written once, under a name that nobody else uses, and never changed; a row of the archive
names it. So whatever races, nobody writes over another's blob, and a blob that no row names is an
orphan, which may be deleted once it is old enough not to be in anybody's hand.

Every method raises OutputError where the store can not be used. All are synchronous, and any number
of threads and processes may call them at once.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pixmill.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from types import TracebackType
    from typing import Self

ORIGINALS, GREYS = "originals", "greys"

Content = bytes | memoryview | Path
"""What a blob is made from; a file is taken over and is gone afterwards."""

_NAME = re.compile(
    r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}/){1,6}[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}"
)


class BlobInfo(NamedTuple):
    """A blob without its bytes; `written_at` is in UTC and aware of it."""

    name: str
    bytes: int
    written_at: datetime


class Blob(Protocol):
    """A blob that is open for reading; close it, or use it as a context manager. One thread."""

    @property
    def size(self) -> int:
        """How many bytes it has."""

    def read(self, offset: int, length: int) -> bytes:
        """Read `length` bytes from `offset` on, fewer only at its end."""

    def fileno(self) -> int | None:
        """Give the descriptor of the file that it is, from its first byte to its last, or None."""

    def close(self) -> None:
        """Let go of it; may be called again."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class BlobStore(Protocol):
    """Blobs by name. Names are as `check_blob_name` wants them, else UsageError."""

    @property
    def spool(self) -> Path:
        """A folder that stands, where a file to be put is best made: it need not be copied then."""

    def put(self, name: str, content: Content) -> None:
        """Keep a blob: whole and durable when this returns, not there at all where it raises."""

    def open(self, name: str) -> Blob | None:
        """Open a blob; None where there is none."""

    def delete(self, name: str) -> bool:
        """Delete a blob; False where there was none."""

    def all(self, folder: str) -> Iterator[BlobInfo]:
        """List the blobs of a folder (the first part of their names), in no order."""

    def stale_files(self, before: datetime) -> Iterator[Path]:
        """Give the files that were left unfinished before a time, for whoever deletes them."""


class OwnBlobs(BlobStore, Protocol):
    """Blobs at a place that names the archive that it belongs to (see `landmark`)."""

    def claim(self, archive_id: str, may_be_new: Callable[[], bool]) -> None:
        """Make sure that the place is an archive's, now and where it can be seen at each use."""


def is_blob_name(name: str) -> bool:
    """Whether it is a name: parts of plain characters, none with a leading dot."""
    return _NAME.fullmatch(name) is not None


def check_blob_name(name: str) -> None:
    """Raise UsageError unless it is a name, as `is_blob_name` says."""
    if not is_blob_name(name):
        raise UsageError(f"no blob has a name like {name[:80]!a}")


def blob_name(folder: str, md5: str, ending: str, now: datetime) -> str:
    """Make the name of a new blob: by the minute of its making, its MD5, and some chance.

    By the minute, since files of a folder are made durable together, and old ones go together.
    """
    return f"{folder}/{now:%Y-%m-%d}/{now:%H%M}/{md5}-{secrets.token_hex(4)}.{ending}"
