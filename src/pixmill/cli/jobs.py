"""`pixmill jobs`: what there is to do and was done, by a service or a cluster, of all keys."""

from __future__ import annotations

import json as json_module
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pixmill.cli.ending import EXIT_SOME_FAILED
from pixmill.cli.standard_output import write_lines
from pixmill.cli.terminal import counted, printable
from pixmill.errors import RunError, UsageError
from pixmill.jobs.queues import DEAD
from pixmill.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.jobs.cluster import Broker
    from pixmill.store import Catalog
    from pixmill.store.jobs import Event, Job

jobs = typer.Typer(
    no_args_is_help=True,
    help="Look at, cancel, repeat and wait for jobs: of the service, and of commands over a "
    "cluster.",
)

_PAGE = 200
_LOOK_EVERY_S = 0.5
_MOST_DEAD = 1000
_PATH_CHARS = 4096
_HEAD = (
    "id", "state", "made", "attempts", "key", "kind", "source", "reference", "code", "output",
)  # fmt: skip

Id = Annotated[
    str,
    typer.Argument(metavar="ID", help="As `pixmill jobs list` has them.", show_default=False),
]
Json = Annotated[
    bool, typer.Option("--json", metavar="", help="One JSON object a line.", show_default=False)
]


@jobs.command("list")
def list_jobs(
    state: Annotated[
        Literal["queued", "running", "stalled", "succeeded", "failed", "canceled", "expired"]
        | None,
        typer.Option("--state", help="Those in this state alone.", show_default=False),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            "--limit", min=1, metavar="N", help=r"How many \[default: 50]", show_default=False
        ),
    ] = 50,
    json: Json = False,
) -> None:
    """List jobs of all keys and of commands, the newest first."""
    with _catalog() as catalog:
        found = _newest(catalog, state, limit)
        if json:
            write_lines(map(_document, found))
            return
        keys = {key.id: key.name for key in catalog.keys.all()}
    rows = [_HEAD, *(_row(job, keys.get(job.key_id or 0, "")) for job in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = (
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    write_lines(line.rstrip() for line in padded)


@jobs.command()
def show(id_: Id, json: Json = False) -> None:
    """Tell all that is known of a job."""
    with _catalog() as catalog:
        _tell(_find(catalog, id_), json=json)


@jobs.command()
def cancel(id_: Id, json: Json = False) -> None:
    """Cancel a job that waits or runs; one at work ends within seconds."""
    with _catalog() as catalog:
        _tell(_moved(catalog, id_, "cancel", "has ended already"), json=json)


@jobs.command()
def retry(id_: Id, json: Json = False) -> None:
    """Have a job done again that has failed, or the URLs of a list that did."""
    from pixmill.store.jobs import may_retry  # noqa: PLC0415  help needs none of it

    otherwise = "only what failed is done again"
    with _catalog() as catalog:
        if not may_retry(job := _find(catalog, id_)):
            raise RunError(f"the job {id_} is {job.state}: {otherwise}")
        _tell(_moved(catalog, id_, "retry", otherwise), json=json)


@jobs.command()
def wait(
    id_: Id,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            min=0,
            help=r"Wait no longer than this \[default: for good]",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Wait for a job's end, or until it is stalled; exit with 1 unless it succeeded."""
    from pixmill.store.jobs import FINISHED  # noqa: PLC0415  help needs none of it

    until = None if timeout is None else time.monotonic() + timeout
    with _catalog() as catalog:
        while (job := _find(catalog, id_)).state not in {*FINISHED, "stalled"}:
            if until is not None and time.monotonic() >= until:
                raise RunError(f"the job {id_} is still {job.state} after {timeout:g} s")
            time.sleep(_LOOK_EVERY_S)
    _tell(job, json=json)
    if job.state != "succeeded":
        raise SystemExit(EXIT_SOME_FAILED)


@jobs.command()
def dead(json: Json = False) -> None:
    """List the shards that killed their workers, or failed each time, and wait to be redriven.

    With a broker, messages are counted that it gave out too often; exits with 1 where it does not
    tell.
    """
    with _catalog() as catalog:
        found = catalog.shards.dead(_MOST_DEAD)
    if json:
        from pixmill.web.shard_views import dead_as_json  # noqa: PLC0415  help needs none of it

        write_lines(json_module.dumps(dead_as_json(shard), ensure_ascii=False) for shard in found)
        return
    if not found:
        write_lines(["no shard is dead"])
    for shard in found:
        number, lines = shard.id.number, shard.lines
        head = f"{shard.id.job_id}  shard {number}, lines {lines.first_line} to {lines.last_line}"
        causes = [
            f"    {attempt.ended_at[:19]}  {printable(attempt.worker, 60)}: "
            f"{printable(attempt.cause, 500)}"
            for attempt in shard.failed_attempts
        ]
        write_lines([head, *causes])
    if broker := _broker():
        write_lines(_dead_letters(broker))


@jobs.command()
def redrive(
    id_: Annotated[
        str | None, typer.Argument(metavar="ID", help="The job.", show_default=False)
    ] = None,
    messages: Annotated[
        bool,
        typer.Option(
            "--messages",
            metavar="",
            show_default=False,
            help="Instead of a job: empty the dead-letter queue, and tell workers anew what waits.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Have the dead shards of a job done again, once the cause is gone."""
    from pixmill.jobs.redriving import redrive as redriven  # noqa: PLC0415  help needs none of it
    from pixmill.jobs.redriving import redrive_messages  # noqa: PLC0415
    from pixmill.store.jobs import FINISHED  # noqa: PLC0415

    if messages == (id_ is not None):
        raise UsageError("either the id of a job or --messages is needed")
    with _catalog() as catalog:
        if id_ is None:
            broker = _broker()
            if broker is None:
                raise UsageError("there is no broker: PIXMILL_BROKER names it")
            number = redrive_messages(catalog, broker)
            write_lines([f"{counted(number, 'message')} taken out of the dead-letter queue"])
            return
        if (job := _find(catalog, id_)).state in FINISHED:
            raise RunError(f"the job {id_} is {job.state}: nothing of it is done any more")
        if not redriven(catalog, id_):
            raise RunError(f"no shard of the job {id_} is dead; `pixmill jobs dead` lists those")
        _tell(_find(catalog, id_), json=json)


@contextmanager
def _catalog() -> Iterator[Catalog]:
    """Open the catalog; RunError where there is none, which looking would make."""
    from pixmill.store import catalog_stands, open_catalog  # noqa: PLC0415

    settings = load_settings()
    if not catalog_stands(settings.catalog, settings.data):
        if settings.catalog is not None:
            raise RunError(
                f"there is no catalog at {settings.catalog}, which PIXMILL_CATALOG names"
            )
        raise RunError(
            f"there is no catalog in {settings.data}; PIXMILL_DATA names its folder, or "
            "PIXMILL_CATALOG its database"
        )
    with open_catalog(settings.catalog, settings.data) as catalog:
        yield catalog


def _dead_letters(broker: Broker) -> list[str]:
    """Tell of messages in the dead-letter queue, if there are any. Raises OutputError."""
    number = broker.depths()[DEAD]
    told = f"{counted(number, 'message')} given out too often: `pixmill jobs redrive --messages`"
    return [told] if number else []


def _broker() -> Broker | None:
    """Give the broker of the settings, if they name one."""
    broker = load_settings().broker
    if broker is None:
        return None
    from pixmill.jobs.extra import needing_celery  # noqa: PLC0415

    with needing_celery():
        from pixmill.jobs.cluster import Broker, make_app  # noqa: PLC0415  the extra
    return Broker(make_app(broker))


def _newest(catalog: Catalog, state: str | None, limit: int) -> list[Job]:
    found: list[Job] = []
    behind: int | None = None
    while page := catalog.jobs.page(_PAGE, behind=behind):
        behind = page[-1].place
        found += [job for job in page if state in {None, job.state}]
        if len(found) >= limit:
            break
    return found[:limit]


def _find(catalog: Catalog, id_: str) -> Job:
    job = catalog.jobs.find(id_)
    if job is None:
        raise RunError(f"there is no job {printable(id_, 64)}; `pixmill jobs list` has them")
    return job


def _moved(catalog: Catalog, id_: str, event: Event, otherwise: str) -> Job:
    moved = catalog.jobs.move(id_, event)
    if moved is None:
        raise RunError(f"the job {id_} is {_find(catalog, id_).state}: {otherwise}")
    return moved


def _row(job: Job, key: str) -> tuple[str, ...]:
    spec = job.spec
    kind = f"{job.kind} {spec.get('product', '')}".rstrip()  # that of a command makes one
    words = (key, kind, spec.get("source"), spec.get("reference"), job.outcome.code)
    made = job.created_at.strftime("%Y-%m-%d %H:%M:%S")
    facts = (job.id, job.state, made, str(job.attempts), *(printable(word or "") for word in words))
    return (*facts, printable(spec.get("output", ""), _PATH_CHARS))


def _progress(done: dict[str, int]) -> str:
    """Tell how far a job is; the total of a command's is not known."""
    of_all = f" of {done['total']}" if done["total"] else ""
    return f"{done['done']}{of_all}, {done['failed']} failed"


def _document(job: Job) -> str:
    from pixmill.web.job_views import job_as_json  # noqa: PLC0415

    return json_module.dumps(job_as_json(job), ensure_ascii=False)


def _tell(job: Job, *, json: bool) -> None:
    """Tell of one job: a line for each fact that there is."""
    if json:
        write_lines([_document(job)])
        return
    from pixmill.web.job_views import job_as_json, options_as_texts  # noqa: PLC0415

    told = job_as_json(job)
    result, webhook, done = told["result"], told["webhook"], told["progress"]
    options = options_as_texts(told.get("options", {}))
    facts = {**told, **options, "operations": ", ".join(told.get("operations", ()))}
    facts |= {
        "progress": _progress(done),
        "result": result and result["path"],
        "webhook": webhook and f"{webhook['url']} {webhook['state']}",
    }
    shown = {
        name: fact for name, fact in facts.items() if fact and name not in {"links", "options"}
    }
    width = max(map(len, shown))
    write_lines(f"{name:<{width}}  {printable(str(fact), 1000)}" for name, fact in shown.items())
