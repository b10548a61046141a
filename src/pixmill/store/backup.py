"""A backup of catalog and archive: one tar of the database, its images' files, and what it holds.

The database comes first, as it is at one moment, also while others write; then the files that its
rows name. A file that is dropped meanwhile is left out, and its row when the backup is restored.
`manifest.json` comes last, so that a backup that was cut off is told from a whole one.

Whoever made a backup may be somebody else: of its entries only those are taken that are written
here, under the names that are given here. The database is put in its place after all files, so a
restore that was killed is just done again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, NamedTuple

from pixmill.errors import InputError, OutputError, UsageError
from pixmill.store.blobs import check_blob_name
from pixmill.store.opening import open_archive, sqlite_url
from pixmill.store.orphans import mend, rows_without_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.store.archive import Archive
    from pixmill.store.blobs import Blob

FORMAT = 1
_DATABASE, _MANIFEST, _BLOBS = "catalog.sqlite", "manifest.json", "blobs/"
_PIECE_BYTES = 2**20
_MANIFEST_BYTES = 2**16
_PAGES_AT_ONCE = 4096


class Summary(NamedTuple):
    """What is in a backup: images, bytes of their files, and files that were gone meanwhile."""

    images: int
    bytes: int
    gone: int


def back_up(database: Path, blobs: Path, target: BinaryIO, work: Path) -> Summary:
    """Write a backup of the SQLite file and the folder to a stream; the folder `work` is for now.

    Raises OutputError for what can not be read or written.
    """
    copy = work / _DATABASE
    _copy_database(database, copy)
    with (
        _explained("the backup can not be written"),
        tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        with open_archive(sqlite_url(copy), None, blobs, work) as archive:
            pass  # of an older version, it is brought to the form of this one
        tar.add(copy, _DATABASE, filter=_plain)
        digest, images, size, gone, files = hashlib.sha256(), 0, 0, 0, 0
        with open_archive(sqlite_url(copy), None, blobs, work) as archive:
            for _, names in archive.blob_names():
                images += 1
                for name in filter(None, names):
                    blob = archive.blobs.open(name)
                    if blob is None:
                        gone += 1
                        continue
                    with blob:
                        _add(tar, _BLOBS + name, blob, digest)
                        size, files = size + blob.size, files + 1
        facts = {"format": FORMAT, "images": images, "files": files, "bytes": size}
        _add_bytes(tar, _MANIFEST, json.dumps({**facts, "sha256": digest.hexdigest()}).encode())
    return Summary(images, size, gone)


def restore(source: BinaryIO, database: Path, blobs: Path) -> Summary:
    """Put a backup's files into the folder, and then its database in place of none.

    Raises UsageError where a database stands already, InputError for what is no backup, or one that
    is cut off or altered, with nothing left behind, and OutputError for what can not be written.
    """
    if database.exists():
        raise UsageError(
            f"{database} stands already: move it away, or let PIXMILL_DATA name another folder"
        )
    with _explained(f"the backup can not be restored to {database.parent}"):
        database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".restore-", dir=database.parent) as name:
            copy = Path(name, _DATABASE)
            try:
                with tarfile.open(fileobj=source, mode="r|") as tar:
                    summary = _take_all(tar, copy, blobs)
            except tarfile.TarError as error:
                raise InputError(f"this is no backup, or it is cut off: {error}") from error
            with copy.open("rb") as file:
                os.fsync(file.fileno())
            copy.rename(database)
            _sync_folder(database.parent)
    return summary


def _copy_database(database: Path, copy: Path) -> None:
    """Copy the database as it is at one moment, by SQLite's own means."""
    try:
        with (
            closing(sqlite3.connect(f"file:{_quoted(database)}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target, pages=_PAGES_AT_ONCE)
    except sqlite3.Error as error:
        raise OutputError(f"{database} can not be copied: {error}") from error


def _quoted(path: Path) -> str:
    return sqlite_url(path).removeprefix("sqlite:///")


def _add(tar: tarfile.TarFile, name: str, blob: Blob, digest: hashlib._Hash) -> None:
    info = _info(name, blob.size)
    tar.addfile(info, _Reader(blob, digest))


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    tar.addfile(_info(name, len(content)), io.BytesIO(content))


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out who owns the file, and when it was made."""
    return _info(info.name, info.size)


class _Reader:
    """A blob as a file to read from its start, in whatever pieces, that adds to a digest."""

    def __init__(self, blob: Blob, digest: hashlib._Hash) -> None:
        self._blob, self._digest, self._at = blob, digest, 0

    def read(self, size: int = _PIECE_BYTES, /) -> bytes:
        """Return the next bytes, none at the end."""
        piece = self._blob.read(self._at, min(size, self._blob.size - self._at))
        self._at += len(piece)
        self._digest.update(piece)
        return piece


def _take_all(tar: tarfile.TarFile, copy: Path, blobs: Path) -> Summary:
    first = tar.next()
    if first is None or first.name != _DATABASE or not first.isreg():
        raise InputError(f"this is no backup: it does not begin with {_DATABASE}")
    with copy.open("xb") as file:
        shutil.copyfileobj(_opened(tar, first), file, _PIECE_BYTES)
    _check_database(copy)
    with open_archive(sqlite_url(copy), None, blobs, copy.parent) as archive:
        with copy.with_name("put").open("w+", encoding="ascii") as put:
            try:
                summary = _take_files(tar, archive, put)
            except BaseException:
                put.seek(0)
                for line in put:
                    archive.blobs.delete(line.rstrip("\n"))
                raise
        dropped = 0
        for orphan in rows_without_files(archive):  # of files that went while it was backed up
            mend(archive, orphan)
            dropped += 1
    return summary._replace(images=summary.images - dropped)


def _check_database(copy: Path) -> None:
    try:
        with closing(sqlite3.connect(copy)) as database:
            (said,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise InputError(f"the backup's database can not be used: {error}") from error
    if said != "ok":
        raise InputError(f"the backup's database is damaged: {said}")


def _take_files(tar: tarfile.TarFile, archive: Archive, put: IO[str]) -> Summary:
    """Take files until the manifest; `put` learns the names of those that were not there before."""
    digest, size, files = hashlib.sha256(), 0, 0
    while (info := tar.next()) is not None:
        if not info.isreg():
            raise InputError(f"the backup holds what is no file: {info.name[:80]!a}")
        if info.name == _MANIFEST:
            found = {"files": files, "bytes": size, "sha256": digest.hexdigest()}
            return _checked(_opened(tar, info).read(_MANIFEST_BYTES), found)
        name = _blob_name(info.name, archive)
        temporary = archive.blobs.spool / f"{os.urandom(8).hex()}.restore"
        try:
            with temporary.open("xb") as file:
                own = _copy(_opened(tar, info), file, digest)
            _check_original(archive, name, own)
            if not _stands(archive, name, own):
                put.write(f"{name}\n")
                archive.blobs.put(name, temporary)
        finally:
            temporary.unlink(missing_ok=True)
        size, files = size + info.size, files + 1
    raise InputError("the backup is cut off: it has no manifest at its end")


def _opened(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(info)
    if file is None:
        raise InputError(f"the backup's {info.name[:80]!a} can not be read")
    return file


def _copy(source: IO[bytes], target: IO[bytes], digest: hashlib._Hash) -> str:
    """Copy to the end, and return the SHA-256 of what was copied."""
    own = hashlib.sha256()
    while piece := source.read(_PIECE_BYTES):
        target.write(piece)
        digest.update(piece)
        own.update(piece)
    return own.hexdigest()


def _blob_name(entry: str, archive: Archive) -> str:
    """Return the blob that an entry is, one that a row of the backup names."""
    name = entry.removeprefix(_BLOBS)
    try:
        check_blob_name(name)
    except UsageError as error:
        raise InputError(f"the backup holds a file that is none of ours: {entry[:80]!a}") from error
    stored = archive.find(_md5_of(name))
    if name == entry or stored is None or name not in (stored.image.blobs or ()):
        raise InputError(f"the backup holds a file that no row names: {entry[:80]!a}")
    return name


def _md5_of(name: str) -> str:
    return name.rpartition("/")[2].partition("-")[0]


def _check_original(archive: Archive, name: str, sha256: str) -> None:
    stored = archive.find(_md5_of(name))
    image = stored.image if stored else None
    if image and image.blobs and image.blobs.original == name and image.sha256 != sha256:
        raise InputError(f"the backup is damaged: the image {image.md5} is not what its row says")


def _stands(archive: Archive, name: str, sha256: str) -> bool:
    """Whether the very file is there already, from a restore that was killed."""
    blob = archive.blobs.open(name)
    if blob is None:
        return False
    with blob:
        reader, digest = _Reader(blob, hashlib.sha256()), hashlib.sha256()
        while piece := reader.read():
            digest.update(piece)
    if digest.hexdigest() != sha256:
        raise InputError(f"another file stands already at {name}: move the folder of images away")
    return True


def _checked(manifest: bytes, found: dict[str, object]) -> Summary:
    try:
        told = json.loads(manifest)
        made_by, images = int(told["format"]), int(told["images"])
        same = {name: told[name] for name in found} == found
    except (ValueError, TypeError, KeyError) as error:
        raise InputError("the backup's manifest can not be read") from error
    if made_by > FORMAT:
        raise InputError("the backup was made by a newer pixmill: update this one")
    if not same:
        raise InputError("the backup is damaged: its files are not those of its manifest")
    return Summary(images, int(told["bytes"]), 0)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{what}: {error.strerror or error}") from error
