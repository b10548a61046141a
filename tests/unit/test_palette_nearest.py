"""The nearest color of a palette: equal to brute force by every metric, and it explains itself."""

from __future__ import annotations

from threading import Event, Thread

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.color.difference import METRICS
from pixmill.color.palette import Entry, Palette
from pixmill.color.spaces import srgb_from_u8
from pixmill.errors import UsageError

CHANNEL = st.integers(0, 255)
COLORS = st.tuples(CHANNEL, CHANNEL, CHANNEL)
# Few values, so that colors repeat and many are equally far away.
GRID = st.tuples(*[st.sampled_from([0, 64, 128, 192, 255])] * 3)
GRAYS = st.builds(lambda level: (level, level, level), CHANNEL)


def palette_of(colors):
    return Palette("test", tuple(Entry(f"color {i}", rgb) for i, rgb in enumerate(colors)))


def brute_force(colors, rgb, metric):
    """Places of the two nearest colors, earlier ones first where equally near; all distances."""
    known = METRICS[metric]
    points = known.coordinates(srgb_from_u8(np.array(colors, dtype=np.uint8)))
    color = known.coordinates(srgb_from_u8(np.array([rgb], dtype=np.uint8)))[0]
    distances = np.round(known.distance(points, color), 10)
    return np.argsort(distances, kind="stable")[:2].tolist(), distances


def assert_as_brute_force(palette, colors, rgb, metric):
    order, distances = brute_force(colors, rgb, metric)
    answer = palette.nearest(rgb, metric)
    assert answer.entry is palette.entries[order[0]]
    assert answer.distance == distances[order[0]]
    if len(colors) == 1:
        assert answer.runner_up is answer.runner_up_distance is answer.margin is None
    else:
        assert answer.runner_up is palette.entries[order[1]]
        assert answer.runner_up_distance == distances[order[1]]
        assert answer.margin == round(distances[order[1]] - distances[order[0]], 10)


@pytest.mark.parametrize("metric", METRICS)
@given(colors=st.lists(COLORS | GRID | GRAYS, min_size=1, max_size=60), rgb=COLORS | GRID | GRAYS)
def test_nearest_and_runner_up_are_those_of_brute_force(metric, colors, rgb):
    assert_as_brute_force(palette_of(colors), colors, rgb, metric)


@pytest.fixture(scope="module")
def large():
    """A hundred thousand colors, and the palette of them."""
    colors = np.random.default_rng(4).integers(0, 256, (100_000, 3)).tolist()
    return colors, palette_of(colors)


@pytest.mark.parametrize("metric", METRICS)
def test_a_hundred_thousand_colors_are_searched_as_by_brute_force(metric, large):
    colors, palette = large
    for rgb in [(0, 0, 0), (255, 255, 255), (0, 0, 255), (200, 30, 90)]:
        assert_as_brute_force(palette, colors, rgb, metric)


def test_far_from_every_color_the_search_goes_piece_by_piece():
    levels = np.stack(np.meshgrid(range(41), range(41), range(20, 60)), axis=-1)
    colors = np.random.default_rng(4).permutation(levels.reshape(-1, 3)).tolist()
    palette, metric = palette_of(colors), METRICS["ciede2000"]
    yellow = metric.coordinates(srgb_from_u8(np.array([[255, 255, 0]], dtype=np.uint8)))[0]
    assert palette._index(metric)._search(yellow).size > 1 << 16
    assert_as_brute_force(palette, colors, (255, 255, 0), "ciede2000")


@pytest.mark.parametrize("metric", METRICS)
def test_a_color_is_at_no_distance_from_itself_to_the_last_bit(metric):
    palette = palette_of([(level, 255 - level, 77) for level in range(256)])
    assert all(palette.nearest(entry.rgb, metric).distance == 0.0 for entry in palette.entries)


def test_colors_equally_far_but_for_rounding_go_by_order():
    """(1, 2, 3) and its like are equally far from black, whatever the order of the sum."""
    turned = [(3, 1, 2), (1, 2, 3), (2, 3, 1), (3, 2, 1), (1, 3, 2), (2, 1, 3)]
    for start in range(6):
        colors = turned[start:] + turned[:start]
        answer = palette_of(colors).nearest((0, 0, 0))
        assert (answer.entry.name, answer.runner_up.name) == ("color 0", "color 1")
        assert answer.margin == 0.0


def test_of_two_entries_of_one_color_the_second_is_the_runner_up():
    palette = palette_of([(9, 9, 9), (1, 2, 3), (9, 9, 9), (1, 2, 3), (1, 2, 3)])
    answer = palette.nearest((1, 2, 3), "ciede2000")
    assert (answer.entry.name, answer.runner_up.name) == ("color 1", "color 3")
    assert (answer.distance, answer.runner_up_distance, answer.margin) == (0.0, 0.0, 0.0)


def test_a_palette_of_one_color_has_no_runner_up():
    answer = palette_of([(1, 2, 3)]).nearest((1, 2, 3))
    assert answer.runner_up is answer.runner_up_distance is answer.margin is None


def test_an_answer_beyond_the_tolerance_tells_the_nearest_all_the_same():
    answer = Palette.css().nearest((255, 128, 255), max_distance=0.001)
    assert (answer.entry.name, answer.within, answer.max_distance) == ("violet", False, 0.001)
    assert answer.distance > answer.max_distance


def test_a_distance_of_just_the_tolerance_is_within():
    black = palette_of([(0, 0, 0)])
    assert black.nearest((51, 0, 0)).distance == 0.2
    assert black.nearest((51, 0, 0)).within
    assert not black.nearest((52, 0, 0)).within
    assert black.nearest((0, 0, 0), max_distance=0).within


@pytest.mark.parametrize(
    ("metric", "tolerance"), [("srgb", 0.2), ("lab", 10.0), ("oklab", 0.1), ("ciede2000", 10.0)]
)
def test_each_metric_has_its_own_tolerance(metric, tolerance):
    answer = Palette.css().nearest((128, 128, 128), metric)
    assert (answer.entry.name, answer.entry.synonyms) == ("gray", ("grey",))
    assert (answer.metric, answer.max_distance, answer.within) == (metric, tolerance, True)


def test_an_unknown_metric_is_refused():
    with pytest.raises(UsageError, match="one of srgb, lab, oklab, ciede2000, not 'cmyk'"):
        Palette.css().nearest((0, 0, 0), "cmyk")


@pytest.mark.parametrize("distance", [float("nan"), float("inf"), -float("inf"), -0.1])
def test_a_maximum_distance_that_is_none_is_refused(distance):
    with pytest.raises(UsageError, match="the maximum distance is a number from 0 up"):
        Palette.css().nearest((0, 0, 0), max_distance=distance)


@pytest.mark.parametrize("metric", METRICS)
def test_threads_that_search_at_once_share_one_index_and_agree(metric):
    palette = palette_of(np.random.default_rng(4).integers(0, 256, (5000, 3)).tolist())
    begin, found = Event(), []

    def search():
        begin.wait(30)
        found.append((palette.nearest((12, 200, 99), metric), palette._index(METRICS[metric])))

    threads = [Thread(target=search) for _ in range(8)]
    for thread in threads:
        thread.start()
    begin.set()
    for thread in threads:
        thread.join(60)
    assert len(found) == 8
    answers, indexes = zip(*found, strict=True)
    assert len(set(answers)) == 1
    assert len(set(map(id, indexes))) == 1
