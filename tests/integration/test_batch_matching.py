"""`pixmill.batch.run` with a matcher: records carry the match that the library would give."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

import pixmill
from pixmill.analysis import Wanted
from pixmill.batch import RunOptions, run
from pixmill.errors import UsageError
from pixmill.record import Item
from tests import drawn
from tests.pictures import png

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("warm_pools")

SHOP = pixmill.Palette(
    "shop", (pixmill.Entry("moss", (0, 120, 0), "M-1"), pixmill.Entry("sky", (120, 180, 230)))
)


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    """Pictures small and large, one that is broken and one without a visible pixel."""
    files = [
        png(random.Random(1)),
        drawn.encoded(drawn.picture(900, 700), "JPEG"),
        drawn.encoded(np.zeros((4, 4, 4), np.uint8), "PNG"),
        b"\x89PNG\r\n\x1a\n broken",
        drawn.encoded(drawn.picture(300, 400), "WEBP"),
    ]
    found = []
    for line, data in enumerate(files, start=1):
        path = tmp_path / f"{line}.image"
        path.write_bytes(data)
        found.append(Item(line, path.name, path=str(path)))
    return found


@pytest.mark.parametrize("summarizer", ["kmeans", "mean", "background"])
def test_records_carry_the_match_that_the_library_gives(
    items: list[Item], summarizer: pixmill.record.Summarizer
) -> None:
    matcher = pixmill.Matcher(SHOP, "oklab", 0.3, summarizer)
    options = RunOptions(workers=1, matcher=matcher, wanted=Wanted(n=0, summarizer=summarizer))
    records = list(run(items, options))
    assert [record.line for record in records] == [1, 2, 3, 4, 5]
    for item, record in zip(items, records, strict=True):
        if item.line == 4:
            assert record.failure is not None
            assert (record.analysis, record.match) == (None, None)
            continue
        assert record.analysis is not None
        assert record.analysis.colors == ()
        assert record.match == pixmill.match(
            item.path, SHOP, space="oklab", max_distance=0.3, summarizer=summarizer
        )
        assert record.match.clusters == record.analysis.clusters
    assert records[2].match is not None
    assert not records[2].match.found


def test_exact_colors_and_a_match_come_from_one_run(items: list[Item]) -> None:
    options = RunOptions(
        workers=1, matcher=pixmill.Matcher(SHOP), wanted=Wanted(n=4, summarizer="kmeans")
    )
    for item, record in zip(items, run(items, options), strict=True):
        if record.analysis is not None:
            assert record.analysis.colors == pixmill.top_colors(item.path, 4)
            assert record.match == pixmill.match(item.path, SHOP)


@pytest.mark.parametrize(
    ("matcher", "wanted", "says"),
    [
        (pixmill.Matcher(SHOP), Wanted(), "needs clusters"),
        (pixmill.Matcher(SHOP), Wanted(summarizer="mean"), "tells of kmeans"),
        (None, Wanted(n=-1), "0 to 256"),
        (None, Wanted(n=257), "0 to 256"),
        (None, Wanted(summarizer="kmeans", k=0), "1 to 256"),
        (None, Wanted(summarizer="kmeans", k=257), "1 to 256"),
        (None, Wanted(summarizer="median"), "summarizer is one of"),  # type: ignore[arg-type]
    ],
)
def test_options_that_do_not_fit_together_are_refused_before_anything_is_started(
    matcher: pixmill.Matcher | None, wanted: Wanted, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        next(run(["http://127.0.0.1/a.png"], RunOptions(matcher=matcher, wanted=wanted)))


def test_any_function_of_clusters_is_a_matcher(items: list[Item]) -> None:
    real = pixmill.Matcher(SHOP, max_distance=2)
    options = RunOptions(
        workers=1, matcher=lambda clusters: real(clusters[-1:]),
        wanted=Wanted(n=0, summarizer="kmeans"),
    )  # fmt: skip
    for record in run(items, options):
        if record.analysis is not None and record.analysis.clusters:
            assert record.match is not None
            assert record.match.color == record.analysis.clusters[-1]


def test_what_a_matcher_raises_ends_the_run(items: list[Item]) -> None:
    def fail(_: object) -> pixmill.Match:
        raise LookupError("no colors today")

    wanted = Wanted(n=0, summarizer="kmeans")
    with pytest.raises(LookupError, match="no colors today"):
        list(run(items, RunOptions(workers=1, matcher=fail, wanted=wanted)))
