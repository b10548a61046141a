"""Images named directly, and directories of them: each file is an entry in its own right."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.batch.source.entry import display, unreadable
from pixmill.batch.source.identity import list_digest
from pixmill.record import Item

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


_MAGIC = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",  # TIFF
    b"MM\0*",
    b"BM",
    b"\0\0\1\0",  # ICO
)


def is_image(path: str) -> bool:
    """Tell by its first bytes whether a file without a telling name is an image.

    A list could begin with the same letters, but an image has NUL bytes, too. Raises InputError.
    """
    try:
        with Path(path).open("rb") as file:
            head = file.read(4096)
    except OSError as cause:
        raise unreadable(display(path), cause) from cause
    riff = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    avif = head[4:12] in {b"ftypavif", b"ftypavis"}
    return b"\0" in head and (riff or avif or head.startswith(_MAGIC))


class ImageFile:
    """A single image as an input; its only place is 0. Raises InputError if it does not open."""

    resumable = True

    def __init__(self, path: str, index: int) -> None:
        self.name = display(path)
        self._path = path
        self._index = index
        try:
            with Path(path).open("rb") as file:
                self._status = os.fstat(file.fileno())
        except OSError as cause:
            raise unreadable(self.name, cause) from cause
        self.size_bytes = self._status.st_size

    def items(self, before: int, start: int) -> Generator[Item, None, int]:
        """Yield the one item; see `Input`."""
        yield Item(before + 1, self.name, (), (self._index, start), None, self._path)
        return before + 1

    def share(self, place: int) -> float:
        """Nothing lies before the only entry."""
        return float(place)

    def identity(self) -> dict[str, object]:
        """Digest the name, size and time of change."""
        status = self._status
        entry = (os.fsencode(self._path), status.st_size, status.st_mtime_ns)
        return list_digest([entry]).identity()


class Folder:
    """The regular files of a directory and those below it; a place is the number of files before.

    Hidden files and directories are left out, links to directories are not followed. Files come in
    byte order of path. One directory's names are held in memory at a time, and those of its
    parents. Raises InputError if a directory can not be read.
    """

    resumable = True

    def __init__(self, path: str, index: int) -> None:
        self.name = display(path)
        self._root = os.fsencode(path)
        self._index = index
        self._listing = list_digest(self._stats())
        self.size_bytes = self._listing.size_bytes

    def items(self, before: int, start: int) -> Generator[Item, None, int]:
        """Yield an item a file; see `Input`."""
        line = before
        for place, path in enumerate(islice(self._files(), start, None), start):
            line += 1
            name = os.fsdecode(path)
            yield Item(line, display(name), (), (self._index, place), None, name)
        return line

    def share(self, place: int) -> float:
        """Tell how much of the files come before `place`, by their number."""
        return place / self._listing.files if self._listing.files else 1.0

    def identity(self) -> dict[str, object]:
        """Digest names, sizes and times of change of all files."""
        return self._listing.identity()

    def _stats(self) -> Iterator[tuple[bytes, int, int]]:
        for path in self._files():
            try:
                status = os.stat(path)  # noqa: PTH116 - pathlib has no paths of bytes
            except OSError as cause:
                raise unreadable(display(os.fsdecode(path)), cause) from cause
            yield path, status.st_size, status.st_mtime_ns

    def _files(self) -> Iterator[bytes]:
        """Walk without recursion, so that no depth of directories is too deep."""
        open_directories = [iter(visible_entries(self._root))]
        while open_directories:
            path = next(open_directories[-1], None)
            if path is None:
                open_directories.pop()
            elif path.endswith(b"/"):
                open_directories.append(iter(visible_entries(path)))
            else:
                yield path


def visible_entries(directory: bytes) -> list[bytes]:
    """Give the files and, with a slash at their end, the directories in one directory.

    With that slash their order is that of the whole paths below: `a.png` comes before `a/b.png`.
    """
    try:
        with os.scandir(directory) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(b".")]
    except OSError as cause:
        raise unreadable(display(os.fsdecode(directory)), cause) from cause
    directories = [entry.path + b"/" for entry in visible if entry.is_dir(follow_symlinks=False)]
    return sorted(directories + [entry.path for entry in visible if _is_regular(entry)])


def _is_regular(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        # A link that leads nowhere one may go is no regular file, and no reason to stop.
        return False
