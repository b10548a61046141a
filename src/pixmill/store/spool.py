"""A folder of files that are to be blobs elsewhere: what is made here is sent from here."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pixmill.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Spool:
    """A folder of this machine. All methods raise OutputError where it can not be used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def made(self) -> Path:
        """Give the folder, made where it is missing."""
        with explained(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def stale_files(self, before: datetime) -> Iterator[Path]:
        """Give the files that were left before a time, in UTC."""
        with explained(self._folder):
            for path in self.made().iterdir():
                with suppress(FileNotFoundError):  # put meanwhile
                    if datetime.fromtimestamp(path.stat().st_mtime, UTC) < before:
                        yield path


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an OSError into an OutputError that names a path."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path} can not be used: {error.strerror or error}") from error
