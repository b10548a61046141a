"""Opening catalog and archive: where they lie and which adapter they have.

Owns the URL's reading, the folder of the embedded catalog and the sentence for a missing extra. A
catalog is embedded where it is an SQLite file in the data folder: only such a one, or an empty one,
is migrated without being asked.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, unquote

from pixmill.errors import MissingExtra, UsageError
from pixmill.store.places import S3Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixmill.store.archive import Archive
    from pixmill.store.blobs import BlobStore, OwnBlobs
    from pixmill.store.catalog import Catalog

Claim = Literal["own", "none"]
_FILE = "catalog.sqlite"
_BLOBS, _SPOOL = "blobs", "tmp"
_SCHEME = "sqlite:///"
_SERVER_SCHEMES = ("postgresql://", "postgres://")
_MONGO_SCHEMES = ("mongodb://", "mongodb+srv://")
_EXTRAS = {
    "sqlalchemy": "server",
    "alembic": "server",
    "psycopg": "postgres",
    "pymongo": "mongo",
    "gridfs": "mongo",
    "bson": "mongo",
    "obstore": "s3",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a catalog lies: in the SQLite file `path`, or on the `server` that a URL names."""

    path: Path | None
    embedded: bool = False
    server: str = ""


def utc_now() -> datetime:
    """Return the time, in UTC and aware of it."""
    return datetime.now(UTC)


def open_catalog(
    url: str | None, data: Path, *, clock: Callable[[], datetime] | None = None
) -> Catalog:
    """Open the catalog at `url` (SQLite, PostgreSQL), by default `catalog.sqlite` in `data`.

    The folder and the file are made where they are missing, for their owner alone. UsageError for a
    URL of no known scheme, MissingExtra without SQLAlchemy, OutputError for what can not be used:
    it can not be written, is no catalog, was made by a newer pixmill, or is behind and not embedded
    (the sentence then names `pixmill migrate`). With a `clock` all times are taken from it; else
    those that are compared with each other by several machines are the server's.
    """
    place = _locate(url, data)
    with _explained_imports():
        from pixmill.store.sql.catalog import open_catalog_at  # noqa: PLC0415  the adapter's extra

        return open_catalog_at(place, clock)


def open_archive(  # noqa: PLR0913  the four places are settings
    url: str | None,
    catalog_url: str | None,
    blobs: Path | S3Place | None,
    data: Path,
    *,
    clock: Callable[[], datetime] = utc_now,
    claim: Claim = "own",
) -> Archive:
    """Open the archive at `url`, by default in the catalog's database; see `places.where`.

    Its files are at `blobs`, by default in the folder `blobs` of the folder `data`; in MongoDB
    (`mongodb://`) files are in the database too. Their place is to be the archive's `own` (see
    `landmark`), or is not looked at. Raises as `open_catalog` does.
    """
    if url is not None and url.startswith(_MONGO_SCHEMES):
        with _explained_imports():
            from pixmill.store.mongo.archive import open_mongo  # noqa: PLC0415

            return open_mongo(url, _folder(blobs, data) / _SPOOL, clock)
    place = _locate(url, data, "archive") if url else _locate(catalog_url, data)
    with _explained_imports():
        from pixmill.store.sql.catalog import open_archive_at  # noqa: PLC0415

        return open_archive_at(place, _open_blobs(blobs, data), clock, claim)


def open_results(blobs: Path | S3Place | None, data: Path) -> BlobStore:
    """Open the store of what jobs make: where files of images are, wherever their rows are."""
    return _open_blobs(blobs, data)


def _open_blobs(blobs: Path | S3Place | None, data: Path) -> OwnBlobs:
    if isinstance(blobs, S3Place):
        with _explained_imports("a place of files in S3"):
            from pixmill.store.s3 import S3Blobs  # noqa: PLC0415  the adapter's extra

            return S3Blobs(blobs, _folder(blobs, data) / _SPOOL)
    from pixmill.store.local import LocalBlobs  # noqa: PLC0415

    return LocalBlobs(_folder(blobs, data))


