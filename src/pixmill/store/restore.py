"""Putting a backup back: its files first, and then its database in the place of none.

Whoever made a backup may be somebody else: of its entries only plain files are taken (see
`plain_tar`), under the names that `backup` gives. The database is put in its place after all files,
so a restore that was killed is just done again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from contextlib import closing
from typing import IO, TYPE_CHECKING, BinaryIO

from pixmill.errors import InputError, UsageError
from pixmill.store.backup import (
    BLOBS,
    DATABASE,
    FORMAT,
    MANIFEST,
    PIECE_BYTES,
    Summary,
    explained,
    heading,
    sha256_of,
)
from pixmill.store.blobs import check_blob_name
from pixmill.store.local import LocalBlobs
from pixmill.store.opening import open_archive, sqlite_url
from pixmill.store.orphans import mend, rows_without_files
from pixmill.store.plain_tar import Entry, PlainTar
from pixmill.store.work_folder import work_folder

if TYPE_CHECKING:
    from pathlib import Path

    from pixmill.store.archive import Archive

_MANIFEST_BYTES = 2**16
_LOGS = ("-wal", "-shm", "-journal")  # SQLite would play one of another database into a new one


def restore(source: BinaryIO, database: Path, blobs: Path) -> Summary:
    """Put a backup's files into the folder, and then its database in place of none.

    Raises UsageError where a database stands already, InputError for what is no backup, or one that
    is cut off or altered, with nothing left behind, and OutputError for what can not be written.
    """
    _refuse_standing(database)
    with explained(f"the backup can not be restored to {database.parent}"):
        database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with work_folder(database.parent, ".restore-") as work:
            copy = work / DATABASE
            try:
                summary = _take_all(PlainTar(source), copy, blobs)
            except ValueError as error:  # of a row that somebody altered
                raise InputError(f"the backup's database is damaged: {error}") from error
            with copy.open("rb") as file:
                os.fsync(file.fileno())
            _refuse_standing(database)  # a service may have been started meanwhile
            copy.rename(database)
            _sync_folder(database.parent)
    return summary


def _refuse_standing(database: Path) -> None:
    for path in (database, *(database.with_name(database.name + log) for log in _LOGS)):
        if path.exists():
            raise UsageError(
                f"{path} stands already: move it away, and all that begins with {database.name}, "
                "or let PIXMILL_DATA name another folder"
            )


def _take_all(tar: PlainTar, copy: Path, blobs: Path) -> Summary:
    first, digest = tar.next(), hashlib.sha256()
    if first is None or first.name != DATABASE:
        raise InputError(f"this is no backup: it does not begin with {DATABASE}")
    with os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        _copy(first, file, digest)
    _check_database(copy)
    with open_archive(sqlite_url(copy), None, blobs, copy.parent, claim="none") as archive:
        with copy.with_name("put").open("w+", encoding="ascii") as put:
            try:
                summary = _take_files(tar, archive, put, digest)
                tar.finish()
                LocalBlobs(blobs).claim(archive.id, lambda: True)
            except BaseException:
                put.seek(0)
                for line in put:
                    archive.blobs.delete(line.rstrip("\n"))
                raise
        dropped = 0
        for orphan in rows_without_files(archive):  # of files that were left out of the backup
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


def _take_files(tar: PlainTar, archive: Archive, put: IO[str], digest: hashlib._Hash) -> Summary:
    """Take files until the manifest; `put` learns the names of those that were not there before."""
    size, files = 0, 0
    while (entry := tar.next()) is not None:
        if entry.name == MANIFEST:
            found = {"files": files, "bytes": size, "sha256": digest.hexdigest()}
            return _checked(entry.read(_MANIFEST_BYTES), found)
        name = _blob_name(entry.name, archive)
        temporary = archive.blobs.spool / f"{os.urandom(8).hex()}.restore"
        try:
            with temporary.open("xb") as file:
                own = _copy(entry, file, digest)
            _check_original(archive, name, own)
            if not _stands(archive, name, own):
                put.write(f"{name}\n")
                archive.blobs.put(name, temporary)
        finally:
            temporary.unlink(missing_ok=True)
        size, files = size + entry.size, files + 1
    raise InputError("the backup is cut off: it has no manifest at its end")


def _copy(source: Entry, target: IO[bytes], digest: hashlib._Hash) -> str:
    """Copy to the end, and return the SHA-256 of what was copied."""
    own = hashlib.sha256()
    digest.update(heading(source.name, source.size))
    while piece := source.read(PIECE_BYTES):
        target.write(piece)
        digest.update(piece)
        own.update(piece)
    return own.hexdigest()


def _blob_name(entry: str, archive: Archive) -> str:
    """Return the blob that an entry is, one that a row of the backup names."""
    name = entry.removeprefix(BLOBS)
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
        own = sha256_of(blob)
    if own != sha256:
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
    return Summary(images, int(told["bytes"]))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
