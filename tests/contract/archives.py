"""What the tests of archives share: images that need no decoder, and captures of them."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from pixmill.record import Color
from pixmill.settings import load_settings
from pixmill.store import open_archive, where
from pixmill.store.archive import BlobNames, Capture, Image
from pixmill.store.blobs import GREYS, ORIGINALS, blob_name
from pixmill.store.memory import MemoryArchive
from pixmill.store.opening import utc_now
from pixmill.store.places import S3Keys, S3Place

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    import pytest

    from pixmill.store import Archive
    from tests.s3_server import Bucket

RED = Color((255, 0, 0), "#FF0000", 4, 1.0)


def image(number: int = 1, *, blobs: BlobNames | None = None, **facts: object) -> Image:
    """An image of which the bytes are nowhere yet; equal numbers make the same image."""
    values = {
        "md5": f"{number:032x}", "sha256": f"{number:064x}", "bytes": 70, "format": "png",
        "width": 3, "height": 2, "colors": (RED,), "color": "#FF0000", **facts,
    }  # fmt: skip
    return Image(**values, blobs=blobs)  # type: ignore[arg-type]


def put_blobs(archive: Archive, md5: str, *, original: bytes | None = b"original") -> BlobNames:
    """Put some bytes for an image."""
    grey = blob_name(GREYS, md5, "png", utc_now())
    archive.blobs.put(grey, b"grey")
    if original is None:
        return BlobNames(None, grey)
    name = blob_name(ORIGINALS, md5, "png", utc_now())
    archive.blobs.put(name, original)
    return BlobNames(name, grey)


def capture(one: Image | None = None, *, key: bytes | None = None, **facts: object) -> Capture:
    """A capture with a key that no other has."""
    values = {"source": "camera", **facts}
    return Capture(key=key or secrets.token_bytes(16), image=one, **values)  # type: ignore[arg-type]


def new_image(archive: Archive, number: int = 1, **facts: object) -> Image:
    """Put an image into the archive, its bytes too."""
    one = image(number, **facts)
    one = image(number, blobs=put_blobs(archive, one.md5), **facts)
    (outcome,) = archive.add([capture(one)])
    assert outcome.result == "success"
    return one


# The adapters that every claim is held to, where files lie after a plus; `memory` is the fake that
# ships.
ARCHIVES = ["memory", "sqlite", "postgres", "mongo", "sqlite+s3"]


def s3_place(given: Bucket, **changes: object) -> S3Place:
    """Where images are to lie in a bucket."""
    server = given.server
    keys = S3Keys(server.access_key, server.secret_key)
    place = S3Place(given.name, given.prefix, server.url, keys=keys)
    return replace(place, **changes)  # type: ignore[arg-type]


def settings_of(kind: str, request: pytest.FixtureRequest, data: Path) -> dict[str, str]:
    """The settings that lead to an empty archive of this kind: its database, and its files."""
    database, _, files = kind.partition("+")
    settings = {"data": str(data)}
    if database == "postgres":
        settings["catalog"] = request.getfixturevalue("postgres")
    if database == "mongo":
        settings["archive"] = request.getfixturevalue("mongod")
    if files == "s3":
        settings |= request.getfixturevalue("s3_bucket").settings
    return settings


def open_one(
    kind: str, request: pytest.FixtureRequest, folder: Path, clock: Callable[[], datetime] = utc_now
) -> Archive:
    """Open an empty archive of this kind, its files in `folder`."""
    if kind == "memory":
        return MemoryArchive(clock)
    settings = load_settings(**settings_of(kind, request, folder / "data"))
    return open_archive(*where(settings), clock=clock)
