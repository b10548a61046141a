"""`pixmill match`: the palette color nearest to each image's representative color."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.cli import flags as f
from pixmill.cli.ending import (
    EXIT_INTERRUPTED,
    EXIT_SOME_FAILED,
    EXIT_SOME_MISSED,
    ended_by_errors,
)
from pixmill.cli.order import Order
from pixmill.cli.refusals import is_url
from pixmill.cli.tables import carry_out
from pixmill.errors import UsageError
from pixmill.settings import load_settings

if TYPE_CHECKING:
    from pixmill.batch.job import Report
    from pixmill.settings import Settings


def match(
    inputs: f.MatchInputs,
    output: f.MatchOutput = None,
    json: f.Json = False,
    header: f.Header = False,
    keep_columns: f.KeepColumns = "",
    palette: f.PaletteName = "css",
    space: f.Space = "srgb",
    summarizer: f.SummarizerName = "kmeans",
    max_distance: f.MaxDistance = None,
    url_column: f.UrlColumn = None,
    allow_files: f.AllowFiles = False,
    overwrite: f.Overwrite = False,
    retry_failed: f.RetryFailed = False,
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
    broker: f.Broker = None,
    catalog: f.CatalogUrl = None,
    blobs: f.Blobs = None,
    shard_lines: f.ShardLines = None,
) -> None:
    """Find the color of a palette that is nearest to each image's own.

    URLs and images are answered at once; a list or a folder becomes a table, which resumes by
    itself. Exits with 3 where an image had no color within the tolerance, with 1 where one could
    not be read.
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
        broker=broker,
        catalog=catalog,
        blobs=blobs,
        shard_lines=shard_lines,
    )
    with ended_by_errors(settings.log_format):
        from pixmill.cli.palette_choice import choose_palette  # noqa: PLC0415  help needs none of it
        from pixmill.matching import Matcher  # noqa: PLC0415

        order = Order(
            inputs=tuple(inputs),
            output=output,
            product="match",
            matcher=Matcher(choose_palette(palette, settings), space, max_distance, summarizer),
            json=json,
            header=header,
            keep_columns=tuple(name.strip() for name in keep_columns.split(",") if name.strip()),
            url_column=url_column,
            allow_files=allow_files,
            overwrite=overwrite,
            dedupe=not no_dedupe,
            verbosity=verbose,
        )
        report = _answer(order, settings, retry_failed=retry_failed)
    if not report.complete:
        raise SystemExit(EXIT_INTERRUPTED)
    if report.failed:
        raise SystemExit(EXIT_SOME_FAILED)
    if report.missed:
        raise SystemExit(EXIT_SOME_MISSED)


def _answer(order: Order, settings: Settings, *, retry_failed: bool) -> Report:
    from pixmill.batch.source import is_image_file  # noqa: PLC0415
    from pixmill.cli.few import match_few  # noqa: PLC0415  no other command should wait for it

    urls = [name for name in order.inputs if is_url(name)]
    rest = [name for name in order.inputs if name and not is_url(name)]
    to_file = order.output not in {None, "-"}
    if "-" in rest or to_file or not all(map(is_image_file, rest)):
        if urls:
            raise UsageError(
                "a URL is answered on standard output; for a table put it into a list, one a line"
            )
        return carry_out(order, settings, retry_failed=retry_failed)
    if retry_failed or order.overwrite or order.keep_columns or order.url_column:
        raise UsageError(
            "--retry-failed, --overwrite, --keep-columns and --url-column are for lists and tables"
        )
    return match_few(order, settings)
