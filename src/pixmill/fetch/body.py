"""Bodies: held in memory under one budget, or in an unlinked temporary file.

Owns what becomes of decoded bytes, and what they may cost in memory; what files may take together
is `spill.py`'s, where bytes come from `client.py`'s.
Writing to the file happens in place: the page cache takes it at memory speed, and a thread that
still writes while a canceled fetch closes its file would be worse than the pause.
"""

from __future__ import annotations

import mmap
import tempfile
import threading
import warnings
from typing import IO, TYPE_CHECKING, Self

from pixmill.errors import OutputError, TooManyBytes

if TYPE_CHECKING:
    from types import TracebackType

    from pixmill.fetch.options import FetchOptions
    from pixmill.fetch.spill import SpillBudget

# A body that comes byte by byte would cost fifty times its size in objects.
MAX_CHUNKS = 1024


class MemoryBudget:
    """Bytes that all bodies in memory may hold together. Refuses instead of waiting. Any thread."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Reserve `size` bytes, or reserve none and say False."""
        with self._lock:
            if self.used + size > self.limit:
                return False
            self.used += size
            return True

    def give(self, size: int) -> None:
        """Return `size` reserved bytes."""
        with self._lock:
            self.used -= size


class Body:
    """The bytes of one download; close it, or use it as a context manager.

    `size` is in bytes. Either `data` holds them, or they stand in an open file (`fileno()`) that
    has no name. Closing gives memory back to `budget`, a file to the system and to `spill`.
    """

    __slots__ = ("_budget", "_file", "_files", "_map", "data", "size")

    def __init__(
        self,
        data: bytes | None,
        size: int,
        budget: MemoryBudget,
        spill: SpillBudget,
        file: IO[bytes] | None = None,
    ) -> None:
        self.data = data
        self.size = size
        self._budget: MemoryBudget | None = budget
        self._files = spill
        self._file = file
        self._map: mmap.mmap | None = None

    def fileno(self) -> int:
        """Return the descriptor of the temporary file; ValueError where there is none."""
        if self._file is None:
            raise ValueError("the body is in memory, or closed")
        return self._file.fileno()

    def view(self) -> memoryview:
        """All bytes, read-only and without a copy; the view of a file is a mapping of it."""
        if self._file is None:
            return memoryview(self.data or b"")
        if self._map is None:
            self._map = mmap.mmap(self._file.fileno(), self.size, access=mmap.ACCESS_READ)
        return memoryview(self._map)

    def close(self) -> None:
        """Let go of the bytes; a second call does nothing.

        A view still in use keeps the mapped pages readable until it is gone itself.
        """
        budget, self._budget = self._budget, None
        if budget is None:
            return
        self._map = None
        if self._file is None:
            budget.give(self.size)
            self.data = None
        else:
            self._file.close()
            self._files.give(self._file, self.size)
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if self._budget is not None:
            warnings.warn(f"unclosed body of {self.size} bytes", ResourceWarning, stacklevel=2)
            self.close()


class BodyWriter:
    """Takes decoded chunks in order, keeps the limits, ends as a `Body` or is discarded."""

    __slots__ = (
        "_budget",
        "_chunks",
        "_file",
        "_files",
        "_options",
        "_reserved",
        "_written",
        "size",
    )

    def __init__(self, options: FetchOptions, budget: MemoryBudget, spill: SpillBudget) -> None:
        self._options = options
        self._budget = budget
        self._files = spill
        self._chunks: list[bytes] = []
        self._reserved = 0  # of what is in hand; the piece that starts a file is not
        self._file: IO[bytes] | None = None
        self._written = 0
        self.size = 0

    @property
    def in_file(self) -> bool:
        """Whether the body goes to a temporary file."""
        return self._file is not None

    def expect(self, size: int) -> None:
        """Raise `TooManyBytes` where `size` bytes, claimed or counted, are above the limit."""
        if size > self._options.max_bytes:
            raise TooManyBytes(f"the body is larger than {self._options.max_bytes} bytes")

    def write(self, chunk: bytes) -> None:
        """Add bytes; `TooManyBytes` past the limit, `OutputError` where no file can be opened.

        What goes to a file is in hand until `wait_for_room` or `finish`.
        """
        size = self.size + len(chunk)
        self.expect(size)
        self._chunks.append(chunk)
        if self._file is None:
            self._keep(len(chunk), size)
        self.size = size

    def _keep(self, more: int, size: int) -> None:
        """Reserve memory for what is in hand, or open a file where there is none for it."""
        if size > self._options.spill_bytes or not self._budget.take(more):
            self._file = self._open_file()
            return
        self._reserved += more
        if len(self._chunks) == MAX_CHUNKS:
            self._chunks = [b"".join(self._chunks)]

    async def wait_for_room(self) -> None:
        """Write to the file once there is room; to be called after every `write`.

        `OutputError` where the disk is full all the same.
        """
        if self._file is not None:
            await self._files.wait_for_room(self._file, self.size - self._written)
            self._write_out(self._file)

    def finish(self) -> Body:
        """Return the body of all that was written; the writer is spent.

        Raises as `wait_for_room` does.
        """
        if self._file is not None:
            self._write_out(self._file)
            file, self._file = self._file, None
            return Body(None, self.size, self._budget, self._files, file)
        chunks, self._chunks = self._chunks, []
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        return Body(data, self.size, self._budget, self._files)

    def discard(self) -> None:
        """Give everything back."""
        self._drop_hand()
        if self._file is not None:
            self._file.close()
            self._files.give(self._file, self._written)
            self._file = None
        self._written = self.size = 0

    def _write_out(self, file: IO[bytes]) -> None:
        """Move what is in hand to the file, in one turn of the event loop: see `SpillBudget`."""
        for chunk in self._chunks:
            rest = memoryview(chunk)
            try:
                while rest:
                    rest = rest[file.write(rest) :]
            except OSError as error:
                raise _no_room(error, self._options) from error
        self._files.take(self.size - self._written)
        self._written = self.size
        self._drop_hand()

    def _drop_hand(self) -> None:
        self._chunks = []
        self._budget.give(self._reserved)
        self._reserved = 0

    def _open_file(self) -> IO[bytes]:
        try:
            # Unbuffered: what a buffer could not write would be tried again when it is closed.
            return tempfile.TemporaryFile(buffering=0, dir=self._options.temp_dir)
        except OSError as error:
            raise _no_room(error, self._options) from error


def _no_room(error: OSError, options: FetchOptions) -> OutputError:
    folder = options.temp_dir or tempfile.tempdir or "any folder"  # None: none was found
    return OutputError(
        f"no room for temporary files in {folder}: {error.strerror}; make room there, or name a "
        "larger folder in the variable TMPDIR"
    )
