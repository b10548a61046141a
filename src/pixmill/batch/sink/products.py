"""What a table tells of an image: exact colors, clusters, its match, its arrival, its picture.

Owns the values between a row's beginning, which says what became of the URL, and its end, the kept
columns. Both of these, and how values become text, are in `rows`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.told import clusters_as_json, match_as_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixmill.batch.sink.rows import TableOptions
    from pixmill.record import Analysis, Cluster, Match, Record

NO_COLORS = ("#000000", "#000BAD", "#000000")
"""Stands for an image without a visible pixel, see the pixel contract."""

_FACTS = ("width", "height", "format", "bytes", "md5")
_OWN = {
    "colors": ("colors", "pixels"),
    "clusters": ("clusters",),
    "match": ("match", "clusters"),
    "arrival": ("arrival",),
    "picture": ("file",),
}


def csv_names(options: TableOptions) -> list[str]:
    """Name the columns between the URL and the kept ones."""
    if options.product == "match":
        return ["color", "hex", "distance"]
    if options.product == "arrival":
        return ["md5", "arrival"]
    if options.product == "picture":
        return ["line", "file", "width", "height", "bytes"]
    names = [f"color_{i}" for i in range(1, options.n + 1)]
    if options.counts:
        names += [f"count_{i}" for i in range(1, options.n + 1)]
    return names


def csv_values(record: Record, analysis: Analysis, options: TableOptions) -> list[str]:
    """Give the fields between the URL and the kept columns; only names need quoting."""
    if options.product == "match":
        return _match_values(record.match)
    if options.product == "arrival":
        return [analysis.md5 or "", record.arrival or ""]
    if options.product == "picture":
        sizes = (analysis.width, analysis.height, analysis.bytes)
        return [str(record.line), record.file or "", *map(str, sizes)]
    if options.product == "clusters":
        return padded_hexes(analysis.clusters or (), options.n)
    fields = [color.hex for color in analysis.colors]
    if options.counts:
        fields += [str(color.count) for color in analysis.colors]
    return fields


def _match_values(match: Match | None) -> list[str]:
    if match is None or match.nearest is None or not match.found:
        return ["", "", ""]
    return [match.nearest.name, match.nearest.hex, str(match.nearest.distance)]


def padded_hexes(clusters: Iterable[Cluster], n: int) -> list[str]:
    """Give exactly `n` colors: as for exact ones, the first is repeated where there are fewer."""
    hexes = [cluster.hex for cluster in clusters][:n]
    if not hexes:
        return [*NO_COLORS, *["#000000"] * n][:n]
    return [hexes[0]] * (n - len(hexes)) + hexes


def measured(record: Record, options: TableOptions) -> dict[str, object]:
    """Give the values of a JSONL row by their names, all None for a failed record."""
    analysis = record.analysis
    if analysis is None:
        return dict.fromkeys((*_OWN[options.product], *_FACTS))
    return _own(record, analysis, options) | {
        "width": analysis.width,
        "height": analysis.height,
        "format": analysis.format,
        "bytes": analysis.bytes,
        "md5": analysis.md5,
    }


def _own(record: Record, analysis: Analysis, options: TableOptions) -> dict[str, object]:
    if options.product == "colors":
        return _exact(analysis)
    if options.product == "arrival":
        return {"arrival": record.arrival}
    if options.product == "picture":
        return {"file": record.file}
    clusters: dict[str, object] = {"clusters": clusters_as_json(analysis.clusters or ())}
    if options.product == "clusters":
        return clusters
    return {"match": match_as_json(record.match) if record.match else None, **clusters}


def _exact(analysis: Analysis) -> dict[str, object]:
    return {
        "colors": [
            {"hex": color.hex, "count": color.count, "share": color.share}
            for color in analysis.colors
        ],
        "pixels": analysis.pixels,
    }
