"""The command line. This module only starts it: `--version` waits for no import."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `pixmill`, the console command."""
    if sys.argv[1:] == ["--version"]:
        from pixmill import __version__  # noqa: PLC0415

        sys.stdout.write(f"pixmill {__version__}\n")
        return
    from pixmill.cli.app import app  # noqa: PLC0415  typer and rich take a quarter of a second

    app()
