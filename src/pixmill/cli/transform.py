"""`pixmill transform`: images of a list to pictures in a folder, by a chain of operations."""

from __future__ import annotations

from pathlib import Path

from pixmill.cli import flags as f
from pixmill.cli.chains import read_chain
from pixmill.cli.ending import EXIT_INTERRUPTED, EXIT_SOME_FAILED, ended_by_errors
from pixmill.cli.order import Order
from pixmill.cli.refusals import refuse_inputs_within, refuse_names
from pixmill.cli.tables import carry_out
from pixmill.errors import ResumeRefused, UsageError
from pixmill.settings import load_settings


def transform(
    inputs: f.Inputs,
    output: f.Folder,
    op: f.Op = None,
    operations: f.Operations = None,
    table: f.TableForm = "csv",
    keep_columns: f.KeepColumns = "",
    url_column: f.UrlColumn = None,
    allow_files: f.AllowFiles = False,
    overwrite: f.Overwrite = False,
    retry_failed: f.RetryFailed = False,
    strict: f.Strict = False,
    no_dedupe: f.NoDedupe = False,
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
    """Carry out a chain of operations on every image, and write the pictures into a folder.

    Files keep their paths with the ending of the new format; URLs are named by their last part and
    a digest. DIR/transformed.csv tells which is which. Resumes by itself: run the same command
    again. Failed images stand in DIR/transformed-errors.csv.
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
        log_format=log_format,
    )
    with ended_by_errors(settings.log_format):
        from pixmill.batch.naming import TABLE_STEM  # noqa: PLC0415  help needs none of it

        chain = read_chain(op or (), operations)
        if not chain:
            raise UsageError('name an operation: --op "resize 640 480", or --operations FILE')
        order = Order(
            inputs=tuple(inputs),
            output=str(Path(output) / f"{TABLE_STEM}.{table}") if output else output,
            product="picture",
            chain=chain,
            header=True,
            keep_columns=tuple(name.strip() for name in keep_columns.split(",") if name.strip()),
            url_column=url_column,
            allow_files=allow_files,
            overwrite=overwrite,
            dedupe=not no_dedupe,
            verbosity=verbose,
        )
        refuse_names(order)
        refuse_inputs_within(order.inputs, Path(output))
        _prepare(Path(output), overwrite=overwrite)
        report = carry_out(order, settings, retry_failed=retry_failed)
    if not report.complete:
        raise SystemExit(EXIT_INTERRUPTED)
    if strict and report.failed:
        raise SystemExit(EXIT_SOME_FAILED)


def _prepare(folder: Path, *, overwrite: bool) -> None:
    """Make the folder; refuse one that holds files which no run of this command put there."""
    from pixmill.batch.durable import output_errors  # noqa: PLC0415
    from pixmill.batch.naming import TABLE_STEM  # noqa: PLC0415

    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    begun = any(f"{TABLE_STEM}.{form}.checkpoint" in names for form in ("csv", "jsonl", "parquet"))
    if names and not begun and not overwrite:
        raise ResumeRefused(
            f"{folder} holds files already: name a new or empty folder, or --overwrite replaces "
            "what has the names of new pictures"
        )
