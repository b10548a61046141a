"""What the pages of jobs show of a job: its JSON, and what can be done with it just now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pixmill.store.jobs import FINISHED, may_retry
from pixmill.web.job_views import job_as_json, options_as_texts

if TYPE_CHECKING:
    from pixmill.store.jobs import Job

_TITLES = {
    "colors": "Colors of a list",
    "match": "Match of a list",
    "ingest": "Ingest of a list",
    "operations": "Operations on an image",
}
_SHOWN_TYPES = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"})


def shown(job: Job, shards: dict[str, Any] | None = None) -> dict[str, Any]:
    """Tell what a page shows of a job, and of the shards that it was cut into."""
    told = job_as_json(job)
    has_result = bool(told["result"]) and job.state in FINISHED and job.state != "expired"
    return {
        **told,
        "title": _TITLES.get(job.kind, job.kind),
        "has_result": has_result,
        "has_errors": has_result and "errors" in told["links"] and job.progress.failed > 0,
        "is_picture": has_result and told["result"]["type"] in _SHOWN_TYPES,
        "may_cancel": job.state not in FINISHED,
        "may_retry": may_retry(job),
        "may_redrive": job.state == "stalled" or bool(shards and shards["numbers"]["dead"]),
        "shards": shards,
        "asked": options_as_texts(told.get("options", {})),
        "took": _took(job),
        "follow": way_to_follow(job),
    }


def way_to_follow(job: Job) -> Literal["events", "often", "seldom"] | None:
    """Tell how a page learns what becomes of a job: after its end only its webhook goes on.

    A webhook that failed once may be due for a day.
    """
    if job.state not in FINISHED:
        return "events"
    webhook = job.webhook
    if webhook is None or webhook.state in {"delivered", "given_up"} or job.state == "expired":
        return None
    return "seldom" if webhook.attempts else "often"


def _took(job: Job) -> str | None:
    if job.started_at is None or job.finished_at is None:
        return None
    seconds = max(0.0, (job.finished_at - job.started_at).total_seconds())
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds >= 0.1 else "less than 0.1 s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
