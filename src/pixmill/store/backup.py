"""A backup of catalog and archive: one tar of the database, its images' files, and what it holds.

The database comes first, as it is at one moment, also while others write; then the files that its
rows name. A file that is dropped meanwhile is left out, and its row when the backup is restored.
`manifest.json` comes last, so that a backup that was cut off is told from a whole one; its digest
is over the names, sizes and bytes of all that comes before it. Reading one is left to `restore`.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from pixmill import __version__
from pixmill.errors import OutputError
from pixmill.store.local import LocalBlob
from pixmill.store.opening import open_archive, sqlite_url
from pixmill.store.plain_tar import write_end, write_entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixmill.store.archive import Archive
    from pixmill.store.blobs import Blob

FORMAT = 1
DATABASE, MANIFEST, BLOBS = "catalog.sqlite", "manifest.json", "blobs/"
PIECE_BYTES = 2**20
_PAGES_AT_ONCE = 4096


class Summary(NamedTuple):
    """What is in a backup: images and bytes of their files.

    Left out were files that were `gone` meanwhile, and originals that are `damaged`: their bytes
    are not those of their rows any more.
    """

    images: int
    bytes: int
    gone: int = 0
    damaged: int = 0


def back_up(database: Path, blobs: Path, target: BinaryIO, work: Path) -> Summary:
    """Write a backup of the SQLite file and the folder to a stream; the folder `work` is for now.

    Raises OutputError for what can not be read or written.
    """
    copy = work / DATABASE
    _copy_database(database, copy)
    with open_archive(sqlite_url(copy), None, blobs, work, claim="none"):
        pass  # of an older version, it is brought to the form of this one
    with (
        explained("the backup can not be written"),
        LocalBlob(os.open(copy, os.O_RDONLY | os.O_CLOEXEC)) as content,
        open_archive(sqlite_url(copy), None, blobs, work, claim="none") as archive,
    ):
        tar = _Writer(target)
        tar.add(DATABASE, content)
        summary = _add_files(tar, archive)
        if summary.gone and not summary.bytes:
            raise OutputError(
                f"no file of any image is in {blobs}: is its disk mounted, and is PIXMILL_BLOBS or "
                "--blobs as it was?"
            )
        tar.finish(summary)
    return summary


def heading(name: str, size: int) -> bytes:
    """Return what the digest of a backup has before a file's bytes."""
    return f"{name} {size}\n".encode("utf-8", "surrogateescape")


def sha256_of(blob: Blob) -> str:
    """Return the digest of a blob's bytes, as rows have it."""
    digest = hashlib.sha256()
    for piece in _pieces(blob):
        digest.update(piece)
    return digest.hexdigest()


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn an OSError into an OutputError that begins with a text."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{what}: {error.strerror or error}") from error


def _copy_database(database: Path, copy: Path) -> None:
    """Copy the database as it is at one moment, by SQLite's own means."""
    url = f"file:{sqlite_url(database).removeprefix('sqlite:///')}?mode=ro"
    try:
        with (
            closing(sqlite3.connect(url, uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            # A transaction holds on to one state: else each write of others would begin it anew.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            source.backup(target, pages=_PAGES_AT_ONCE)
    except sqlite3.Error as error:
        raise OutputError(f"{database} can not be copied: {error}") from error


class _Writer:
    """The tar as it is written, and the digest of what is in it."""

    def __init__(self, target: BinaryIO) -> None:
        self._target, self._digest, self._files = target, hashlib.sha256(), 0

    def add(self, name: str, blob: Blob) -> None:
        """Add a file."""
        self._digest.update(heading(name, blob.size))
        write_entry(self._target, name, blob.size, self._digested(blob))
        self._files += name.startswith(BLOBS)

    def finish(self, summary: Summary) -> None:
        """Add the manifest, and end."""
        manifest = {
            "format": FORMAT,
            "pixmill": __version__,
            "images": summary.images,
            "files": self._files,
            "bytes": summary.bytes,
            "sha256": self._digest.hexdigest(),
        }
        text = json.dumps(manifest).encode()
        write_entry(self._target, MANIFEST, len(text), [text])
        write_end(self._target)

    def _digested(self, blob: Blob) -> Iterator[bytes]:
        for piece in _pieces(blob):
            self._digest.update(piece)
            yield piece


def _add_files(tar: _Writer, archive: Archive) -> Summary:
    """Add the files that rows name."""
    images, size, gone, damaged = 0, 0, 0, 0
    for md5, names in archive.blob_names():
        images += 1
        for name in filter(None, names):
            blob = archive.blobs.open(name)
            if blob is None:
                gone += 1
                continue
            with blob:
                if name == names.original and not _is_whole(archive, md5, blob):
                    damaged += 1
                    continue
                tar.add(BLOBS + name, blob)
                size += blob.size
    return Summary(images, size, gone, damaged)


def _is_whole(archive: Archive, md5: str, blob: Blob) -> bool:
    """Whether an original still is what its row says; else restoring would refuse the backup."""
    stored = archive.find(md5)
    return stored is not None and stored.image.sha256 == sha256_of(blob)


def _pieces(blob: Blob) -> Iterator[bytes]:
    for offset in range(0, blob.size, PIECE_BYTES):
        yield blob.read(offset, min(PIECE_BYTES, blob.size - offset))
