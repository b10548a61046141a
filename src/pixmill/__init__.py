"""pixmill: colors, fingerprints and normalized versions of images.

Importing this package is cheap: what does the work is imported by the first use of a name.

    pixmill.top_colors(image, n=3)    the most common exact colors of one image
    pixmill.batch.run(urls, options)  a list of URLs to records, for embedding
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.errors import ItemError, PixmillError, RunError
    from pixmill.image import top_colors
    from pixmill.record import Color, Failure, Record

__version__ = "0.1.0"

_WHERE = {
    "top_colors": "pixmill.image",
    "Color": "pixmill.record",
    "Failure": "pixmill.record",
    "Record": "pixmill.record",
    "PixmillError": "pixmill.errors",
    "ItemError": "pixmill.errors",
    "RunError": "pixmill.errors",
}
_MODULES = frozenset({"batch"})

__all__ = [
    "Color",
    "Failure",
    "ItemError",
    "PixmillError",
    "Record",
    "RunError",
    "batch",
    "top_colors",
]


def __getattr__(name: str) -> object:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    if name in _MODULES:
        return import_module(f"pixmill.{name}")
    raise AttributeError(f"module 'pixmill' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE, *_MODULES])