def _folder(blobs: Path | S3Place | None, data: Path) -> Path:
    """Return the folder of this machine: of files, or of those that are to be sent elsewhere."""
    return blobs if isinstance(blobs, Path) else data / _BLOBS


def embedded_store(
    archive_url: str | None, catalog_url: str | None, blobs: Path | S3Place | None, data: Path
) -> tuple[Path, Path] | None:
    """Return the SQLite file that holds catalog and archive, and the folder of images.

    None where the two are not in one such file. Raises UsageError as `open_catalog` does, and for
    images in S3.
    """
    if isinstance(blobs, S3Place):
        raise UsageError(
            f"the files of images are in {blobs}, not in a folder: back up the database by its own "
            "means, and then the bucket by those of S3 (a copy, versions, replication)"
        )
    path = _locate(catalog_url, data).path
    if archive_url is not None and archive_url.startswith(_MONGO_SCHEMES):
        return None
    if path is None or (
        archive_url is not None and _locate(archive_url, data, "archive").path != path
    ):
        return None
    return path, _folder(blobs, data)


def sqlite_url(path: Path) -> str:
    """Return the URL of a catalog in a file."""
    return _SCHEME + quote(os.fsencode(path.absolute()))


def migrate_catalog(url: str | None, data: Path) -> tuple[str | None, str]:
    """Bring the catalog to this version's form and return its revision before and after.

    The first is None where there was nothing. Raises as `open_catalog` does.
    """
    place = _locate(url, data)
    with _explained_imports():
        from pixmill.store.sql.catalog import migrate_at  # noqa: PLC0415

        return migrate_at(place)


def catalog_form(url: str | None, data: Path) -> tuple[str | None, str]:
    """Tell a catalog's revision, and that of this version; nothing is made or migrated by it.

    The first is None where there is nothing yet. Raises as `open_catalog` does.
    """
    place = _locate(url, data)
    with _explained_imports():
        from pixmill.store.sql.catalog import form_at  # noqa: PLC0415

        return form_at(place, stands=_stands(place))


def catalog_stands(url: str | None, data: Path) -> bool:
    """Whether there is a catalog already: asking for it would otherwise make one.

    Needs no extra. UsageError for a URL of no known scheme.
    """
    return _stands(_locate(url, data))


def _stands(place: Place) -> bool:
    path = place.path
    if path is None:  # a server's: asking it makes nothing
        return True
    try:
        return path.exists()
    except (OSError, ValueError):  # not for us to see: opening it tells why
        return True


def _locate(url: str | None, data: Path, what: str = "catalog") -> Place:
    if url is None:
        return Place((data / _FILE).absolute(), embedded=True)
    if url.startswith(_SERVER_SCHEMES):
        return Place(None, server=url.replace("postgres://", "postgresql://", 1))
    scheme, colon, _ = url.partition(":")
    if not url.startswith(_SCHEME):
        # No more than the scheme is told: a URL may hold a password.
        shown = f"{scheme[:40]!a}" if colon else "a text without a scheme"
        others = " or postgresql://" if what == "catalog" else ", postgresql:// or mongodb://"
        raise UsageError(f"the {what}'s URL begins with {_SCHEME}{others}, not with {shown}")
    name = unquote(url.removeprefix(_SCHEME), errors="surrogateescape")
    if name in {"", ":memory:"} or "?" in url or "\0" in name:
        raise UsageError(f"the {what}'s URL names a file: {_SCHEME}/folder/{_FILE}")
    path = Path(name).absolute()
    return Place(path, embedded=path.parent == data.absolute())


@contextlib.contextmanager
def _explained_imports(
    what: str = "the catalog of keys, palettes and images",
) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        raise MissingExtra(what, extra) from error
