"""Looks into an archive from outside: what a command or a service has left in it."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from pixmill.store import open_archive
from pixmill.store.blobs import GREYS, ORIGINALS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixmill.store import Archive


class Contents(NamedTuple):
    """All that an archive holds, but for times and the names of blobs.

    `images` by MD5: SHA-256 of the original's bytes (None without one) and of the grey's, and what
    the row tells; `counts` are success, duplicate and fail over all minutes, and fails by code.
    """

    images: dict[str, tuple[str | None, str, object]]
    counts: tuple[int, int, int, dict[str, int]]


def look(data: Path, url: str | None = None) -> Contents:
    """Look into the archive of a data folder, or the one at `url`; every blob must be there."""
    with open_archive(url, None, None, data) as archive:
        images = {}
        for stored in stored_images(archive):
            image = stored.image
            assert image.blobs is not None
            original = image.blobs.original and digest_of(archive, image.blobs.original)
            facts = (image.sha256, image.format, image.width, image.height, image.colors)
            images[image.md5] = (original, digest_of(archive, image.blobs.grey), facts)
        return Contents(images, counts_of(archive))


def stored_images(archive: Archive) -> Iterator:
    """All images, newest first."""
    page = archive.page(100)
    while page:
        yield from page
        page = archive.page(100, (page[-1].inserted_at, page[-1].image.md5))


def counts_of(archive: Archive) -> tuple[int, int, int, dict[str, int]]:
    """Success, duplicate, fail and fails by code, over the last day."""
    now = datetime.now(UTC)
    minutes = archive.minutes(now - timedelta(days=1), now + timedelta(minutes=1))
    codes: dict[str, int] = {}
    for minute in minutes:
        for code, count in minute.codes.items():
            codes[code] = codes.get(code, 0) + count
    return (
        sum(minute.success for minute in minutes),
        sum(minute.duplicate for minute in minutes),
        sum(minute.fail for minute in minutes),
        codes,
    )


def digest_of(archive: Archive, name: str) -> str:
    blob = archive.blobs.open(name)
    assert blob is not None, f"{name} is gone"
    with blob:
        return hashlib.sha256(blob.read(0, blob.size)).hexdigest()


def bytes_of(archive: Archive, name: str) -> bytes:
    blob = archive.blobs.open(name)
    assert blob is not None, f"{name} is gone"
    with blob:
        return blob.read(0, blob.size)


def names_of(archive: Archive) -> set[str]:
    """The names of all blobs, whether a row names them or not."""
    return {info.name for folder in (ORIGINALS, GREYS) for info in archive.blobs.all(folder)}


def grey_of(rgb: np.ndarray) -> np.ndarray:
    """The formula of the design: (R + G + B) // 3."""
    return (rgb.astype(np.uint16).sum(axis=2) // 3).astype(np.uint8)


def pixels_of(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        assert image.mode == "L"
        return np.asarray(image)
