"""`pixmill worker`: does what a cluster has to do, beside any number of others."""

from __future__ import annotations

import typer

from pixmill.cli import flags as f
from pixmill.cli.ending import ended_by_errors
from pixmill.settings import load_settings


def worker(
    broker: f.Broker = None,
    catalog: f.CatalogUrl = None,
    archive: f.ArchiveUrl = None,
    blobs: f.Blobs = None,
    name: f.WorkerName = None,
    shards: f.Shards = None,
    log_format: f.LogFormat = None,
    fetchers: f.Fetchers = None,
    per_host: f.PerHost = None,
    user_agent: f.UserAgent = None,
    allow_private: f.AllowPrivate = None,
    allow_network: f.AllowNetwork = None,
    workers: f.Workers = None,
    memory: f.Memory = None,
) -> None:
    """Work for a cluster until stopped: parts of lists, and operations on images.

    Broker, catalog and blobs are those of the service or the command that the work is for.
    """
    settings = load_settings(
        broker=broker,
        catalog=catalog,
        archive=archive,
        blobs=blobs,
        worker_name=name,
        shards=shards,
        log_format=log_format,
        fetchers=fetchers,
        per_host=per_host,
        user_agent=user_agent,
        allow_private=allow_private,
        allow_networks=",".join(allow_network) if allow_network else None,
        workers=workers,
        memory=memory,
    )
    with ended_by_errors(settings.log_format):
        from pixmill.jobs.extra import needing_celery  # noqa: PLC0415  help needs none of it

        with needing_celery():
            from pixmill.jobs.worker import work_until_stopped  # noqa: PLC0415
        from pixmill.telemetry.defects import defects_reported  # noqa: PLC0415
        from pixmill.web.access import Log, libraries_speak_through  # noqa: PLC0415

        with defects_reported(settings, "pixmill-worker") as defects:
            log = Log(settings.log_format, defects=defects)
            with libraries_speak_through(log, ("celery", "kombu", "amqp", "asyncio")):
                code = work_until_stopped(settings, typer.echo, log.error)
    if code:
        raise SystemExit(code)
