"""How jobs are told in JSON, alike in answers, events and webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixmill.jobs.list_orders import COMMAND, KINDS

if TYPE_CHECKING:
    from datetime import datetime

    from pixmill.store.jobs import Job, Webhook


def job_as_json(job: Job) -> dict[str, Any]:
    """Tell all that its owner may know of a job."""
    result, spec = job.outcome.result, job.spec
    told_result = None
    if result is not None:
        told_result = {"path": result.name, "bytes": result.bytes, "type": result.media_type}
    own = f"/jobs/{job.id}"
    told: dict[str, Any] = {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "source": spec.get("source"),
        "reference": spec.get("reference"),
        "progress": job.progress._asdict(),
        "result": told_result,
        "code": job.outcome.code,
        "message": job.outcome.message,
        "created_at": moment_as_text(job.created_at),
        "started_at": moment_as_text(job.started_at),
        "finished_at": moment_as_text(job.finished_at),
        "attempts": job.attempts,
        "webhook": _webhook(job.webhook) if job.webhook else None,
        "links": {
            "self": own,
            "events": f"{own}/events",
            "result": f"{own}/result" if result else None,
        },
    }
    if job.kind in KINDS:
        told["options"] = spec["options"]
        told["links"]["errors"] = f"{own}/errors" if result else None
    elif job.kind == COMMAND:
        told["product"], told["output"] = spec["product"], spec["output"]
    else:
        told["md5"], told["operations"] = spec.get("md5"), spec.get("operations", "").split("\n")
        told["links"]["image"] = f"/images/{spec['md5']}" if "md5" in spec else None
    return told


def options_as_texts(options: dict[str, Any]) -> dict[str, str]:
    """Tell the options that were given or have a value, for people."""
    return {
        name: _text(value)
        for name, value in options.items()
        if value or (value == 0 and value is not False)
    }


def _text(value: Any) -> str:
    if value is True:
        return "yes"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _webhook(webhook: Webhook) -> dict[str, Any]:
    return {"url": webhook.url, "state": webhook.state, "attempts": webhook.attempts}


def moment_as_text(moment: datetime | None) -> str | None:
    """Tell a time as all of JSON here does, to the millisecond."""
    if moment is None:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
