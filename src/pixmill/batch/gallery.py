"""A folder that the pictures of a run are put into, each whole or not at all.

A picture is written into a hidden folder beside them, synced and renamed, and its name is durable
before any row tells of it. What a killed run left in the hidden folder goes when the next
one starts.
"""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.batch.durable import fsync_directory, output_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.analysis.rendering import Made
    from pixmill.batch.naming import Names
    from pixmill.imaging.operations import Chain
    from pixmill.record import Item

_SPOOL = ".pixmill-transform"


class FolderGallery:
    """The port `Gallery` over a folder; for one run at a time, which holds the table's lock."""

    def __init__(self, folder: Path, chain: Chain, names: Names) -> None:
        self.chain = chain
        self._folder = folder
        self._names = names
        self._spool = folder / _SPOOL

    @contextmanager
    def open(self) -> Iterator[str]:
        """Make the hidden folder, empty, and remove it at the end."""
        with output_errors(self._spool):
            if self._spool.exists():
                shutil.rmtree(self._spool)
            self._spool.mkdir()
        try:
            yield str(self._spool)
        finally:
            shutil.rmtree(self._spool, ignore_errors=True)

    def put(self, item: Item, made: Made) -> str:
        """Put a picture; one that was made of the same item before is replaced."""
        name = self._names.of(item, made.format)
        target = self._folder / name
        with output_errors(target):
            written = _synced(made.content, self._spool)
            make_folders(target.parent, self._folder)
            written.replace(target)
            fsync_directory(target.parent)
        return name


def make_folders(path: Path, root: Path) -> None:
    """Make a folder below `root`, and its name and those above it durable. Raises OSError."""
    missing = []
    while path != root and not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        fsync_directory(folder.parent)


def _synced(content: bytes | str, spool: Path) -> Path:
    """Make a synced file of a picture."""
    path = spool / secrets.token_hex(8) if isinstance(content, bytes) else Path(content)
    with path.open("xb" if isinstance(content, bytes) else "r+b") as file:
        if isinstance(content, bytes):
            file.write(content)
            file.flush()
        os.fsync(file.fileno())
    return path
