"""pixmill: colors, fingerprints and normalized versions of images.

Importing this package is cheap: what does the work is imported by the first use of a name.

    pixmill.top_colors(image, n=3)       the most common exact colors of one image
    pixmill.dominant_colors(image, n=5)  the clusters of its colors, most populous first
    pixmill.representative_color(image)  the one color that stands for it
    pixmill.match(image, palette="css")  the palette color nearest to that
    pixmill.load_palette(path)           a palette of your own
    pixmill.batch.run(urls, options)     a list of URLs to records, for embedding
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.color.palette import Entry, Palette
    from pixmill.errors import ItemError, PixmillError, RunError
    from pixmill.image import dominant_colors, match, representative_color, top_colors
    from pixmill.matching import Matcher, load_palette
    from pixmill.record import Cluster, Color, Failure, Match, Record

__version__ = "0.1.0"

_WHERE = {
    "top_colors": "pixmill.image",
    "dominant_colors": "pixmill.image",
    "representative_color": "pixmill.image",
    "match": "pixmill.image",
    "load_palette": "pixmill.matching",
    "Matcher": "pixmill.matching",
    "Palette": "pixmill.color.palette",
    "Entry": "pixmill.color.palette",
    "Cluster": "pixmill.record",
    "Color": "pixmill.record",
    "Match": "pixmill.record",
    "Failure": "pixmill.record",
    "Record": "pixmill.record",
    "PixmillError": "pixmill.errors",
    "ItemError": "pixmill.errors",
    "RunError": "pixmill.errors",
}
_MODULES = frozenset({"batch"})

__all__ = [
    "Cluster",
    "Color",
    "Entry",
    "Failure",
    "ItemError",
    "Match",
    "Matcher",
    "Palette",
    "PixmillError",
    "Record",
    "RunError",
    "batch",
    "dominant_colors",
    "load_palette",
    "match",
    "representative_color",
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
