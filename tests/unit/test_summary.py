"""What stands for a picture, by each of the three ways that have a name."""

from __future__ import annotations

import numpy as np
import pytest

from pixmill.color.clustering import clusters, edge_weights, mean
from pixmill.color.summary import summarize

# A black square on white ground that is thinner than it.
FRAMED = np.full((9, 9, 3), 255, np.uint8)
FRAMED[1:-1, 1:-1] = 0
FRAMED[3, 3] = 200, 0, 0
FRAMED[4, 4] = 0, 0, 180
UPPER = np.repeat([1.0, 0.0], [2, 7])[:, np.newaxis] * np.ones((9, 9))


@pytest.mark.parametrize("weights", [None, UPPER])
def test_kmeans_is_the_clusters(weights):
    assert summarize(FRAMED, weights, "kmeans", 2) == clusters(FRAMED, 2, weights)
    assert summarize(FRAMED, None, "kmeans", 2)[0].rgb < (20, 20, 20)


@pytest.mark.parametrize("weights", [None, UPPER])
def test_the_mean_is_one_color(weights):
    assert summarize(FRAMED, weights, "mean", 5) == (mean(FRAMED, weights),)


def test_the_background_is_the_clusters_with_more_weight_at_the_edges():
    edges = edge_weights(9, 9)
    assert summarize(FRAMED, None, "background", 2) == clusters(FRAMED, 2, edges)
    assert summarize(FRAMED, UPPER, "background", 2) == clusters(FRAMED, 2, edges * UPPER)
    assert summarize(FRAMED, None, "background", 2)[0].rgb == (255, 255, 255)


@pytest.mark.parametrize("summarizer", ["kmeans", "mean", "background"])
def test_nothing_stands_for_a_picture_of_which_nothing_is_seen(summarizer):
    assert summarize(FRAMED, np.zeros((9, 9)), summarizer, 5) == ()
