"""The commands, brought together under one name."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pixmill import __version__
from pixmill.cli.backup import backup, restore
from pixmill.cli.chains import CommandWithOperations
from pixmill.cli.colors import colors
from pixmill.cli.demo import demo
from pixmill.cli.doctor import doctor
from pixmill.cli.ending import EXIT_FATAL, EXIT_INTERRUPTED, ended_by_errors
from pixmill.cli.ingest import ingest
from pixmill.cli.jobs import jobs
from pixmill.cli.keys import keys
from pixmill.cli.match import match
from pixmill.cli.migrate import migrate
from pixmill.cli.palettes import palettes
from pixmill.cli.serve import serve
from pixmill.cli.sign import sign
from pixmill.cli.transform import transform
from pixmill.cli.upload import upload
from pixmill.cli.worker import worker


class _Commands(TyperGroup):
    """Turns errors and signals into one line on standard error and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with ended_by_errors():
                return super().invoke(ctx)
        except BrokenPipeError:
            _leave_closed_pipes()
            raise SystemExit(EXIT_FATAL) from None
        except KeyboardInterrupt:
            sys.stderr.write("\ninterrupted\n")
            raise SystemExit(EXIT_INTERRUPTED) from None


def _leave_closed_pipes() -> None:
    """Keep the interpreter from flushing, at its exit, what nobody reads any more."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nothing, stream.fileno())


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(colors)
app.command()(match)
app.command()(ingest)
app.command(cls=CommandWithOperations)(transform)
app.command(cls=CommandWithOperations)(upload)
app.command()(serve)
app.command()(worker)
app.command()(demo)
app.command()(doctor)
app.command()(migrate)
app.command()(backup)
app.command()(restore)
app.command()(sign)
app.add_typer(jobs, name="jobs")
app.add_typer(keys, name="keys")
app.add_typer(palettes, name="palettes")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pixmill {__version__}")
        raise typer.Exit


@app.callback()
def pixmill(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Colors, fingerprints and normalized versions of images, from ten to a billion."""
