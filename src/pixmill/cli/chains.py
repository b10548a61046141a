"""Chains of operations on the command line: read from flags or a file, and told of in help."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand

from pixmill.cli.terminal import printable
from pixmill.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixmill.imaging.operations import Chain


def read_chain(lines: Sequence[str], file: Path | None) -> Chain:
    """Read the chain of `--op` or of `--operations`; none of both is an empty one.

    Raises UsageError, which names line and word of every mistake.
    """
    from pixmill.imaging.operations import ChainError, parse_text, parse_words  # noqa: PLC0415  help of others needs none of it

    if lines and file is not None:
        raise UsageError("--op names operations, and --operations a file of them: give one of both")
    try:
        return parse_words(lines) if file is None else parse_text(_text_of(file))
    except ChainError as error:
        where = "" if file is None else f"{printable(str(file))}: "
        raise UsageError("\n".join(f"{where}{mistake}" for mistake in error.mistakes)) from error


def _text_of(path: Path) -> str:
    """Read a file, but no more than a chain's text may have, and a byte that is too many."""
    from pixmill.imaging.operations.text import MAX_TEXT_BYTES  # noqa: PLC0415

    try:
        with path.open("rb") as file:
            return file.read(MAX_TEXT_BYTES + 1).decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        raise UsageError(f"--operations {path} is no text of UTF-8") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"--operations {path} can not be read: {reason}") from error


class CommandWithOperations(TyperCommand):
    """A command whose help ends with the operations there are."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Add the table of operations at the end."""
        from pixmill.imaging.operations import OPERATIONS, PRESETS  # noqa: PLC0415

        lines = [f"{each.usage}: {each.summary}".replace("`", "") for each in OPERATIONS.values()]
        presets = ", ".join(f"preset {name}" for name in PRESETS)
        told = ["Operations, and what they take:", *lines, f"Chains with a name: {presets}"]
        self.epilog = "\n\n".join(told).replace("[", r"\[")
        super().format_help(ctx, formatter)
