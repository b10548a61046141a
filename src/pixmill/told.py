"""How matches and clusters are told in JSON: alike in tables, on the command line and over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixmill.record import Cluster, Match, Neighbor


def match_as_json(match: Match) -> dict[str, Any]:
    """Put a match into JSON types; what is not known is None."""
    return {
        "found": match.found,
        "color": cluster_as_json(match.color) if match.color else None,
        "summarizer": match.summarizer,
        "palette": match.palette,
        "metric": match.metric,
        "max_distance": match.max_distance,
        "nearest": neighbor_as_json(match.nearest),
        "runner_up": neighbor_as_json(match.runner_up),
        "margin": match.margin,
    }


def neighbor_as_json(neighbor: Neighbor | None) -> dict[str, Any] | None:
    """Put an entry and its distance into JSON types."""
    if neighbor is None:
        return None
    return {
        "name": neighbor.name,
        "hex": neighbor.hex,
        "id": neighbor.id,
        "synonyms": list(neighbor.synonyms),
        "distance": neighbor.distance,
    }


def clusters_as_json(clusters: Iterable[Cluster]) -> list[dict[str, Any]]:
    """Put clusters into JSON types, in their order."""
    return [cluster_as_json(cluster) for cluster in clusters]


def cluster_as_json(cluster: Cluster) -> dict[str, Any]:
    """Put a cluster into JSON types."""
    return {"hex": cluster.hex, "share": cluster.share}
