"""The bytes of a list: plain or gzip, from a file, a pipe or standard input, from any offset on.

What a line means is left to the readers of the formats.
"""

from __future__ import annotations

import gzip
import io
import stat
import sys
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from pixmill.batch.source.entry import display, reason, unreadable
from pixmill.batch.source.identity import file_identity
from pixmill.batch.source.lines import split_lines
from pixmill.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixmill.batch.source.entry import SourceOptions
    from pixmill.batch.source.lines import Line

READ_ERRORS = (OSError, EOFError, zlib.error)
_BLOCK_BYTES = 1 << 17
_SNIFFED_BYTES = 1 << 12
_SIP_BYTES = 1 << 13
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


class _Stream(Protocol):
    def read1(self, size: int, /) -> bytes: ...

    def seek(self, offset: int, /) -> int: ...


class _Sips(io.BufferedReader):
    """Gives few bytes at once, so that a packed file is not read far ahead of what is unpacked.

    Python 3.12 and newer ask for 128 KiB at once, which may be half of a list that packs well.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size, _SIP_BYTES) if size else size)


def read_head(stream: _Stream) -> bytes:
    """Give the first 4 KiB, or all if there is less."""
    head = b""
    while len(head) < _SNIFFED_BYTES and (more := stream.read1(_SNIFFED_BYTES - len(head))):
        head += more
    return head


def refuse_binary(head: bytes, name: str) -> None:
    """Raise InputError if the first bytes of a list are not those of a text in UTF-8 or ASCII."""
    if head.startswith(_UTF16_BOMS):
        raise InputError(f"{name} is UTF-16 text: convert it to UTF-8 first")
    if b"\0" in head[:_SNIFFED_BYTES]:
        raise InputError(f"{name} looks like binary data, not like a list")


class ListFile:
    """One list; `path` None is standard input. Raises InputError where it can not be read.

    A file is opened anew for each reading. The ending `.gz` says that it is packed; offsets then
    count unpacked bytes. Only a regular file is `resumable`; all else weighs 0 `size_bytes`.
    """

    def __init__(self, path: str | None, max_line_bytes: int) -> None:
        self.name = "standard input" if path is None else display(path)
        self.packed = path is not None and path.lower().endswith(".gz")
        self.resumable = False
        self.size_bytes = 0
        self._path = path
        self._max_line_bytes = max_line_bytes
        # How far reading has come: bytes of the file, unpacked bytes.
        self._front = (0, 0)
        if path is not None:
            self._look(path)

    def _look(self, path: str) -> None:
        try:
            status = Path(path).stat()
            if not stat.S_ISREG(status.st_mode):
                return
            self.resumable = True
            self.size_bytes = status.st_size
            with self._opened() as (stream, _):
                refuse_binary(read_head(stream), self.name)
        except READ_ERRORS as cause:
            raise unreadable(self.name, cause) from cause

    @contextmanager
    def _opened(self) -> Iterator[tuple[_Stream, Callable[[], int]]]:
        """Open; gives the unpacked stream and how to ask for the place in the file."""
        if self._path is None:
            if sys.stdin is None:
                raise InputError("standard input is closed")
            yield cast("_Stream", sys.stdin.buffer), _nowhere
            return
        with _Sips(io.FileIO(self._path)) as file:
            place = file.tell if self.resumable else _nowhere
            if not self.packed:
                yield file, place
                return
            with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
                yield unpacked, place

    def lines(self, before: int = 0, start: int = 0) -> Iterator[Line]:
        """Yield physical lines from byte `start` on, without a byte order mark.

        Raises InputError where reading fails, and where a file ends before the size it had at
        first.
        """
        try:
            with self._opened() as (stream, place):
                lines = self._split(self._blocks(stream, place, start), before, start)
                first = next(lines, None) if not start else None
                if first is not None:
                    yield _without_mark(first)
                yield from lines
        except OSError as cause:
            raise unreadable(self.name, cause) from cause

    def _split(self, blocks: Iterator[bytes], before: int, start: int) -> Iterator[Line]:
        def read(line: int) -> bytes:
            try:
                return next(blocks, b"")
            except READ_ERRORS as cause:
                raise InputError(
                    f"can not read {self.name} beyond line {line:,}: {reason(cause)}"
                ) from cause

        return split_lines(read, before=before, start=start, max_bytes=self._max_line_bytes)

    def _blocks(self, stream: _Stream, place: Callable[[], int], start: int) -> Iterator[bytes]:
        if start:
            stream.seek(start)
        reached = start
        while block := stream.read1(_BLOCK_BYTES):
            if not reached:
                refuse_binary(block, self.name)
            reached += len(block)
            self._front = (place(), reached)
            yield block
        if not self.packed and reached < self.size_bytes:
            raise InputError(f"{self.name} became shorter while it was read")

    def share(self, offset: int) -> float:
        """Tell how much of the file lies before a byte; a guess while a packed one is read."""
        read, unpacked = self._front
        if not self.packed:
            return offset / self.size_bytes if self.size_bytes else 1.0
        return min(1.0, offset / unpacked * read / self.size_bytes) if unpacked else 0.0

    def identity(self) -> dict[str, object]:
        """Give size and digest of the file as it lies on disk."""
        return file_identity(self._path or "", self.name)


def _nowhere() -> int:
    return 0


def _without_mark(line: Line) -> Line:
    number, offset, raw, cut = line
    return number, offset, raw.removeprefix(_UTF8_BOM), cut


class ListReader:
    """What the readers of formats made of lines have in common; they add `items`."""

    def __init__(self, file: ListFile, index: int, options: SourceOptions) -> None:
        self.name = file.name
        self.size_bytes = file.size_bytes
        self.resumable = file.resumable
        self.share = file.share
        self.identity = file.identity
        self._file = file
        self._index = index
        self._options = options
