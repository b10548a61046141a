"""`pixmill colors`: a list of images to a table of their most common colors."""

from __future__ import annotations

from pixmill.cli import flags as f
from pixmill.cli.ending import EXIT_INTERRUPTED, EXIT_SOME_FAILED, ended_by_errors
from pixmill.cli.order import Order
from pixmill.cli.tables import carry_out
from pixmill.errors import UsageError
from pixmill.settings import load_settings


def colors(
    inputs: f.Inputs,
    output: f.Output = None,
    n: f.NumberOfColors = 3,
    method: f.Method = "exact",
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
    broker: f.Broker = None,
    catalog: f.CatalogUrl = None,
    blobs: f.Blobs = None,
    shard_lines: f.ShardLines = None,
) -> None:
    """Find the most common exact colors of every image of a list, or its clusters of colors.

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
        broker=broker,
        catalog=catalog,
        blobs=blobs,
        shard_lines=shard_lines,
    )
    order = Order(
        inputs=tuple(inputs),
        output=output,
        product="colors" if method == "exact" else "clusters",
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
        if order.product == "clusters" and (counts or alpha == "ignore"):
            raise UsageError("--counts and --alpha ignore are of exact colors, not of clusters")
        report = carry_out(order, settings, retry_failed=retry_failed)
    if not report.complete:
        raise SystemExit(EXIT_INTERRUPTED)
    if strict and report.failed:
        raise SystemExit(EXIT_SOME_FAILED)
