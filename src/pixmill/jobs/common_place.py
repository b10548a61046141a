"""Whether all of a cluster have their files in one place.

Every place has a mark, and workers tell that of theirs in the catalog. So whoever names another
folder than they have is refused at once, and costs nobody attempts at shards that can not be found.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from pixmill.errors import OutputError
from pixmill.store import open_results, where

if TYPE_CHECKING:
    from pixmill.settings import Settings
    from pixmill.store import BlobStore, Catalog

_FOLDER = "place"


def open_common_place(settings: Settings, catalog: Catalog) -> tuple[BlobStore, str]:
    """Open the place of files that the settings name; give its mark too.

    Raises OutputError where it can not be written, and where it is not that of any worker at work.
    """
    blobs = open_results(where(settings).blobs, settings.data)
    marks = marks_of(blobs)
    workers = catalog.workers.alive()
    if workers and not any(worker.place in marks for worker in workers):
        raise OutputError(
            f"{settings.blobs or settings.data} is not where the workers' files are, as those of "
            f"{workers[0].name}: --blobs and PIXMILL_BLOBS have to name one place everywhere"
        )
    return blobs, marks[0]


def marks_of(blobs: BlobStore) -> list[str]:
    """Give the marks of a place, which is given one where it has none. Raises OutputError.

    Where two begin with it at once, it may have two.
    """
    names = sorted(mark.name for mark in blobs.all(_FOLDER))
    if not names:
        names = [f"{_FOLDER}/{secrets.token_hex(16)}"]
        blobs.put(names[0], b"a place of files of pixmill\n")
    return [name.removeprefix(f"{_FOLDER}/") for name in names]
