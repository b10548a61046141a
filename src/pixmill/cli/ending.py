"""How a command ends: its exit codes, and the last words of a run that can not go on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pixmill.cli.voice import open_voice
from pixmill.errors import RunError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

EXIT_FATAL = 1
EXIT_SOME_FAILED = 1
EXIT_USAGE = 2
EXIT_SOME_MISSED = 3
EXIT_INTERRUPTED = 130


@contextmanager
def ended_by_errors(log_format: str = "text") -> Iterator[None]:
    """Turn a RunError into its sentence, in the form of the setting `log_format`, and an exit."""
    try:
        yield
    except RunError as error:
        open_voice(log_format).fatal(error)
        raise SystemExit(EXIT_USAGE if isinstance(error, UsageError) else EXIT_FATAL) from error
