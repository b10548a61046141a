"""What an archive's two sides do not tell alike: files that no row names, rows without their files.

A kill leaves the first, since bytes are put before the row that names them; the second takes a lost
disk, or a database and a folder that were not restored together. What is young is left alone, since
it may be in somebody's hand. Each file is held against its row at the moment it is looked at, so
memory stays bounded, and others may go on meanwhile.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from pixmill.store.blobs import GREYS, ORIGINALS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pixmill.store.archive import Archive

Kind = Literal["file without row", "row without file", "unfinished file"]
_BLOB = re.compile(
    r"[a-z]+/(?:[0-9-]{10}/[0-9]{4}/([0-9a-f]{32})-[0-9a-f]{8}\.[a-z]+|unfinished/[0-9a-f]{24})"
)
_UNFINISHED = re.compile(r"[0-9a-f]{16}\.(?:blob|made|restore)|grey-[0-9a-f]+\.png")


class Orphan(NamedTuple):
    """One of them: the name of the blob or the path of the file, and the MD5 of its row."""

    kind: Kind
    name: str
    md5: str = ""


def find_orphans(archive: Archive, before: datetime) -> Iterator[Orphan]:
    """Find what was written before a time and belongs to nothing, and rows that lack their files.

    A query a file, and a look for a file a row. Raises OutputError.
    """
    for folder in (ORIGINALS, GREYS):
        for info in archive.blobs.all(folder):
            if info.written_at < before and _is_ours(info.name, archive):
                yield Orphan("file without row", info.name)
    for path in archive.blobs.stale_files(before):
        if _UNFINISHED.fullmatch(path.name):
            yield Orphan("unfinished file", str(path))
    yield from rows_without_files(archive)


def rows_without_files(archive: Archive) -> Iterator[Orphan]:
    """Find rows that lack a file that they name, each once. Raises OutputError."""
    for md5, names in archive.blob_names():
        for name in filter(None, names):
            if not _stands(archive, name) and _is_named(archive, md5, name):
                yield Orphan("row without file", name, md5)
                break


def mend(archive: Archive, orphan: Orphan) -> None:
    """Delete the file, or drop the row so that the image may come again. Raises OutputError."""
    match orphan.kind:
        case "file without row":
            archive.blobs.delete(orphan.name)
        case "unfinished file":
            Path(orphan.name).unlink(missing_ok=True)
        case "row without file":
            if _is_named(archive, orphan.md5, orphan.name):  # else it has come anew meanwhile
                archive.delete(orphan.md5)


def _is_ours(name: str, archive: Archive) -> bool:
    """Tell whether a file is of the archive's making and no row names it."""
    found = _BLOB.fullmatch(name)
    return found is not None and not (found[1] and _is_named(archive, found[1], name))


def _is_named(archive: Archive, md5: str, name: str) -> bool:
    stored = archive.find(md5)
    return stored is not None and name in (stored.image.blobs or ())


def _stands(archive: Archive, name: str) -> bool:
    blob = archive.blobs.open(name)
    if blob is None:
        return False
    blob.close()
    return True
