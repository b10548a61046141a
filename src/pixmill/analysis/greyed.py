"""The analysis with the grey version of the image beside it, from the same decode."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixmill.analysis.packing import pack
from pixmill.analysis.products import analyze

if TYPE_CHECKING:
    from pixmill.analysis.products import Stopwatch, Task


class Greyed(NamedTuple):
    """A packed analysis, and the grey version: a PNG, or the path of one that is large.

    Who gets a path owns the file. None where no grey version was wanted.
    """

    packed: bytes
    grey: bytes | str | None


def analyze_greyed(data: memoryview, task: Task, watch: Stopwatch | None = None) -> Greyed:
    """Do as `analyze_packed`, and make the grey version if `task` wants it."""
    header, wanted = task
    if wanted.grey is None:
        return Greyed(pack(analyze(data, task, watch)), None)
    from pixmill.imaging.encode import GreyPng  # noqa: PLC0415  see the package's docstring

    with GreyPng(header.width, header.height, wanted.grey) as png:
        analysis = analyze(data, task, watch, png)
        return Greyed(pack(analysis), png.finish())
