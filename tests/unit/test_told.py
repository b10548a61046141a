"""Matches and clusters in JSON: every key always there, and the values exactly those found."""

from __future__ import annotations

import json

from pixmill.color.palette import Entry, Palette
from pixmill.matching import Matcher
from pixmill.record import Cluster
from pixmill.told import cluster_as_json, clusters_as_json, match_as_json, neighbor_as_json

ONE = Palette("one", (Entry("ochre", (204, 119, 34), "7", ("golden ochre",)),))
CLUSTERS = (Cluster((204.0, 119.0, 34.4), 2 / 3), Cluster((0.4, 0.0, 255.0), 1 / 3))
KEYS = [
    "found", "color", "summarizer", "palette", "metric", "max_distance", "nearest", "runner_up",
    "margin",
]  # fmt: skip


def test_a_match_is_told_with_its_color_and_its_neighbors():
    told = match_as_json(Matcher(Palette.css(), "srgb", 0.5)(CLUSTERS))
    nearest, runner_up = told["nearest"], told["runner_up"]
    assert list(told) == KEYS
    assert told["found"] is True
    assert told["color"] == {"hex": "#CC7722", "share": 2 / 3}
    assert (told["palette"], told["metric"], told["summarizer"]) == ("css", "srgb", "kmeans")
    assert told["max_distance"] == 0.5
    assert nearest["distance"] + told["margin"] == runner_up["distance"]
    assert list(nearest) == list(runner_up) == ["name", "hex", "id", "synonyms", "distance"]


def test_what_is_not_known_is_null_and_no_key_is_left_out():
    missed = match_as_json(Matcher(ONE)(()))
    assert list(missed) == KEYS
    assert [key for key in KEYS if missed[key] is None] == [
        "color", "nearest", "runner_up", "margin",
    ]  # fmt: skip
    assert missed["found"] is False
    alone = match_as_json(Matcher(ONE)(CLUSTERS))
    assert [key for key in KEYS if alone[key] is None] == ["runner_up", "margin"]


def test_a_neighbor_is_told_with_its_product_number_and_synonyms():
    assert neighbor_as_json(Matcher(ONE)(CLUSTERS).nearest) == {
        "name": "ochre", "hex": "#CC7722", "id": "7", "synonyms": ["golden ochre"],
        "distance": 0.0,
    }  # fmt: skip
    assert neighbor_as_json(None) is None


def test_a_miss_still_tells_what_is_nearest():
    told = match_as_json(Matcher(ONE, max_distance=0)(CLUSTERS[1:]))
    assert told["found"] is False
    assert told["nearest"]["name"] == "ochre"
    assert told["nearest"]["distance"] > told["max_distance"] == 0.0


def test_clusters_are_told_in_their_order_with_exact_shares():
    told = clusters_as_json(CLUSTERS)
    assert told == [cluster_as_json(cluster) for cluster in CLUSTERS]
    assert [each["hex"] for each in told] == ["#CC7722", "#0000FF"]
    assert json.loads(json.dumps(told))[0]["share"] == 2 / 3
    assert clusters_as_json(()) == []
