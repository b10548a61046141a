"""Every way of counting, and each turn of its kernels, on pictures of a few pixels.

So small that `make cover` can run them where numba compiles nothing.
"""

from __future__ import annotations

import itertools
import runpy
import sys
import threading
import warnings

import numpy as np
import pytest

import pixmill.color
from pixmill.color import counting, fast, kernels, sweeps
from pixmill.color.compiled import unhash
from pixmill.color.counting import StripCounter, TopCounts, count_top
from pixmill.color.fast import Path
from pixmill.color.ranking import keys_of
from tests.unit.countable import KINDS, by_counter, counted, draw, unpack

# Two slots; the hashes of two colors fall into the first of them, that of one into the second.
SHIFT = 31
HASHES = np.array([0, 1 << 8, 1 << 31], np.uint32)
FIRST, MATE, OTHER = unhash(HASHES).tolist()


@pytest.fixture(autouse=True)
def _numbers_wrap():
    """As compiled ones do; those of NumPy warn of it, where nothing is compiled."""
    with np.errstate(over="ignore"):
        yield


@pytest.fixture
def limits(monkeypatch):
    """Set limits of `fast`, so that a small picture is to it a large one."""

    def limit(**most):
        for name, value in most.items():
            monkeypatch.setattr(fast, name, value)

    # Scratch is as large as the limits say, and must not outlive them.
    monkeypatch.setattr(fast, "_scratch", threading.local())
    limit(FEW_PIXELS=0)
    return limit


@pytest.mark.parametrize("n", [1, 2, 3, 6, 7, 9])
def test_a_heap_ends_with_the_greatest_in_whatever_order_they_come(n):
    for counts in itertools.permutations([2, 3, 5, 7, 11, 13]):
        totals = np.array([(99, count) for count in counts], np.int64).reshape(-1)
        heap = np.zeros(n, np.uint64)
        least = kernels.nth_candidate(totals, heap)
        assert sorted(heap.tolist()) == sorted([13, 11, 7, 5, 3, 2, 0, 0, 0][:n])
        assert least == min(heap)


def test_a_survey_finds_the_likeliest_color_of_each_slot_and_its_lead():
    sample = unpack(np.array([MATE, FIRST, FIRST, OTHER, MATE, FIRST, OTHER])).reshape(-1)
    likely, leads, heap = np.zeros(2, np.uint32), np.zeros(2, np.int32), np.zeros(2, np.uint64)
    assert kernels.survey(sample, SHIFT, likely, leads, heap) == 1
    assert likely.tolist() == [HASHES[0], HASHES[2]]
    assert leads.tolist() == [1, 2]


@pytest.mark.parametrize("tally", [kernels.tally, kernels.tally_runs])
@pytest.mark.parametrize("groups", [0, 1, 2, 9])
def test_four_pixels_at_a_time_are_counted_as_one_by_one(tally, groups):
    values = np.array([FIRST, MATE, OTHER, 0x123456, FIRST, MATE, 0xABCDEF, FIRST])
    pixels = unpack(np.concatenate((np.resize(values, 4 * groups), np.full(8, FIRST)))).reshape(-1)
    likely, expected = HASHES[::2].copy(), np.zeros(4, np.int64)
    kernels.tally_rest(pixels, SHIFT, likely, expected)
    rows, totals = np.zeros((2, 4), np.uint16), np.zeros(4, np.int64)
    tally(pixels.view(np.uint32), SHIFT, likely, rows, totals)
    assert totals.tolist() == expected.tolist()
    assert totals.sum() == 4 * groups + 8
    assert not rows.any()
    tally(pixels[:0].view(np.uint32), SHIFT, likely, rows, totals)
    assert totals.tolist() == expected.tolist()


def test_each_color_is_listed_once_and_ranking_clears_its_counter():
    table, seen = np.zeros(1 << 24, np.uint16), np.zeros(9, np.uint32)
    distinct = 0
    for values in ([MATE, OTHER, MATE], [OTHER, FIRST, MATE]):
        pixels = unpack(np.array(values)).reshape(-1)
        distinct = kernels.count_each(pixels, table, seen, distinct)
    assert seen[:distinct].tolist() == [MATE, OTHER, FIRST]
    assert table[[MATE, OTHER, FIRST]].tolist() == [3, 2, 1]
    heap = np.zeros(2, np.uint64)
    kernels.rank_seen(table, seen[:distinct], heap)
    assert heap.tolist() == keys_of(np.array([OTHER, MATE]), np.array([2, 3])).tolist()
    assert not table.any()


