"""Names of the pictures that are made of a list's images: safe, and never the same for two of them.

A name follows from the item and the inputs alone, so a run that goes on names as it did before.
Files of a folder, and those named on the command line, keep their path with the ending of the new
format; where another file would have the same name, on a disk that tells no upper from lower case
either, and for all else there is, a digest of URL or path stands behind it. What looks as if it had
such a digest gets one too.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import unicodedata
from collections import Counter
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pixmill.batch.source.folder import visible_entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pixmill.record import Item

TABLE_STEM = "transformed"
"""What the names of a run's table and of what belongs to it begin with."""

_ENDINGS = {
    "jpeg": (".jpg", ".jpeg"),
    "png": (".png",),
    "webp": (".webp",),
    "avif": (".avif",),
    "tiff": (".tif", ".tiff"),
}
_ALL_ENDINGS = frozenset(ending for endings in _ENDINGS.values() for ending in endings)
_DIGEST_BYTES = 10
_DIGESTED = re.compile(r"-[a-z2-7]{16}$", re.IGNORECASE)
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_MOST_SLUG = 60
_MOST_NAME_BYTES = 200  # file systems take 255, and a digest and an ending may come to it
_MOST_PATH_BYTES = 1024
_NAMELESS = "image"


class Names:
    """The names of one run over these `inputs`, as they were given to `open_source`."""

    def __init__(self, inputs: Sequence[str]) -> None:
        self._inputs = list(inputs)
        self._roots = [_root(name) for name in inputs]
        # Of one folder alone the contents lie in the folder of results itself.
        self._nested = len(inputs) > 1
        named = zip(inputs, self._roots, strict=True)
        self._twins = _twice(_key(root, is_folder=Path(name).is_dir()) for name, root in named)
        self._twins_in = lru_cache(maxsize=64)(_twins_in)

    def of(self, item: Item, format: str) -> str:  # noqa: A002
        """Name the picture of this format that is made of an item: a relative path with slashes."""
        path = self._own_path(item)
        if path is None or item.path is None:
            text = item.url if item.path is None else item.path
            return _digested(_slug(text), text, _ENDINGS[format][0])
        ending = path.suffix if path.suffix.lower() in _ENDINGS[format] else _ENDINGS[format][0]
        if len(os.fsencode(path)) > _MOST_PATH_BYTES or _takes_table(path):
            return _digested(_slug(item.path), item.path, ending)
        if not self._is_alone(item.position[0], item.path, path):
            return str(path.parent / _digested(_cut(path.stem), item.path, ending))
        return str(path.with_name(path.stem + ending))

    def _own_path(self, item: Item) -> PurePosixPath | None:
        """Tell where the file of an input lies in the results; None for what a list names."""
        if item.path is None:
            return None
        given, root = self._inputs[item.position[0]], self._roots[item.position[0]]
        if item.path == given and root:
            return PurePosixPath(root)
        if not root or not Path(given).is_dir():
            return None
        within = PurePosixPath(item.path[len(given) :].lstrip("/"))
        return root / within if self._nested else within

    def _is_alone(self, index: int, path: str, own: PurePosixPath) -> bool:
        """Whether no other file can have the same name, whatever its ending is."""
        if len(os.fsencode(own.stem)) > _MOST_NAME_BYTES or _DIGESTED.search(own.stem):
            return False
        given, root = self._inputs[index], self._roots[index]
        if self._nested and _key(root, is_folder=path != given) in self._twins:
            return False
        folder = given
        for key, part in _keys(path[len(given) :].lstrip("/")):
            if key in self._twins_in(folder):
                return False
            folder = os.path.join(folder, part)  # noqa: PTH118  pathlib would change the text
        return True


def _root(name: str) -> str:
    """Name an input as it stands among results; nothing where it has no name."""
    return Path(name).name if Path(name).name not in {"", ".."} else Path(name).resolve().name


def _keys(within: str) -> list[tuple[str, str]]:
    parts = within.split("/") if within else []
    last = len(parts) - 1
    return [(_key(part, is_folder=at < last), part) for at, part in enumerate(parts)]


def _key(name: str, *, is_folder: bool) -> str:
    """Give what names have in common that would be one: case, form, and a file's ending."""
    path = PurePosixPath(name)
    whole = is_folder and path.suffix.lower() not in _ALL_ENDINGS
    text = f"{path.name}/" if whole else path.stem
    return unicodedata.normalize("NFC", text.casefold())


def _twice(keys: Iterable[str]) -> frozenset[str]:
    return frozenset(key for key, times in Counter(keys).items() if times > 1)


def _twins_in(folder: str) -> frozenset[str]:
    """Give what several entries of a folder have in common; few, as a rule."""
    names = (os.fsdecode(path) for path in visible_entries(os.fsencode(folder)))
    return _twice(
        _key(name.rstrip("/").rpartition("/")[2], is_folder=name.endswith("/")) for name in names
    )


def _takes_table(path: PurePosixPath) -> bool:
    """Whether the folder that a file lies in could have the name of the run's table."""
    return len(path.parts) > 1 and path.parts[0].casefold().startswith(TABLE_STEM)


def _slug(text: str) -> str:
    """Take of a URL or path the last part, as far as it is safe everywhere."""
    bare = re.split(r"[?#]", text, maxsplit=1)[0].rstrip("/")
    last = unquote(bare.rpartition("/")[2], errors="replace").rpartition("/")[2]
    stem = last.rpartition(".")[0] or last
    return _UNSAFE.sub("-", stem).strip("-.")[:_MOST_SLUG].rstrip("-.") or _NAMELESS


def _cut(stem: str) -> str:
    return os.fsdecode(os.fsencode(stem)[:_MOST_NAME_BYTES])


def _digested(stem: str, text: str, ending: str) -> str:
    whole = text.encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(whole, digest_size=_DIGEST_BYTES).digest()
    return f"{stem}-{base64.b32encode(digest).decode().lower()}{ending}"
