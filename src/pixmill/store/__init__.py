"""What is kept between commands: keys, sessions and palettes, and the archive of images.

`catalog`, `archive` and `blobs` have the ports and their types, `opening` the choice of an adapter
by a URL's scheme. What an adapter needs is imported when it is chosen, so importing this package is
cheap.
"""

from pixmill.store.archive import Archive
from pixmill.store.blobs import BlobStore
from pixmill.store.catalog import (
    DEFAULT_SCOPES,
    MUST_BE_NEW,
    SCOPES,
    Catalog,
    Key,
    PaletteInfo,
)
from pixmill.store.opening import (
    catalog_form,
    catalog_stands,
    migrate_catalog,
    open_archive,
    open_catalog,
    open_results,
)
from pixmill.store.places import Where, where

__all__ = [
    "DEFAULT_SCOPES",
    "MUST_BE_NEW",
    "SCOPES",
    "Archive",
    "BlobStore",
    "Catalog",
    "Key",
    "PaletteInfo",
    "Where",
    "catalog_form",
    "catalog_stands",
    "migrate_catalog",
    "open_archive",
    "open_catalog",
    "open_results",
    "where",
]
