"""`pixmill colors`: a list of images to a table of their most common colors."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pixmill.cli import flags as f
from pixmill.cli.ending import EXIT_INTERRUPTED, EXIT_SOME_FAILED, ended_by_errors
from pixmill.cli.order import Order
from pixmill.cli.refusals import refuse_names, refuse_own_input
from pixmill.cli.terminal import counted
from pixmill.cli.voice import note_of_little_room, open_voice, tell_summary
from pixmill.cli.watch import RunWatcher
from pixmill.errors import UsageError
from pixmill.settings import load_settings

if TYPE_CHECKING:
    from pixmill.batch.job import Job, Report
    from pixmill.cli.voice import Voice
    from pixmill.settings import Settings


def colors(
    inputs: f.Inputs,
    output: f.Output = None,
    n: f.NumberOfColors = 3,
    counts: f.Counts = False,
    header: f.Header = False,
    keep_columns: f.KeepColumns = "",
    alpha: f.Alpha = "visible",
    url_column: f.UrlColumn = None,
    allow_files: f.AllowFiles = False,
    overwrite: f.Overwrite = False,
    retry_failed: f.RetryFailed = False,
    strict: f.Strict = False,
    no_dedupe: f.NoDedupe = False,
    cache: f.Cache = None,
    verbose: f.Verbose = 0,
    log_format: f.LogFormat = None,
    fetchers: f.Fetchers = None,
    per_host: f.PerHost = None,
    timeout: f.Timeout = None,
    retries: f.Retries = None,
    user_agent: f.UserAgent = None,
    allow_private: f.AllowPrivate = None,
    allow_network: f.AllowNetwork = None,
    workers: f.Workers = None,
    queue: f.Queue = None,
    memory: f.Memory = None,
) -> None:
    """Count the most common exact colors of every image of a list.

    Resumes by itself: run the same command again. Failed images stand in OUTPUT-errors.csv.
    """
    settings = load_settings(
        fetchers=fetchers,
        per_host=per_host,
        timeout=timeout,
        retries=retries,
        user_agent=user_agent,
        allow_private=allow_private,
        allow_networks=",".join(allow_network) if allow_network else None,
        workers=workers,
        queue=queue,
        memory=memory,
        cache=cache,
        log_format=log_format,
    )
    order = Order(
        inputs=tuple(inputs),
        output=output,
        n=n,
        counts=counts,
        header=header,
        keep_columns=tuple(name.strip() for name in keep_columns.split(",") if name.strip()),
        alpha=alpha,
        url_column=url_column,
        allow_files=allow_files,
        overwrite=overwrite,
        dedupe=not no_dedupe,
        verbosity=verbose,
    )
    with ended_by_errors(settings.log_format):
        report = carry_out(order, settings, retry_failed=retry_failed)
    if not report.complete:
        raise SystemExit(EXIT_INTERRUPTED)
    if strict and report.failed:
        raise SystemExit(EXIT_SOME_FAILED)


def carry_out(order: Order, settings: Settings, *, retry_failed: bool) -> Report:
    """Run the job of an order and tell of it on standard error."""
    from pixmill.batch.job import run_job, run_stream  # noqa: PLC0415  help and usage errors need none of it
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
            with _own_standard_output() as stream:
                report = run_stream(job, stream, watcher)
        elif retry_failed:
            report = retry_job(job, watcher)
        else:
            report = run_job(job, watcher)
    _tell(voice, job, report)
    return report


def _own_standard_output() -> BinaryIO:
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
    output = order.output or source.default_output
    if output is None:
        raise UsageError("several inputs, or standard input, need -o OUTPUT")
    refuse_own_input(order.inputs, Path(output), settings.cache)
    return Job(
        source=source,
        output=Path(output),
        table=TableOptions(
            n=order.n, counts=order.counts, header=order.header, keep_columns=order.keep_columns
        ),
        run=run_options(order, settings, wants_md5=not output.endswith((".csv", "-"))),
        bearing={
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
        },
        overwrite=order.overwrite,
    )


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