def test_a_full_counter_starts_again_and_its_color_is_noted():
    table, carries = np.zeros(1 << 24, np.uint16), np.zeros(2, np.uint32)
    table[[5, 0xFF0001]] = 65_535, 65_534
    pixels = unpack(np.array([0xFF0001, 5, 7, 0xFF0001])).reshape(-1)
    assert sweeps.accumulate(pixels, table, carries, 0) == 2
    assert carries.tolist() == [5, 0xFF0001]
    assert table[[5, 7, 0xFF0001]].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("kind", "more", "path"),
    [
        ("few", {"FEW_PIXELS": 65_535}, Path.FEW),
        ("few", {}, Path.PROVEN),
        ("runs", {}, Path.PROVEN),
        ("collisions", {}, Path.PARTED),
        ("collisions", {"PARTED_PIXELS": 0}, Path.STRIPS),
    ],
)
def test_each_way_is_exact(limits, kind, more, path):
    limits(**more)
    top, way = counted(draw(kind, 900, 1), 5)
    assert way is path
    assert top == by_counter(draw(kind, 900, 1), 5)


def test_colors_in_doubt_are_counted_again(limits):
    pixels = unpack(np.repeat([FIRST, MATE, OTHER], [500, 400, 300]))
    limits()
    top, way = counted(pixels, 3)
    assert way is Path.RECOUNTED
    assert dict(zip(top.values, top.counts, strict=True)) == {FIRST: 500, MATE: 400, OTHER: 300}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("most", [0, 1 << 24])
def test_pieces_may_be_cut_anywhere(limits, kind, most):
    limits(PIECE_PIXELS=70, COLLECTED_PIXELS=most, PARTED_PIXELS=most)
    pixels = draw(kind, 300, 2).reshape(15, 20, 3)[::-1, ::2]
    visible = np.arange(150).reshape(15, 10) % 3 > 0
    assert count_top(pixels, 9, visible=visible) == by_counter(pixels, 9, visible)
    assert count_top(pixels, 9) == by_counter(pixels, 9)


def bare(monkeypatch):
    """The module `counting` as it is where numba can not be imported."""
    for module in ("fast", "sweeps"):
        monkeypatch.setitem(sys.modules, f"pixmill.color.{module}", None)
        monkeypatch.delattr(pixmill.color, module)
    return runpy.run_path(counting.__file__)


def big_endian(monkeypatch):
    """The same where the lowest byte of a word comes last."""
    monkeypatch.setattr(sys, "byteorder", "big")
    return runpy.run_path(counting.__file__)


@pytest.mark.parametrize("elsewhere", [bare, big_endian])
def test_where_kernels_can_not_run_numpy_counts(monkeypatch, elsewhere):
    assert counting.kernel_name() == "numba"
    alone = elsewhere(monkeypatch)
    assert alone["kernel_name"]() == "numpy"
    alone["warm_up"]()
    pixels, visible = draw("ties", 900, 0), np.arange(900) % 3 > 0
    strips = alone["StripCounter"]()
    for start in (0, 300, 600):
        some = slice(start, start + 300)
        strips.add(pixels[some], visible=visible[some])
        strips.add(pixels[some][~visible[some]])
    assert strips.top(9) == by_counter(pixels, 9)
    assert alone["count_top"](pixels, 9, visible=visible) == by_counter(pixels, 9, visible)


@pytest.mark.parametrize("numba", [True, False])
def test_strips_count_past_sixteen_bits(monkeypatch, numba):
    counter = StripCounter() if numba else bare(monkeypatch)["StripCounter"]()
    for size in (65_535, 0, 2):
        counter.add(np.full((size, 3), 255, np.uint8))
        counter.add(np.zeros((1, 3), np.uint8))
    assert counter.top(2) == TopCounts((0xFFFFFF, 0), (65_537, 3), 65_540)


def test_warming_up_counts_a_pixel_without_a_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        counting.warm_up()
