"""Whether all of a cluster have their files in one place.

The place has a mark, which the catalog knows. So whoever names another one than the others is
refused at once, and costs nobody attempts at shards that can not be found.
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
_BITS = 62


def open_common_place(settings: Settings, catalog: Catalog) -> BlobStore:
    """Open the place of files that the settings name.

    One without the mark becomes the place of all where no other is known, or where nobody would
    miss that: no worker is alive, and there are no shards. Raises OutputError where it does not,
    and where it can not be used.
    """
    blobs = open_results(where(settings).blobs, settings.data)
    known = catalog.workers.place()
    if known is None:
        mark = secrets.randbits(_BITS)
        _put(blobs, mark)  # first, so that what is known of is there
        catalog.workers.settle(mark)
        known = catalog.workers.place()
    if known is not None and not _has(blobs, known):
        if catalog.workers.alive() or sum(catalog.shards.numbers().values()):
            raise OutputError(
                f"{settings.blobs or settings.data} is not the place where the files of the other "
                "workers, commands and services are: is its disk mounted, and do --blobs and "
                "PIXMILL_BLOBS name the same place everywhere?"
            )
        _put(blobs, known)
    return blobs


def _has(blobs: BlobStore, mark: int) -> bool:
    found = blobs.open(_name(mark))
    if found is None:
        return False
    found.close()
    return True


def _put(blobs: BlobStore, mark: int) -> None:
    blobs.put(_name(mark), b"Files of pixmill's workers are here.\n")


def _name(mark: int) -> str:
    return f"{_FOLDER}/{mark:016x}"
