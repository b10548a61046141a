"""The representative color of a small picture, by the three ways that users choose from by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.color.clustering import clusters, edge_weights, mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pixmill.record import Cluster, Summarizer


def summarize(
    rgb: NDArray[np.uint8], weights: NDArray[np.float64] | None, summarizer: Summarizer, k: int
) -> tuple[Cluster, ...]:
    """Find the colors that stand for a picture, the representative one first.

    `rgb` is (h, w, 3) uint8 sRGB and `weights` (h, w), None for all alike. `kmeans` gives up to `k`
    (1 to 256) clusters, `background` the same with more weight for pixels near the edges, `mean`
    one. None at all where nothing has weight. Raises TypeError or ValueError for other arrays.
    """
    if summarizer == "mean":
        whole = mean(rgb, weights)
        return () if whole is None else (whole,)
    if summarizer == "background":
        edges = edge_weights(*rgb.shape[:2])
        weights = edges if weights is None else edges * weights
    return clusters(rgb, k, weights)
