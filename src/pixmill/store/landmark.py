"""Whose a place of images is: a file or an object in it names its archive.

So no archive takes the empty folder where a disk is not mounted for its own, none writes into that
of another, and none takes the files of another for nobody's.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Protocol

from pixmill.errors import OutputError
from pixmill.store.blobs import GREYS, ORIGINALS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LANDMARK = "pixmill-archive"
MOST_BYTES = 100
PLACE = "the folder of images"
"""What messages call it, also where it is a part of a bucket."""


class Land(Protocol):
    """A place of images, named by `str`, that can be marked. All methods may raise OutputError."""

    doubt: str
    """What to ask whoever names it, if it is not what it was."""

    def read_mark(self) -> str | None:
        """Read which archive's it is; None where it is nobody's."""

    def has_images(self) -> bool:
        """Tell whether images may lie in it."""

    def mark(self, archive_id: str) -> None:
        """Note whose it is, unless another was first; the place is made where it is missing."""


def settle(land: Land, archive_id: str, may_be_new: Callable[[], bool]) -> None:
    """Make sure that a place is an archive's; one that is nobody's becomes its where that is due.

    It is where `may_be_new` says that the archive has no images yet, or where images lie in it that
    came before places were marked. Raises OutputError for the place of another archive, and for
    one that is not there.
    """
    found = land.read_mark()
    if found is None:
        if not (may_be_new() or land.has_images()):
            raise OutputError(
                f"{PLACE} {land} is not there, or is another one: {land.doubt}, and is "
                "PIXMILL_BLOBS or --blobs as it was?"
            )
        land.mark(archive_id)
        found = land.read_mark()
    if found != archive_id:
        raise OutputError(
            f"{PLACE} {land} is that of another archive: let PIXMILL_BLOBS or --blobs name one of "
            "its own"
        )


def claim(folder: Path, archive_id: str, may_be_new: Callable[[], bool]) -> None:
    """Settle whose a folder is."""
    try:
        settle(_Folder(folder), archive_id, may_be_new)
    except OSError as error:
        raise OutputError(
            f"{PLACE} {folder} can not be used: {error.strerror or error}; mend the "
            "cause, or let PIXMILL_BLOBS or --blobs name a place that can be written"
        ) from error


class _Folder:
    """The port `Land` over a folder; raises OSError."""

    doubt = "is its disk mounted"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __str__(self) -> str:
        return str(self._folder)

    def read_mark(self) -> str | None:
        try:
            with (self._folder / LANDMARK).open("rb") as file:
                return read_text(file.read(MOST_BYTES))
        except FileNotFoundError:
            return None

    def has_images(self) -> bool:
        return any((self._folder / name).is_dir() for name in (ORIGINALS, GREYS))

    def mark(self, archive_id: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f"{LANDMARK}.{secrets.token_hex(8)}"
        try:
            with temporary.open("x", encoding="ascii") as file:
                file.write(text_of(archive_id))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(temporary, self._folder / LANDMARK)
            except FileExistsError:
                pass
            except OSError:  # a file system without links
                temporary.rename(self._folder / LANDMARK)
        finally:
            temporary.unlink(missing_ok=True)


def text_of(archive_id: str) -> str:
    """Return what a mark holds."""
    return f"{archive_id}\n"


def read_text(mark: bytes) -> str:
    """Return the archive that a mark names."""
    return mark.decode("ascii", "replace").strip()
