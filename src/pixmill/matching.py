"""From the clusters of an image to the nearest color of a palette.

Owns `Matcher` and the opening of palettes. Clusters are found in `analysis`; the search is that of
`color.palette`; how a match is told in JSON is in `told`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pixmill.color.palette import Palette, checked_tolerance
from pixmill.color.palette_files import MAX_BYTES, read_palette, write_palette
from pixmill.errors import InputError, UsageError
from pixmill.record import Match, Neighbor, Summarizer

if TYPE_CHECKING:
    import os

    from pixmill.color.palette import Entry
    from pixmill.record import Cluster


@dataclass(frozen=True, slots=True)
class Matcher:
    """How representative colors are matched; call it with the clusters of an image.

    `metric` is a name of `difference.METRICS` and `max_distance` the tolerance in its units, by
    default the metric's own; `summarizer` tells how the clusters were found. Raises UsageError for
    another metric or summarizer and for a tolerance below zero or not finite. Any number of threads
    may call it.
    """

    palette: Palette
    metric: str = "srgb"
    max_distance: float | None = None
    summarizer: Summarizer = "kmeans"

    def __post_init__(self) -> None:
        if self.summarizer not in get_args(Summarizer):
            raise UsageError(
                f"the summarizer is one of {', '.join(get_args(Summarizer))}, "
                f"not {self.summarizer!r:.40}"
            )
        tolerance = checked_tolerance(self.metric, self.max_distance)
        object.__setattr__(self, "max_distance", tolerance)

    def __call__(self, clusters: tuple[Cluster, ...]) -> Match:
        """Match the representative color, which stands first."""
        color = clusters[0] if clusters else None
        found = self.palette.nearest(color.rgb, self.metric, self.max_distance) if color else None
        runner_up = None
        if found and found.runner_up is not None and found.runner_up_distance is not None:
            runner_up = _neighbor(found.runner_up, found.runner_up_distance)
        return Match(
            color=color,
            clusters=clusters,
            summarizer=self.summarizer,
            palette=self.palette.name,
            metric=self.metric,
            max_distance=checked_tolerance(self.metric, self.max_distance),
            nearest=_neighbor(found.entry, found.distance) if found else None,
            runner_up=runner_up,
            margin=found.margin if found else None,
        )

    def identity(self) -> dict[str, Any]:
        """Describe in JSON types all that bears on a match, so that another one differs."""
        document = write_palette(self.palette, "json")
        return {
            "palette": self.palette.name,
            "palette's content": hashlib.sha256(document).hexdigest()[:16],
            "metric": self.metric,
            "max distance": self.max_distance,
            "summarizer": self.summarizer,
        }


def load_palette(source: Palette | str | os.PathLike[str], format: str | None = None) -> Palette:  # noqa: A002
    """Open a palette: `css`, or the path of a JSON, CSV, GIMP or Adobe file, named by its stem.

    `format` is one of `palette_files.FORMATS`, by default guessed from the content; a `Palette` is
    given back as it is. Raises InputError where the file can not be read and UsageError where it is
    no palette.
    """
    if isinstance(source, Palette):
        return source
    if source == "css":
        return Palette.css()
    path = Path(source)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)  # one more than `read_palette` takes
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"the palette {str(path)!r} can not be read: {reason}") from error
    return read_palette(data, path.stem, format)


def _neighbor(entry: Entry, distance: float) -> Neighbor:
    return Neighbor(entry.name, entry.rgb, entry.hex, entry.id, entry.synonyms, distance)
