"""An analyzed image's bytes into blobs, before any row of the archive names them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.errors import OutputError
from pixmill.record import Kept
from pixmill.store.archive import BlobNames, Image
from pixmill.store.blobs import GREYS, ORIGINALS, blob_name
from pixmill.store.opening import utc_now

if TYPE_CHECKING:
    from pixmill.record import Analysis
    from pixmill.store.archive import Archive

# Of the names that browsers and file managers know; other formats are named as they are.
_ENDINGS = {"jpeg": "jpg", "tiff": "tif"}


class ArchiveKeeper:
    """Puts originals, if `originals` are wanted, and greys into the blobs of an archive.

    What was put is in its hands until `hand_over`, and may be deleted for as long. Any number of
    threads may call it at once.
    """

    def __init__(self, archive: Archive, *, originals: bool) -> None:
        self.archive = archive
        self.originals = originals
        self._in_hand: set[Kept] = set()

    def keep(self, file: memoryview, sha256: str, image: Analysis, grey: bytes | str) -> Kept:
        """Put an image's bytes, unless the archive has them; a `grey` that is a path is moved.

        Where it lacks the original alone both are put, so that no name is anybody else's.
        """
        content = grey if isinstance(grey, bytes) else Path(grey)
        try:
            if self.known(image.md5 or "") is not None:
                return Kept(sha256)
            return self._put(file, sha256, image, content)
        finally:
            if isinstance(content, Path):
                with suppress(OSError):
                    content.unlink(missing_ok=True)

    def _put(self, file: memoryview, sha256: str, image: Analysis, grey: bytes | Path) -> Kept:
        now, blobs, md5 = utc_now(), self.archive.blobs, image.md5 or ""
        names = Kept(sha256, None, blob_name(GREYS, md5, "png", now))
        if self.originals:
            ending = _ENDINGS.get(image.format, image.format)
            names = names._replace(original=blob_name(ORIGINALS, md5, ending, now))
        self._in_hand.add(names)
        try:
            if names.original is not None:
                blobs.put(names.original, file)
            blobs.put(names.grey or "", grey)
        except OutputError:
            self.drop(names)
            raise
        return names

    def hand_over(self, kept: Kept) -> None:
        """Take note that a row may name what was put: it is the archive's from now on."""
        self._in_hand.discard(kept)

    def drop(self, kept: Kept) -> None:
        """Delete what was put and no row can name, as far as that can be done."""
        with suppress(OutputError):
            for name in filter(None, (kept.original, kept.grey)):
                self.archive.blobs.delete(name)
        self._in_hand.discard(kept)

    def drop_all(self) -> None:
        """Drop what is in hand when nothing is put any more: the run has ended before its rows."""
        for kept in tuple(self._in_hand):
            self.drop(kept)

    def known(self, md5: str) -> Kept | None:
        """Tell whether the archive has an image, with its original if that is wanted."""
        stored = self.archive.find(md5)
        if stored is None:
            return None
        names = stored.image.blobs
        lacks = self.originals and names is not None and names.original is None
        return None if lacks else Kept(stored.image.sha256)


def image_of(analysis: Analysis, kept: Kept) -> Image:
    """Make the row of an image from what was computed and kept of it."""
    clusters = analysis.clusters or ()
    return Image(
        md5=analysis.md5 or "",
        sha256=kept.sha256,
        bytes=analysis.bytes,
        format=analysis.format,
        width=analysis.width,
        height=analysis.height,
        colors=analysis.colors,
        color=clusters[0].hex if clusters else None,
        blobs=BlobNames(kept.original, kept.grey) if kept.grey else None,
    )
