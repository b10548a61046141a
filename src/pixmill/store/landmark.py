"""Whose a folder of images is: a file in it names its archive.

So no archive takes the empty folder where a disk is not mounted for its own, none writes into that
of another, and none takes the files of another for nobody's.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from pixmill.errors import OutputError
from pixmill.store.blobs import GREYS, ORIGINALS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LANDMARK = "pixmill-archive"
_MOST_BYTES = 100


def claim(folder: Path, archive_id: str, may_be_new: Callable[[], bool]) -> None:
    """Make sure that a folder is an archive's; one that is nobody's becomes its where that is due.

    It is where `may_be_new` says that the archive has no images yet, or where images lie in it that
    came before folders were marked. Raises OutputError for the folder of another archive, and for
    one that is not there.
    """
    try:
        found = _read(folder)
        if found is None:
            if not (may_be_new() or any((folder / name).is_dir() for name in (ORIGINALS, GREYS))):
                raise OutputError(
                    f"the folder of images {folder} is not there, or is another one: is its disk "
                    "mounted, and is PIXMILL_BLOBS or --blobs as it was?"
                )
            folder.mkdir(parents=True, exist_ok=True)
            found = _mark(folder, archive_id)
    except OSError as error:
        raise OutputError(
            f"the folder of images {folder} can not be used: {error.strerror or error}; mend the "
            "cause, or let PIXMILL_BLOBS or --blobs name a place that can be written"
        ) from error
    if found != archive_id:
        raise OutputError(
            f"the folder of images {folder} is that of another archive: let PIXMILL_BLOBS or "
            "--blobs name one of its own"
        )


def _read(folder: Path) -> str | None:
    try:
        with (folder / LANDMARK).open("rb") as file:
            return file.read(_MOST_BYTES).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None


def _mark(folder: Path, archive_id: str) -> str | None:
    """Write the mark, unless another was first, and read whose it is."""
    temporary = folder / f"{LANDMARK}.{secrets.token_hex(8)}"
    try:
        with temporary.open("x", encoding="ascii") as file:
            file.write(f"{archive_id}\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, folder / LANDMARK)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            temporary.rename(folder / LANDMARK)
    finally:
        temporary.unlink(missing_ok=True)
    return _read(folder)
