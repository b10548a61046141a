"""`pixmill keys`: who may use the service, and by what webhooks are known to be its own."""

from __future__ import annotations

import json as json_module
from typing import TYPE_CHECKING, Annotated

import typer

from pixmill.cli.spans import seconds_of
from pixmill.cli.standard_output import write_lines
from pixmill.cli.terminal import printable
from pixmill.errors import RunError
from pixmill.settings import load_settings

if TYPE_CHECKING:
    from datetime import datetime

    from pixmill.store import Key

_MATCH = "'{url}/colours/match?url=https://example.org/picture.jpg'"
_SAMPLES = {  # by scope: what curl is given to ask for
    "admin": _MATCH,
    "match": _MATCH,
    "read": "{url}/images",
    "write": "-F image=@picture.jpg {url}/images",
    "jobs": "{url}/jobs",
    "metrics": "{url}/metrics",
}

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke the keys of the service.")


@keys.command()
def create(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Letters, digits, dots, dashes and _.", show_default=False
        ),
    ],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            metavar="SCOPE",
            help="read, match, write, jobs, metrics or admin (repeatable) "
            r"\[default: read match write jobs]",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", metavar="", help="Print the key alone.", show_default=False)
    ] = False,
) -> None:
    """Make a key and print it: this once, since only a digest is kept."""
    from pixmill.store import DEFAULT_SCOPES, open_catalog  # noqa: PLC0415  help needs none of it

    settings = load_settings()
    with open_catalog(settings.catalog, settings.data) as catalog:
        key, text = catalog.keys.add(name, scope or DEFAULT_SCOPES)
        try:
            write_lines([text] if quiet else _introduction(key, text, settings.port))
        except BaseException:
            catalog.keys.revoke(text)  # nobody has seen it, and the name is free again
            raise


@keys.command("list")
def list_keys(
    json: Annotated[
        bool, typer.Option("--json", metavar="", help="One JSON array.", show_default=False)
    ] = False,
) -> None:
    """List the keys, also revoked ones, without their secrets."""
    found = _all_keys()
    if json:
        write_lines([json_module.dumps([_plain(key) for key in found], indent=1)])
        return
    rows = [("name", "prefix", "scopes", "made", "revoked"), *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = (
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    write_lines(line.rstrip() for line in padded)


@keys.command()
def revoke(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|PREFIX", help="As `pixmill keys list` has them.", show_default=False
        ),
    ],
) -> None:
    """Revoke a key, within five seconds, and end the sessions that were started by it."""
    from pixmill.store import catalog_stands, open_catalog  # noqa: PLC0415

    settings = load_settings()
    gone: Key | None = None
    if catalog_stands(settings.catalog, settings.data):
        with open_catalog(settings.catalog, settings.data) as catalog:
            gone = catalog.keys.revoke(name)
    if gone is None:
        # Not the text itself, which may be a whole key.
        raise RunError("there is no live key of that name or prefix; `pixmill keys list` has them")
    write_lines([f"revoked {printable(gone.name)} (pm_{gone.prefix})"])


@keys.command("webhook-secret")
def webhook_secret(
    rotate: Annotated[
        bool,
        typer.Option("--rotate", metavar="", help="Make a new secret first.", show_default=False),
    ] = False,
    keep_old: Annotated[
        str,
        typer.Option(
            "--keep-old", metavar="SPAN", help="With --rotate: how long old ones sign as well."
        ),
    ] = "7d",
) -> None:
    """Print the secret that webhooks are signed with, for those who receive them."""
    from pixmill.signing import webhook_secret_text  # noqa: PLC0415  help needs none of it
    from pixmill.store import open_catalog  # noqa: PLC0415

    kept_s = seconds_of(keep_old, "--keep-old")
    settings = load_settings()
    with open_catalog(settings.catalog, settings.data) as catalog:
        if rotate:
            catalog.webhook_secrets.rotate(kept_s)
        write_lines([webhook_secret_text(catalog.webhook_secrets.live()[0])])


def scopes_in_order(key: Key) -> list[str]:
    """Return the scopes of a key, the least powerful first."""
    from pixmill.store import SCOPES  # noqa: PLC0415

    return [scope for scope in SCOPES if scope in key.scopes]


def _introduction(key: Key, text: str, port: int) -> list[str]:
    scopes = scopes_in_order(key)
    url = f"http://127.0.0.1:{port or 'PORT'}"  # a port of 0 is one that the service will choose
    sample = next(words for scope, words in _SAMPLES.items() if scope in scopes)
    return [
        f"The key {key.name} ({' '.join(scopes)}); it is shown only now:",
        "",
        f"  {text}",
        "",
        "While `pixmill serve` runs:",
        "",
        f"  curl -u {key.name}:{text} {sample.format(url=url)}",
    ]


def _all_keys() -> list[Key]:
    from pixmill.store import catalog_stands, open_catalog  # noqa: PLC0415

    settings = load_settings()
    if not catalog_stands(settings.catalog, settings.data):
        return []
    with open_catalog(settings.catalog, settings.data) as catalog:
        return catalog.keys.all()


def _row(key: Key) -> tuple[str, ...]:
    made, revoked = (f"{_time(at):.10}" if at else "" for at in (key.created_at, key.revoked_at))
    scopes = " ".join(scopes_in_order(key))
    return (printable(key.name), f"pm_{printable(key.prefix)}", scopes, made, revoked)


def _plain(key: Key) -> dict[str, object]:
    return {
        "name": key.name,
        "prefix": key.prefix,
        "scopes": scopes_in_order(key),
        "created_at": _time(key.created_at),
        "revoked_at": _time(key.revoked_at) if key.revoked_at else None,
    }


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
