"""Files that outlive a kill, a power cut and a full disk.

Owns: a file that is only appended to and remembers how much of it is on the disk; replacing a file
as a whole; the lock that keeps two runs off one output; and the one place where an `OSError` of
writing becomes an `OutputError` with a sentence. What the bytes mean is left to the sinks and the
checkpoint.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
from typing import TYPE_CHECKING, Self

from pixmill.errors import OutputError, OutputLocked, ResumeRefused

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

# Characters held back before a write: large enough that the system call is not felt at any rate.
_BUFFER_CHARS = 1 << 18

_SURROGATES = re.compile("[\ud800-\udfff]")

# What the user can mend and go on from; every other cause is told in the system's own words.
_FULL = {
    errno.ENOSPC: "no space is left on its disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "it has reached the file-size limit",
}


def utf8(text: str) -> bytes:
    """Encode as valid UTF-8: lone surrogates, which have no UTF-8, become U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _SURROGATES.sub("\ufffd", text).encode()


@contextlib.contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` inside into an `OutputError` that names `path`, cause and what to do."""
    try:
        yield
    except OSError as error:
        raise OutputError(_sentence(path, error)) from error


def _sentence(path: Path, error: OSError) -> str:
    if error.errno in _FULL:
        return (
            f"cannot write {path}: {_FULL[error.errno]}; what is committed is safe: "
            "make room and run the same command again to resume"
        )
    if error.errno == errno.ENOENT and not path.parent.is_dir():
        return f"cannot write {path}: the folder {path.parent} does not exist"
    cause = error.strerror or str(error)
    if error.errno in {errno.EROFS, errno.EACCES}:
        return f"cannot write {path}: {cause}; let it be written to, or name another OUTPUT"
    return f"cannot write {path}: {cause}; what is committed is safe, running again resumes"


def check_target(path: Path) -> None:
    """Refuse early what no file can be renamed to.

    Raises OutputError where the folder is missing or something other than a regular file stands at
    `path`.
    """
    with output_errors(path):
        if not path.parent.is_dir():
            raise OutputError(f"cannot write {path}: the folder {path.parent} does not exist")
        if path.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder")
        if path.exists() and not path.is_file():
            raise OutputError(f"cannot write {path}: it is no regular file")


def remove(path: Path) -> None:
    """Remove a file that may be gone already. Raises OutputError."""
    with output_errors(path):
        path.unlink(missing_ok=True)


def fsync_directory(path: Path) -> None:
    """Make names created, replaced or removed in the folder `path` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems know no sync of folders; a rename is durable there by itself.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def replace_durably(partial: Path, final: Path) -> None:
    """Rename a file that is already synced over `final` and make the rename durable.

    Where `partial` is gone the rename happened before a kill, and only the folder is synced. Raises
    OutputError.
    """
    with output_errors(final):
        with contextlib.suppress(FileNotFoundError):
            partial.replace(final)
        fsync_directory(final.parent)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace the content of the file `path` by `data`.

    At any moment, also after a power cut, it holds either the old bytes or the new. One writer at a
    time, since `path.tmp` is the way there. Raises OutputError.
    """
    temporary = path.with_name(path.name + ".tmp")
    with output_errors(path), temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    replace_durably(temporary, path)


class AppendFile:
    """A text file that grows at its end; after a `sync`, all of its `length` bytes are on the disk.

    `committed` None starts anew. A number continues a file that was once synced at that length:
    what stands after it is cut off; a shorter or missing file is ResumeRefused. Errors of the disk
    are OutputError; after one the file can only be closed.
    """

    def __init__(self, path: Path, committed: int | None = None) -> None:
        self.path = path
        self.length = committed or 0
        self._pending: list[str] = []
        self._pending_chars = 0
        self._synced = committed is not None
        with output_errors(path):
            self._file = _create(path) if committed is None else _reopen(path, committed)

    def append(self, text: str) -> None:
        """Add text; it reaches the file at some time before the next `sync` ends."""
        self._pending.append(text)
        self._pending_chars += len(text)
        if self._pending_chars >= _BUFFER_CHARS:
            self._flush()

    def sync(self) -> int:
        """Bring everything appended to the disk and give the length in bytes that is safe now."""
        self._flush()
        if not self._synced:
            with output_errors(self.path):
                os.fsync(self._file.fileno())
            self._synced = True
        return self.length

    def close(self) -> None:
        """Release the descriptor; what was not synced may be lost. May be called again."""
        self._pending.clear()
        # A network file system may report here what it failed to write since the last sync; nobody
        # was promised those bytes.
        with contextlib.suppress(OSError):
            self._file.close()

    def _flush(self) -> None:
        if not self._pending:
            return
        data = memoryview(utf8("".join(self._pending)))
        self._pending.clear()
        self._pending_chars = 0
        self._synced = False
        with output_errors(self.path):
            while data:
                # Near the end of a disk or a limit a write may take only a part.
                written = self._file.write(data)
                self.length += written
                data = data[written:]


def _create(path: Path) -> io.FileIO:
    file = path.open("wb", buffering=0)
    try:
        fsync_directory(path.parent)
    except BaseException:
        file.close()
        raise
    return file


def _reopen(path: Path, committed: int) -> io.FileIO:
    try:
        file = path.open("r+b", buffering=0)
    except FileNotFoundError as error:
        raise ResumeRefused(
            f"{path} is gone, though {committed} bytes of it were finished; --overwrite starts anew"
        ) from error
    try:
        length = file.seek(0, os.SEEK_END)
        if length < committed:
            raise ResumeRefused(
                f"{path} has {length} bytes, fewer than the {committed} that were finished: it was "
                "changed since; --overwrite starts anew"
            )
        file.truncate(committed)
        file.seek(committed)
    except BaseException:
        file.close()
        raise
    return file


class OutputLock:
    """The right to write one output, for this process alone, while the `with` block runs.

    A lock on the file `.o.pixmill-lock` for `o.csv`, which the kernel drops when the process dies;
    the file names the holder. Raises OutputLocked where another process holds it, OutputError where
    it cannot be made. A forked child would share it, a spawned one does not inherit the descriptor.
    """

    def __init__(self, output: Path) -> None:
        self._output = output
        # o.csv and o.jsonl share o-errors.csv: one lock for all outputs of one stem. The file is
        # written to and removed unasked, so its name is one that no other program uses.
        self._path = output.with_name(f".{output.stem}.pixmill-lock")
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        with output_errors(self._path):
            while self._descriptor is None:
                self._descriptor = self._try()
            try:
                os.ftruncate(self._descriptor, 0)
                os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)
            except BaseException:
                self._release(self._descriptor)
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._descriptor is not None:
            self._release(self._descriptor)

    def _release(self, descriptor: int) -> None:
        self._descriptor = None
        # Removed while held, so that the name never stands for a lock that somebody else just took.
        try:
            with contextlib.suppress(OSError):
                self._path.unlink()
        finally:
            os.close(descriptor)

    def _try(self) -> int | None:
        """Give the descriptor of the locked file, None where it was removed while being locked."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), self._path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise OutputLocked(self._refusal(holder)) from error
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def _refusal(self, holder: str) -> str:
        who = f"process {holder}" if holder else "another process"
        return f"{self._output} is being written by {who}; wait for it or choose another output"
