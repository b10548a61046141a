"""The file that a first key is written to where nobody looks at a terminal.

Owns that it is for its owner alone, and that it holds a whole key or what it held before.
"""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from pixmill.errors import OutputError


class KeyFile:
    """A file at `path`, which is replaced by `write`; `close` leaves nothing else behind.

    Raises OutputError at once where there can be no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            # It is made with mode 0600.
            self._descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        except (OSError, ValueError) as error:
            raise self._refusal(error) from error
        self._temporary = Path(name)

    def write(self, text: str) -> None:
        """Put a key into place. Raises OutputError where there is no room for it."""
        try:
            with os.fdopen(os.dup(self._descriptor), "w", encoding="ascii") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            self._temporary.replace(self.path)
        except OSError as error:
            raise self._refusal(error) from error

    def close(self) -> None:
        """Drop what was not put into place."""
        os.close(self._descriptor)
        self._temporary.unlink(missing_ok=True)

    def _refusal(self, error: Exception) -> OutputError:
        reason = getattr(error, "strerror", None) or error
        return OutputError(f"the first key can not be written to {self.path}: {reason}")
