"""One order to one table: what `colors`, `match`, `ingest` and `transform` do with a list.

Owns the way from an order and the settings to a job, and what is told of it on standard error. What
the flags are is the commands' matter.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pixmill.cli.refusals import refuse_names, refuse_own_input
from pixmill.cli.terminal import counted
from pixmill.cli.voice import note_of_little_room, open_voice, tell_summary
from pixmill.cli.watch import RunWatcher
from pixmill.errors import UsageError
from pixmill.settings import flags_given

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixmill.batch.job import Job, Report, Watcher
    from pixmill.cli.order import Order
    from pixmill.cli.voice import Voice
    from pixmill.imaging.operations import Chain
    from pixmill.settings import Settings

# What an order of a cluster (`jobs/shard_orders.py`) does not carry: workers have it from their own
# settings. None has a cache.
OF_WORKERS = {
    "fetchers", "per_host", "user_agent", "allow_private", "allow_networks", "workers", "queue",
    "memory", "cache",
}  # fmt: skip


def carry_out(order: Order, settings: Settings, *, retry_failed: bool) -> Report:
    """Run the job of an order and tell of it on standard error."""
    from pixmill.batch.job import is_finished, run_stream  # noqa: PLC0415  help and usage errors need none of it
    from pixmill.batch.retry import retry_job  # noqa: PLC0415

    refuse_names(order)
    if retry_failed and order.overwrite:
        raise UsageError("--retry-failed mends a finished table, --overwrite begins anew: name one")
    job = _job(order, settings)
    voice = open_voice(settings.log_format)
    to_stream = str(job.output) == "-"
    if to_stream and (retry_failed or order.overwrite):
        raise UsageError("standard output can be neither resumed nor overwritten")
    note = note_of_little_room(job.run.max_bytes)
    with RunWatcher(voice, order.verbosity, note=note) as watcher:
        _warn_of_streams(voice, job, to_stream=to_stream)
        if to_stream:
            with own_standard_output() as stream:
                report = run_stream(job, stream, watcher, json=order.json)
        else:
            if order.ingest is not None and not retry_failed and is_finished(job.output):
                # What was taken in may be looked for again: it is no table that would be lost.
                job = replace(job, overwrite=True)
            with _runner(settings, voice) as run:
                report = retry_job(job, watcher, run) if retry_failed else run(job, watcher)
    _tell(voice, job, report)
    return report


@contextmanager
def _runner(settings: Settings, voice: Voice) -> Iterator[Callable[[Job, Watcher], Report]]:
    """Give what runs jobs: this process, or the cluster that the settings name."""
    if settings.broker is None:
        from pixmill.batch.job import run_job  # noqa: PLC0415

        yield run_job
        return
    from pixmill.jobs.commands import open_cluster  # noqa: PLC0415

    def told(what: str, error: BaseException) -> None:
        voice.say("note", f"{what}: {error}")

    _note_flags_of_workers(settings, voice)

    with open_cluster(settings, told) as cluster:
        yield cluster.run


def _note_flags_of_workers(settings: Settings, voice: Voice) -> None:
    flags = [flag for name, flag in flags_given(settings).items() if name in OF_WORKERS]
    if flags:
        *most, last = flags
        named = f"{', '.join(most)} and {last}" if most else last
        verb = "change" if most else "changes"
        text = f"workers go by settings of their own: with a broker {named} {verb} nothing"
        voice.say("note", text)


def own_standard_output() -> BinaryIO:
    """Open standard output anew: what a closed pipe refused must not be flushed again at exit."""
    sys.stdout.flush()
    return os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)


def _job(order: Order, settings: Settings) -> Job:
    from pixmill.batch.job import Job  # noqa: PLC0415
    from pixmill.batch.sink import TableOptions  # noqa: PLC0415
    from pixmill.batch.source import SourceOptions, open_source  # noqa: PLC0415
    from pixmill.cli.run_options import run_options  # noqa: PLC0415

    source = open_source(
        order.inputs,
        SourceOptions(
            url_column=order.url_column,
            keep_columns=order.keep_columns,
            allow_files=order.allow_files,
        ),
    )
    if order.output is None and source.name is None:
        raise UsageError("several inputs, or standard input, need -o OUTPUT")
    output = order.output or f"{source.name}{order.ending}"
    refuse_own_input(order.inputs, Path(output), settings.cache)
    return Job(
        source=source,
        output=Path(output),
        table=TableOptions(
            n=order.n,
            counts=order.counts,
            header=order.header,
            keep_columns=order.keep_columns,
            product=order.product,
        ),
        run=run_options(order, settings, wants_md5=_has_md5(order, output)),
        bearing=_bearing(order, settings),
        overwrite=order.overwrite,
        stage=order.ingest.stage if order.ingest else None,
    )


def _has_md5(order: Order, output: str) -> bool:
    return order.json if output == "-" else not output.endswith(".csv")


def _bearing(order: Order, settings: Settings) -> dict[str, Any]:
    """Gather what bears on the bytes of the output, in words that a refusal may quote."""
    return {
        "product": order.product,
        "number of colors": order.n,
        "counts": order.counts,
        "header": order.header,
        "keep columns": list(order.keep_columns),
        "alpha": order.alpha,
        "url column": order.url_column,
        "allow files": order.allow_files,
        "max pixels": settings.max_pixels,
        "max side": settings.max_side,
        "max bytes": settings.max_bytes,
        **(order.matcher.identity() if order.matcher else {}),
        **(order.ingest.identity if order.ingest else {}),
        **(_operations(order.chain) if order.chain else {}),
    }


def _operations(chain: Chain) -> dict[str, Any]:
    from pixmill.imaging.operations import canonical  # noqa: PLC0415

    return {"operations": canonical(chain).split("\n")}


def _warn_of_streams(voice: Voice, job: Job, *, to_stream: bool) -> None:
    if to_stream:
        voice.say("note", "standard output can not be resumed; failed images are told here only")
    elif not job.source.resumable:
        text = "a stream can not be resumed: an interrupted run must be started anew, --overwrite"
        voice.say("note", text)


def _tell(voice: Voice, job: Job, report: Report) -> None:
    from pixmill.batch.sink import errors_path  # noqa: PLC0415

    if report.did_nothing:
        failed = sum(report.failed.values())
        state = f"with {counted(failed, 'failed line')}" if failed else "and no line failed"
        hint = "--retry-failed tries again, " if failed else ""
        text = f"{job.output} is finished already, {state}; {hint}--overwrite starts anew"
        voice.say("finished already", text, output=str(job.output))
        return
    to_file = str(job.output) != "-"
    written = job.output if to_file and report.complete else None
    tell_summary(voice, report, written, errors_path(job.output))
    if not report.complete:
        goes_on = to_file and job.source.resumable
        hint = f"; the same command goes on from here to {job.output}" if goes_on else ""
        voice.say("interrupted", f"interrupted{hint}")
