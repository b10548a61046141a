"""`pixmill ingest`: images of a list into the archive, each once, with its grey version."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pixmill.cli import flags as f
from pixmill.cli.ending import EXIT_INTERRUPTED, EXIT_SOME_FAILED, ended_by_errors
from pixmill.cli.order import Ingest, Order
from pixmill.cli.tables import carry_out
from pixmill.errors import OutputError, UsageError
from pixmill.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.ingest.keeper import ArchiveKeeper
    from pixmill.settings import Settings
    from pixmill.store import Archive

_LEFT_OVER = "if files are left that no row names, `pixmill doctor --store --mend` deletes them"


def ingest(
    inputs: f.IngestInputs = None,
    output: f.IngestOutput = None,
    header: f.Header = False,
    keep_columns: f.KeepColumns = "",
    n: f.ArchiveColors = 5,
    alpha: f.Alpha = "visible",
    archive: f.ArchiveUrl = None,
    blobs: f.Blobs = None,
    no_originals: f.NoOriginals = False,
    source: f.Source = None,
    keep: f.Keep = None,
    watch: f.Watch = None,
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
    shard_lines: f.ShardLines = None,
) -> None:
    """Take every image of a list into the archive: once, with its grey version, size and colors.

    Resumes by itself: run the same command again. What is finished may be run again too: unchanged
    images are not downloaded anew, and count as duplicates. Failed images stand in
    OUTPUT-errors.csv. With --watch files of a folder are taken in as they are completed.
    """
    settings = load_settings(
        archive=archive,
        blobs=blobs,
        originals=False if no_originals else None,
        keep=keep,
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
        shard_lines=shard_lines,
    )
    with ended_by_errors(settings.log_format):
        if watch is not None and (inputs or output not in {None, "-"} or overwrite or retry_failed):
            raise UsageError("--watch has no INPUT, and no OUTPUT but -: rows without an end")
        if watch is None and not inputs:
            raise UsageError("name an INPUT: a list, an image, a folder, or - for standard input")
        from pixmill.store import open_archive, where  # noqa: PLC0415  help needs none of it

        columns = tuple(name.strip() for name in keep_columns.split(",") if name.strip())
        with open_archive(*where(settings)) as opened, _keeping(opened, settings) as keeper:
            order = Order(
                inputs=tuple(inputs or ()),
                output=output,
                product="arrival",
                ingest=_ingest(opened, keeper, settings, source),
                n=n,
                header=header,
                keep_columns=columns,
                alpha=alpha,
                url_column=url_column,
                allow_files=allow_files,
                overwrite=overwrite,
                dedupe=not no_dedupe,
                verbosity=verbose,
            )
            if watch is not None:
                from pixmill.cli.ingest_watch import watch_folder  # noqa: PLC0415

                watch_folder(order, settings, keeper, watch, source)
                return
            if settings.cache is None:
                settings = settings.model_copy(update={"cache": settings.data / "cache"})
            report = carry_out(order, settings, retry_failed=retry_failed)
            if settings.keep is not None and report.complete:
                opened.forget(datetime.now(UTC) - timedelta(days=settings.keep))
    if not report.complete:
        raise SystemExit(EXIT_INTERRUPTED)
    if strict and report.failed:
        raise SystemExit(EXIT_SOME_FAILED)


@contextmanager
def _keeping(archive: Archive, settings: Settings) -> Iterator[ArchiveKeeper]:
    """Give a keeper for a run; files that it has put and no row can name are deleted at the end."""
    from pixmill.ingest.keeper import ArchiveKeeper  # noqa: PLC0415

    keeper = ArchiveKeeper(archive, originals=settings.originals)
    try:
        yield keeper
    except OutputError as error:
        raise OutputError(f"{error}; {_LEFT_OVER}") from error
    finally:
        keeper.drop_all()


def _ingest(
    archive: Archive, keeper: ArchiveKeeper, settings: Settings, source: str | None
) -> Ingest:
    from pixmill.ingest.arrivals import Arrivals, Sender  # noqa: PLC0415

    return Ingest(
        keeper=keeper,
        stage=Arrivals(keeper, Sender(source)),
        spool=archive.blobs.spool,
        identity={"originals": settings.originals, "source": source, "archive": archive.id},
    )
