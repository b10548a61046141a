"""`/monitoring`: what came in every minute, for programs as JSON, for people as a histogram."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response

from pixmill.store.archive import MINUTE, Span, fill_gaps, minute_of
from pixmill.web.errors import invalid_request
from pixmill.web.histogram import draw
from pixmill.web.openapi import answers
from pixmill.web.openapi_images import MINUTES
from pixmill.web.pages import by_accept, wants_page
from pixmill.web.services import Parts, needs, visitor_of

if TYPE_CHECKING:
    from pixmill.store import Archive
    from pixmill.store.archive import Arrival, Minute

router = APIRouter(tags=["operation"])
_DEFAULT_MINUTES, _MOST_MINUTES = 60, 10_080
_EXAMPLES = 5
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)


@router.get(
    "/monitoring",
    summary="What came in every minute",
    dependencies=[Depends(needs("read", visitors=True))],
    responses=answers(MINUTES, 400, 401, 403, 429, 503),
)
async def monitoring(
    request: Request,
    parts: Parts,
    minutes: Annotated[str | None, Query(description="how many, 1 to 10080, by default 60")] = None,
    begin: Annotated[
        str | None,
        Query(alias="from", description="where they begin (RFC 3339); by default they end now"),
    ] = None,
) -> Response:
    """Count successes, fails by their codes, and duplicates, of each minute, oldest first.

    Gaps are zeros. A browser is shown a page.
    """
    span = _span(minutes, begin, datetime.now(UTC))
    archive = parts.depot.archive
    counted = list(fill_gaps(await parts.depot.ask(archive.minutes, *span), *span))
    if not wants_page(request):
        return by_accept(JSONResponse([_as_json(each) for each in counted]))
    visitor = visitor_of(request)
    examples = _EXAMPLES if visitor["key_name"] else 0  # sources are for those who have a key
    codes = await parts.depot.ask(_codes, archive, counted, span, examples)
    page = parts.pages.render(
        "monitoring.html",
        **visitor,
        chart=draw(counted),
        codes=codes,
        latest=list(reversed([each for each in counted if each != _empty(each)]))[:20],
        minutes=len(counted),
        total=_total(counted),
    )
    return by_accept(page)


def _span(minutes: str | None, begin: str | None, now: datetime) -> Span:
    text = minutes or str(_DEFAULT_MINUTES)
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0
    if not 1 <= number <= _MOST_MINUTES:
        raise invalid_request(f"Invalid minutes, it is 1 to {_MOST_MINUTES}")
    if not begin:
        end = minute_of(now) + MINUTE
        return Span(end - number * MINUTE, end)
    try:
        start = datetime.fromisoformat(begin[:40])
        start = minute_of(start if start.tzinfo else start.replace(tzinfo=UTC))
    except (ValueError, OverflowError) as error:
        raise invalid_request(
            "Invalid from, it is a time like 2026-11-20T10:31:00Z; + is written %2B"
        ) from error
    if start > _LATEST:
        raise invalid_request("Invalid from, it is too late")
    return Span(start, start + timedelta(minutes=number))


def _as_json(minute: Minute) -> dict[str, Any]:
    return {
        "interval": minute.minute.isoformat().replace("+00:00", "Z"),
        "success": minute.success,
        "fail": minute.fail,
        "duplicate": minute.duplicate,
        "codes": dict(minute.codes),
    }


def _empty(minute: Minute) -> Minute:
    return type(minute)(minute=minute.minute)


def _total(minutes: list[Minute]) -> dict[str, int]:
    return {
        name: sum(getattr(each, name) for each in minutes)
        for name in ("success", "duplicate", "fail")
    }


def _example(arrival: Arrival) -> dict[str, Any]:
    return {
        **arrival._asdict(),
        "is_url": arrival.source.startswith(("http://", "https://")),
    }


def _codes(
    archive: Archive, minutes: list[Minute], span: Span, examples: int
) -> list[dict[str, Any]]:
    """Add up the fails by code, commonest first, each with the latest of the span."""
    counts: dict[str, int] = {}
    for minute in minutes:
        for code, count in minute.codes.items():
            counts[code] = counts.get(code, 0) + count
    return [
        {
            "code": code,
            "count": count,
            "examples": [
                _example(each) for each in archive.arrivals(examples, code=code, span=span)
            ]
            if examples
            else [],
        }
        for code, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
