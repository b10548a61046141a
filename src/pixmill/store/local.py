"""Blobs as files of a folder, on a disk or a NAS.

A blob is written under a temporary name in `tmp` of the same folder, synced, renamed, and the
folder it then stands in is synced: after a power cut it is whole, or not there. Others may read
what the umask lets them. What a killed process left in `tmp` is told by `stale_files`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pixmill.errors import OutputError
from pixmill.store.blobs import BlobInfo, check_blob_name, is_blob_name
from pixmill.store.landmark import LANDMARK, claim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from pixmill.store.blobs import Content

_SPOOL = "tmp"
_FULL = {errno.ENOSPC: "its disk is full", errno.EDQUOT: "its disk quota is used up"}


class LocalBlobs:
    """The port `BlobStore` over a folder, which is made where it is missing.

    One that is `claimed` is never made here: it has its mark (see `landmark`), or can not be used.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._is_claimed = False

    def claim(self, archive_id: str, may_be_new: Callable[[], bool]) -> None:
        """Make sure that the folder is an archive's, now and at each use. Raises OutputError."""
        claim(self._folder, archive_id, may_be_new)
        self._is_claimed = True

    @property
    def spool(self) -> Path:
        """The folder of files that are not blobs yet; made where it is missing."""
        path = self._folder / _SPOOL
        with self._explained():
            if self._is_claimed:
                (self._folder / LANDMARK).stat()
            path.mkdir(parents=not self._is_claimed, exist_ok=True)
        return path

    def put(self, name: str, content: Content) -> None:
        """Keep a blob, whole and durable."""
        check_blob_name(name)
        target = self._folder / name
        temporary = self.spool / f"{secrets.token_hex(8)}.blob"
        with self._explained():
            try:
                self._prepare(temporary, content)
                self._rename(temporary, target)
                _sync_folder(target.parent)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise

    def open(self, name: str) -> LocalBlob | None:
        """Open a blob; None where there is none."""
        check_blob_name(name)
        with self._explained():
            try:
                return LocalBlob(os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC))
            except FileNotFoundError:
                return None

    def delete(self, name: str) -> bool:
        """Delete a blob, and the folder of its minute where it was the last."""
        check_blob_name(name)
        path = self._folder / name
        with self._explained():
            try:
                path.unlink()
            except FileNotFoundError:
                return False
            with contextlib.suppress(OSError):  # others are in there
                path.parent.rmdir()
                path.parent.parent.rmdir()
        return True

    def all(self, folder: str) -> Iterator[BlobInfo]:
        """List the blobs of a folder."""
        with self._explained():
            for path in _files(self._folder / folder):
                with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                    name = path.relative_to(self._folder).as_posix()
                    if not is_blob_name(name):
                        continue  # somebody else's
                    status = path.stat()
                    written_at = datetime.fromtimestamp(status.st_mtime, UTC)
                    yield BlobInfo(name, status.st_size, written_at)

    def stale_files(self, before: datetime) -> Iterator[Path]:
        """Give the files that were left unfinished before a time, in UTC."""
        spool = self.spool
        with self._explained():
            for path in _files(spool):
                with contextlib.suppress(FileNotFoundError):
                    if datetime.fromtimestamp(path.stat().st_mtime, UTC) < before:
                        yield path

    def _prepare(self, temporary: Path, content: Content) -> None:
        """Make a synced file of the content."""
        if isinstance(content, Path):
            try:
                content.rename(temporary)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                shutil.move(content, temporary)
            descriptor = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(temporary, flags, 0o666)
        try:
            if not isinstance(content, Path):
                _write(descriptor, memoryview(content))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _rename(self, temporary: Path, target: Path) -> None:
        """Rename into a folder that may have to be made, and may be removed as empty meanwhile."""
        for _ in range(3):
            try:
                temporary.rename(target)
            except FileNotFoundError:
                _make_folders(target.parent, self._folder)
            else:
                return
        temporary.rename(target)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            cause = _FULL.get(error.errno or 0) or error.strerror or str(error)
            raise OutputError(
                f"the folder of images {self._folder} can not be used: {cause}; nothing that was "
                "kept is lost: mend the cause, and go on"
            ) from error


class LocalBlob:
    """An open file, as the port `Blob`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        self.size = os.fstat(descriptor).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Read from a place; OutputError where the disk fails, ValueError once it is closed."""
        if self._descriptor is None:
            raise ValueError("the blob is closed")
        try:
            return os.pread(self._descriptor, length, offset)
        except OSError as error:
            raise OutputError(f"a file of the archive can not be read: {error.strerror}") from error

    def fileno(self) -> int | None:
        """Give the file's descriptor; None once it is closed."""
        return self._descriptor

    def close(self) -> None:
        """Close the file; may be called again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __del__(self) -> None:
        """Close the file of who left while it was opened: nobody has it then."""
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _write(descriptor: int, rest: memoryview) -> None:
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _make_folders(path: Path, root: Path) -> None:
    """Make a folder below `root` and make its name, and those above it, durable."""
    missing = []
    while path != root and not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True, parents=True)
        _sync_folder(folder.parent)


def _sync_folder(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:  # with the blob, which somebody has deleted
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems know no sync of folders; a rename is durable there by itself.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def _files(folder: Path) -> Iterator[Path]:
    """Walk the regular files below a folder, each folder at its turn."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    yield Path(entry.path)
    except FileNotFoundError:
        return
