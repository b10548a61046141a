"""Records of every product that a table can tell of, to write; for the tests of sinks and merging.

Matches come from a real `Matcher` over colors that differ by line, so that some are found, some
missed, and some images have no visible pixel; names of the palette need quoting.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from pixmill.batch.sink import TableOptions
from pixmill.color.palette import Entry, Palette
from pixmill.matching import Matcher
from pixmill.record import Cluster

from .sink_records import failed, succeeded

if TYPE_CHECKING:
    from pixmill.record import Record

PRODUCTS = ("colors", "clusters", "match", "picture")
PALETTE = Palette(
    "shop",
    (
        Entry('a "warm" red, ö', (200, 30, 30), "SKU,1", ("rot", "rouge")),
        Entry("green", (30, 200, 30)),
        Entry("night", (0, 0, 40), "😀"),
    ),
)


def options_of(product: str, **more) -> TableOptions:
    return TableOptions(product=product, **more)


@cache
def _matcher() -> Matcher:
    return Matcher(PALETTE, max_distance=0.35)


def clusters_of(line: int) -> tuple[Cluster, ...]:
    """None for every sixth line, else one to five clusters."""
    shares = [2.0**-i for i in range(line % 6)]
    return tuple(
        Cluster(((37.3 * line + 80 * i) % 255, (11.7 * line) % 255, 30.1), share / sum(shares))
        for i, share in enumerate(shares)
    )


def product_of(product: str, line: int, url: str | None = None, *, extra=()) -> Record:
    """A success with what the product tells of it."""
    record = succeeded(line, url, extra=extra)
    if product == "colors" or record.analysis is None:
        return record
    if product == "picture":
        analysis = replace(record.analysis, colors=(), pixels=0)
        return replace(record, analysis=analysis, file=f'sub, "{line}"/{line}.png')
    analysis = replace(record.analysis, colors=(), pixels=0, clusters=clusters_of(line))
    match = _matcher()(analysis.clusters or ()) if product == "match" else None
    return replace(record, analysis=analysis, match=match)


def a_run_of(product: str, count: int) -> list[Record]:
    """Every third fails; blank lines of the input leave gaps in the numbers."""
    return [
        failed(2 * i) if i % 3 == 1 else product_of(product, 2 * i) for i in range(1, count + 1)
    ]
