"""The key that a command sends to a service: from a file, the environment or a flag.

It is never part of a message.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from pixmill.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE = "PIXMILL_KEY"
_KEY = re.compile(r"[!-~]{1,500}")
_MOST_FILE_BYTES = 4096


def read_key(key: str | None, file: Path | None) -> str:
    """Take the key of `--key`, of `--key-file`, or of the variable. Raises UsageError."""
    if key is not None and file is not None:
        raise UsageError("--key is a key, and --key-file a file with one: give one of both")
    found = _of_file(file) if file else key or os.environ.get(VARIABLE, "")
    if not found:
        raise UsageError(f"a key is needed: --key-file FILE, or the variable {VARIABLE}")
    if not _KEY.fullmatch(found):
        raise UsageError("the key is one word, as `pixmill keys create` printed it")
    return found


def _of_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_FILE_BYTES).decode("ascii", "replace").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"--key-file {path} can not be read: {reason}") from error
    if not text:
        raise UsageError(f"--key-file {path} holds no key")
    return text
