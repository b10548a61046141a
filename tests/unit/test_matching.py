"""Clusters become a match, and palettes are opened, or refused in a sentence."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.color.difference import METRICS
from pixmill.color.palette import Entry, Palette
from pixmill.color.palette_files import FORMATS, MAX_BYTES, write_palette
from pixmill.errors import InputError, UsageError
from pixmill.matching import Matcher, load_palette
from pixmill.record import Cluster

SHOP = Palette(
    "shop",
    (Entry("coal", (10, 10, 10), "SKU-1"), Entry("brick", (200, 40, 30), "SKU-2", ("tile",))),
)
CLUSTERS = (Cluster((200.4, 40.4, 29.6), 0.75), Cluster((0.0, 0.0, 0.0), 0.25))


def test_a_match_tells_all_that_led_to_it():
    match = Matcher(SHOP)(CLUSTERS)
    assert (match.color, match.clusters) == (CLUSTERS[0], CLUSTERS)
    assert (match.palette, match.metric, match.summarizer) == ("shop", "srgb", "kmeans")
    assert match.max_distance == 0.2
    assert (match.nearest.name, match.nearest.id, match.nearest.hex) == (
        "brick", "SKU-2", "#C8281E",
    )  # fmt: skip
    assert match.nearest.synonyms == ("tile",)
    assert match.nearest.distance == 0.0
    assert match.runner_up.name == "coal"
    assert match.margin == match.runner_up.distance
    assert match.found


def test_the_representative_color_is_matched_by_its_8_bits():
    """So that the color that is shown is at the distance that is told."""
    assert Matcher(SHOP)((Cluster((200.4, 39.6, 30.4), 1.0),)).nearest.distance == 0.0


def test_without_a_visible_pixel_there_is_nothing_to_match():
    match = Matcher(SHOP)(())
    assert (match.color, match.nearest, match.runner_up, match.margin) == (None,) * 4
    assert not match.found


def test_a_palette_of_one_has_no_runner_up():
    match = Matcher(Palette("one", (Entry("coal", (10, 10, 10)),)))(CLUSTERS)
    assert (match.runner_up, match.margin) == (None, None)
    assert match.nearest.name == "coal"


@pytest.mark.parametrize("metric", METRICS)
@given(st.tuples(*[st.integers(0, 255)] * 3), st.floats(0, 3))
def test_found_is_to_be_within_the_tolerance_and_the_nearest_is_told_anyway(metric, rgb, distance):
    match = Matcher(Palette.css(), metric, distance)((Cluster(tuple(map(float, rgb)), 1.0),))
    nearest = Palette.css().nearest(rgb, metric)
    assert (match.nearest.name, match.nearest.distance) == (nearest.entry.name, nearest.distance)
    assert match.found == (nearest.distance <= distance)


def test_a_tolerance_that_is_met_exactly_is_met():
    distance = Matcher(SHOP)((Cluster((200.0, 40.0, 60.0), 1.0),)).nearest.distance
    assert Matcher(SHOP, max_distance=distance)((Cluster((200.0, 40.0, 60.0), 1.0),)).found
    less = math.nextafter(distance, 0)
    assert not Matcher(SHOP, max_distance=less)((Cluster((200.0, 40.0, 60.0), 1.0),)).found


@pytest.mark.parametrize("metric", METRICS)
def test_each_metric_has_a_tolerance_of_its_own(metric):
    assert Matcher(SHOP, metric).max_distance == METRICS[metric].default_tolerance


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ({"metric": "hsv"}, "metric is one of"),
        ({"max_distance": -0.1}, "from 0 up"),
        ({"max_distance": math.nan}, "from 0 up"),
        ({"max_distance": math.inf}, "from 0 up"),
        ({"summarizer": "median"}, "summarizer is one of kmeans, mean, background"),
        ({"summarizer": None}, "summarizer is one of"),
    ],
)
def test_what_can_not_be_meant_is_refused_at_once(order, says):
    with pytest.raises(UsageError, match=says):
        Matcher(SHOP, **order)


@pytest.mark.parametrize(
    "other",
    [
        Matcher(Palette("other", SHOP.entries)),
        Matcher(Palette("shop", SHOP.entries[::-1])),
        Matcher(Palette("shop", (Entry("coal", (10, 10, 11), "SKU-1"), SHOP.entries[1]))),
        Matcher(Palette("shop", (Entry("coal", (10, 10, 10), "SKU-9"), SHOP.entries[1]))),
        Matcher(Palette("shop", (SHOP.entries[0], Entry("brick", (200, 40, 30), "SKU-2")))),
        Matcher(SHOP, "lab", 0.2),
        Matcher(SHOP, max_distance=0.3),
        Matcher(SHOP, summarizer="mean"),
    ],
    ids=["name", "order", "value", "id", "synonyms", "metric", "tolerance", "summarizer"],
)
def test_whatever_bears_on_a_match_is_part_of_its_identity(other):
    assert other.identity() != Matcher(SHOP).identity()
    assert json.loads(json.dumps(other.identity())) == other.identity()


def test_a_tolerance_that_is_named_is_the_same_as_the_default():
    same = Matcher(Palette("shop", SHOP.entries), "srgb", 0.2)
    assert same.identity() == Matcher(SHOP).identity()


def test_many_threads_may_match_at_once():
    matcher = Matcher(Palette("css", Palette.css().entries), "ciede2000")
    many = [(Cluster((float(i), 99.0, 255.0 - i), 1.0),) for i in range(200)]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(matcher, many))
    assert together == list(map(matcher, many))


# Palettes


def test_css_is_built_in_and_a_palette_is_itself():
    assert load_palette("css") is Palette.css()
    assert load_palette(SHOP) is SHOP


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_of_any_format_is_a_palette_of_its_name(tmp_path, kind):
    path = tmp_path / "my shop.palette"
    path.write_bytes(write_palette(SHOP, kind))
    for palette in (load_palette(path), load_palette(str(path)), load_palette(path, kind)):
        assert palette.name == "my shop"
        assert [entry.rgb for entry in palette.entries] == [(10, 10, 10), (200, 40, 30)]


@pytest.mark.parametrize("source", ["none.json", "", ".", "a\0b", "x" * 5000])
def test_a_file_that_can_not_be_read_is_an_input_error(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="can not be read") as caught:
        load_palette(source)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 100, b"{}", b"[]", b"GIMP Palette\n", b"\xff\xfe\x00", b"a,b,c,d,e"]
)
def test_a_file_that_holds_no_palette_is_refused(tmp_path, data):
    path = tmp_path / "p.json"
    path.write_bytes(data)
    with pytest.raises(UsageError):
        load_palette(path)


def test_a_huge_file_is_refused_before_it_is_read_whole(tmp_path):
    path = tmp_path / "p.csv"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES * 100)
    with pytest.raises(UsageError, match="over 67,108,864"):
        load_palette(path)


def test_a_name_with_control_characters_is_refused(tmp_path):
    path = tmp_path / "a\x1b[31m.json"
    path.write_bytes(write_palette(SHOP, "json"))
    with pytest.raises(UsageError, match="palette's name"):
        load_palette(path)
