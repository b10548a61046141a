"""`/cluster`: the workers, what waits for them, and what killed some of them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from pixmill.web.cluster_views import cluster_as_json
from pixmill.web.openapi import answers
from pixmill.web.openapi_cluster import CLUSTER
from pixmill.web.pages import by_accept, wants_page
from pixmill.web.services import Parts, needs, visitor_of

router = APIRouter(tags=["operation"])


@router.get(
    "/cluster",
    summary="How the cluster stands",
    dependencies=[Depends(needs("metrics"))],
    responses=answers(CLUSTER, 401, 403, 429, 503),
)
async def cluster(request: Request, parts: Parts) -> Response:
    """Tell the workers, what each is at, what waits, and what is dead. A browser is shown a page.

    `queues` is null where the broker does not answer, and without one.
    """
    told = await parts.ask_catalog(cluster_as_json, parts.catalog, parts.watch)
    if not wants_page(request):
        return by_accept(JSONResponse(told))
    page = parts.pages.render(
        "cluster.html",
        **visitor_of(request),
        cluster=told,
        dead=_by_job(told["dead"]),
        at_work=sum(len(worker["at_work"]) for worker in told["workers"]),
        slots=sum(worker["slots"] for worker in told["workers"]),
    )
    return by_accept(page)


def _by_job(dead: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Put the dead shards of a job together, and of each what it met again and again."""
    found: dict[str, list[dict[str, Any]]] = {}
    for shard in dead:
        causes: dict[tuple[str, str], dict[str, Any]] = {}
        for attempt in shard["attempts"]:
            same = (attempt["worker"], attempt["cause"])
            causes[same] = {**attempt, "times": causes.get(same, {"times": 0})["times"] + 1}
        found.setdefault(shard["job"], []).append({**shard, "causes": list(causes.values())})
    return found
