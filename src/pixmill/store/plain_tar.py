"""A tar of plain files, written and read as a stream: one after another, and nothing else.

A header that speaks of anything but a regular file (a link, a folder, a file with holes, a long
name in an entry of its own) is refused before what it promises is read, so memory stays bounded
whatever a hostile tar holds. What the files mean is left to `backup` and `restore`.
"""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

from pixmill.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO


def write_entry(target: BinaryIO, name: str, size: int, pieces: Iterable[bytes]) -> None:
    """Write a file, for its owner alone.

    OutputError where its pieces are not of that size, or its name is longer than 100 bytes.
    """
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    header = info.tobuf(tarfile.GNU_FORMAT)
    if len(header) != tarfile.BLOCKSIZE:
        raise OutputError(f"the name of {name} is too long for a backup")
    target.write(header)
    left = size
    for piece in pieces:
        target.write(piece)
        left -= len(piece)
    if left:
        raise OutputError(f"{name} can not be read to its end: it was changed, or its disk fails")
    target.write(bytes(-size % tarfile.BLOCKSIZE))


def write_end(target: BinaryIO) -> None:
    """Write what ends a tar."""
    target.write(bytes(2 * tarfile.BLOCKSIZE))
    target.flush()


class Entry:
    """A file of the tar, to be read before the next one is asked for."""

    def __init__(self, name: str, size: int, source: BinaryIO) -> None:
        self.name, self.size = name, size
        self._left, self._source = size, source

    def read(self, size: int) -> bytes:
        """Return the next bytes, none at its end. InputError where the tar ends before it."""
        piece = self._source.read(min(size, self._left))
        if not piece and min(size, self._left):
            raise InputError("the backup is cut off")
        self._left -= len(piece)
        return piece


class PlainTar:
    """The entries of a tar. Raises InputError for what is none, or holds anything but files."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._entry: Entry | None = None

    def next(self) -> Entry | None:
        """Skip what is left of the entry before, and return the next one; None at the end."""
        self._skip()
        block = self._source.read(tarfile.BLOCKSIZE)
        if not block.strip(b"\0"):
            return None
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.HeaderError, ValueError) as error:
            raise InputError(f"this is no backup, or it is cut off: {error}") from error
        if info.type != tarfile.REGTYPE or info.size < 0:
            raise InputError(f"the backup holds what is no file: {info.name[:80]!a}")
        self._entry = Entry(info.name, info.size, self._source)
        return self._entry

    def finish(self) -> None:
        """Read to the end, so that whoever writes to a pipe can. InputError for more entries."""
        self._skip()
        while block := self._source.read(tarfile.RECORDSIZE):
            if block.strip(b"\0"):
                raise InputError("the backup goes on after its manifest")

    def _skip(self) -> None:
        if self._entry is not None:
            while self._entry.read(tarfile.RECORDSIZE):
                pass
            self._source.read(-self._entry.size % tarfile.BLOCKSIZE)
            self._entry = None
