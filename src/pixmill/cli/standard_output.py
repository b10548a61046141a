"""Answers on standard output, where what can not be written is one sentence.

Owns the flush and the faults of the stream. What stands there is left to the commands, and a pipe
that was closed to `app`.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pixmill.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def write_lines(lines: Iterable[str]) -> None:
    """Write lines; characters that the stream's encoding lacks are escaped. Raises OutputError."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    with _explained():
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()


def write_bytes(data: bytes) -> None:
    """Write bytes as they are. Raises OutputError."""
    with _explained():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        # What is still held back would fail again at the interpreter's exit.
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
        raise OutputError(f"standard output can not be written: {error.strerror}") from error
