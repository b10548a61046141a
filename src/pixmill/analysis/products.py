"""What is computed of an image, from one decode: colors, clusters, MD5, a small picture, a grey."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict

from pixmill.analysis.packing import pack
from pixmill.imaging.digest import md5_hex
from pixmill.record import Analysis, Cluster, Color, Summarizer

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from pixmill.color.counting import TopCounts
    from pixmill.imaging.decode import Pixels
    from pixmill.imaging.encode import GreyPng
    from pixmill.imaging.header import Header
    from pixmill.imaging.scaled import Scaled

Alpha = Literal["visible", "ignore"]


class Wanted(NamedTuple):
    """What is asked of an image.

    `n` is how many of its most common exact colors (0 to 256), `alpha` whether fully transparent
    pixels are left out of these ("visible") or counted too ("ignore"), `md5` whether the MD5 of the
    file, `summarizer` by which way the clusters (None: none) and `k` how many of these at most (1
    to 256), `preview` whether a small picture, `grey` the folder in which the grey version may be
    written if it is large (None: no grey version).
    """

    n: int = 3
    alpha: Alpha = "visible"
    md5: bool = True
    summarizer: Summarizer | None = None
    k: int = 5
    preview: bool = False
    grey: str | None = None


class Task(NamedTuple):
    """One order to a worker: the header that was probed and what is wanted."""

    header: Header
    wanted: Wanted


class Stopwatch:
    """Adds up the seconds that decoding takes."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def over(self, strips: Iterator[Pixels]) -> Iterator[Pixels]:
        """Give the strips on, and time the making of each."""
        while True:
            begun = time.perf_counter()
            strip = next(strips, None)
            self.seconds += time.perf_counter() - begun
            if strip is None:
                return
            yield strip


def analyze(
    data: bytes | memoryview,
    task: Task,
    watch: Stopwatch | None = None,
    grey: GreyPng | None = None,
) -> Analysis:
    """Decode once and compute all that is wanted; `watch` times the decoding in it.

    `grey` takes the grey version, if that is wanted. Raises ImageError where the bytes give no
    picture, MemoryError where memory does not suffice.
    """
    header, wanted = task
    counting = _Counting(wanted, header)
    small = _decode(data, task, counting, watch or Stopwatch(), grey)
    top = counting.top()
    return Analysis(
        colors=colors_of(top, wanted.n) if top else (),
        pixels=top.total if top else 0,
        width=header.width,
        height=header.height,
        format=header.format,
        bytes=len(data),
        md5=md5_hex(data) if wanted.md5 else None,
        **_products_of(small, wanted),
    )


def _decode(
    data: bytes | memoryview,
    task: Task,
    counting: _Counting,
    watch: Stopwatch,
    grey: GreyPng | None,
) -> Scaled | None:
    """Have pixels counted and greyed as wanted, and give the small picture if that is wanted."""
    from pixmill.imaging.decode import decode  # noqa: PLC0415  see the package's docstring
    from pixmill.imaging.scaled import scaled  # noqa: PLC0415

    header, wanted = task
    strips, whole = watch.over(decode(data, header)), bool(wanted.n or grey)
    if grey is not None:
        strips = grey.through(strips)
    if wanted.n:
        strips = counting.through(strips)
    small = None
    if wanted.summarizer is not None or wanted.preview:
        before, begun = watch.seconds, time.perf_counter()
        small = scaled(data, header, strips if whole else None)
        if watch.seconds == before:  # it was decoded in there, likely small
            watch.seconds += time.perf_counter() - begun
    for _ in strips if whole else ():  # those that the small picture was not made from
        pass
    return small


class _Counting:
    """Counts the colors of strips while they go by on their way to somebody else."""

    def __init__(self, wanted: Wanted, header: Header) -> None:
        self._wanted = wanted
        self._height = header.height
        self._top: TopCounts | None = None

    def top(self) -> TopCounts | None:
        """Give the most common colors; None where no strip came."""
        return self._top

    def through(self, strips: Iterator[Pixels]) -> Iterator[Pixels]:
        """Give the strips on, and count them; to the end, where decoders tell of broken files."""
        from pixmill.color.counting import (  # noqa: PLC0415
            StripCounter,
            count_top,
        )

        first = next(strips)
        if first.rgb.shape[0] >= self._height:
            top = count_top(first.rgb, self._wanted.n, visible=self._visible(first))
            yield first
            yield from strips
            self._top = top
            return
        counter = StripCounter()
        counter.add(first.rgb, visible=self._visible(first))
        yield first
        for strip in strips:
            counter.add(strip.rgb, visible=self._visible(strip))
            yield strip
        self._top = counter.top(self._wanted.n)

    def _visible(self, strip: Pixels) -> NDArray[np.bool_] | None:
        return None if self._wanted.alpha == "ignore" else strip.visible


class _Summary(TypedDict, total=False):
    clusters: tuple[Cluster, ...]
    preview: bytes


def _products_of(small: Scaled | None, wanted: Wanted) -> _Summary:
    summary: _Summary = {}
    if small is not None and wanted.summarizer is not None:
        from pixmill.color.summary import summarize  # noqa: PLC0415

        summary["clusters"] = summarize(small.rgb, small.weights, wanted.summarizer, wanted.k)
    if small is not None and wanted.preview:
        from pixmill.imaging.preview import png  # noqa: PLC0415

        summary["preview"] = png(small)
    return summary


def colors_of(top: TopCounts, n: int) -> tuple[Color, ...]:
    """Give exactly n colors, padded as the pixel contract says; shares are of counted pixels."""
    from pixmill.color.counting import padded_values  # noqa: PLC0415  see the package's docstring

    return tuple(_color(value, count, top.total) for value, count in padded_values(top, n))


def _color(value: int, count: int, total: int) -> Color:
    rgb = (value >> 16, value >> 8 & 255, value & 255)
    return Color(rgb, f"#{value:06X}", count, count / total if total else 0.0)


def analyze_packed(data: memoryview, task: Task) -> bytes:
    """Do as `analyze`, and return it packed."""
    return pack(analyze(data, task))
