"""`pixmill sign`: URLs of images that need no key, and new secrets to sign them with."""

from __future__ import annotations

import time
from typing import Annotated
from urllib.parse import urlsplit

import typer

from pixmill.cli.spans import seconds_of
from pixmill.cli.standard_output import write_lines
from pixmill.cli.terminal import printable
from pixmill.errors import UsageError
from pixmill.settings import load_settings


def sign(
    urls: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[URL]…",
            help="/image/MD5, /images/MD5/original, /images/MD5/render?… or /render?…, alone or "
            "behind the service's address.",
            show_default=False,
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires",
            metavar="SPAN",
            help="For how long, as 90s, 30m, 12h or 7d \\[default: for good]",
            show_default=False,
        ),
    ] = None,
    rotate: Annotated[
        bool,
        typer.Option("--rotate", metavar="", help="Make a new secret first.", show_default=False),
    ] = False,
    keep_old: Annotated[
        str,
        typer.Option(
            "--keep-old", metavar="SPAN", help="With --rotate: how long old signatures still count."
        ),
    ] = "7d",
) -> None:
    """Print URLs with a signature, by which anybody may see the image and nothing else."""
    from pixmill.signing import check_url, opens, signed_url  # noqa: PLC0415  help needs none of it
    from pixmill.store import catalog_stands, open_catalog  # noqa: PLC0415

    if not urls and not rotate:
        raise UsageError("name a URL to sign, or --rotate")
    until = None if expires is None else int(time.time()) + seconds_of(expires, "--expires")
    kept_s = seconds_of(keep_old, "--keep-old")
    for url in urls or ():
        check_url(url)
        if not opens(path := urlsplit(url).path):
            raise UsageError(
                f"no signature opens {printable(path, 100)}: see `pixmill sign --help`"
            )
    settings = load_settings()
    if not catalog_stands(settings.catalog, settings.data):
        raise UsageError(
            f"there is no catalog in {settings.data}; PIXMILL_DATA names the service's folder, or "
            "PIXMILL_CATALOG its database"
        )
    with open_catalog(settings.catalog, settings.data) as catalog:
        if rotate:
            catalog.secrets.rotate(kept_s)
        secret = catalog.secrets.live()[0]
        write_lines([signed_url(url, secret, until) for url in urls or ()])
