"""`pixmill serve`: the HTTP service, on one machine with nothing else installed."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import typer

from pixmill.cli import flags as f
from pixmill.cli.ending import ended_by_errors
from pixmill.errors import MissingExtra, UsageError
from pixmill.settings import load_settings, source_of

if TYPE_CHECKING:
    from pixmill.settings import Settings


def serve(
    host: f.Host = None,
    port: f.Port = None,
    trusted_proxy: f.TrustedProxy = None,
    log_format: f.LogFormat = None,
    fetchers: f.Fetchers = None,
    per_host: f.PerHost = None,
    timeout: f.Timeout = None,
    retries: f.Retries = None,
    user_agent: f.UserAgent = None,
    allow_private: f.AllowPrivate = None,
    allow_network: f.AllowNetwork = None,
    workers: f.Workers = None,
    memory: f.Memory = None,
) -> None:
    """Serve matches, colors and palettes over HTTP, with a console page for browsers.

    The first start makes a key and prints it, with a link that signs a browser in once.
    """
    settings = load_settings(
        host=host,
        port=port if port is not None else _port_of_platform(),
        trusted_proxies=",".join(trusted_proxy) if trusted_proxy else None,
        log_format=log_format,
        fetchers=fetchers,
        per_host=per_host,
        timeout=timeout,
        retries=retries,
        user_agent=user_agent,
        allow_private=allow_private,
        allow_networks=",".join(allow_network) if allow_network else None,
        workers=workers,
        memory=memory,
    )
    with ended_by_errors(settings.log_format):
        _serve(settings)


def _port_of_platform() -> int | None:
    """Return the port that PORT asks for, where no variable of pixmill's own does."""
    text = os.environ.get("PORT")
    if not text or source_of("port").startswith("PIXMILL_"):
        return None
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65_535:
        raise UsageError(f"PORT: {text!r}: this is no port")
    return int(text)


def _serve(settings: Settings) -> None:
    try:
        from pixmill.web.serving import serve_until_stopped  # noqa: PLC0415  the server's extra
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("pixmill"):
            raise
        raise MissingExtra("the service", "server") from error
    serve_until_stopped(settings, typer.echo)
