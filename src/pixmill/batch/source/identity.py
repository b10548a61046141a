"""Tells whether an input is still the one a run began with.

The cost does not grow with the size of a file.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.batch.source.entry import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable

_ENDS_BYTES = 1 << 20


def file_identity(path: str, name: str) -> dict[str, object]:
    """Give the size of a file and the SHA-256 of its first and last MiB; raises InputError."""
    try:
        with Path(path).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            digest = hashlib.sha256(file.read(_ENDS_BYTES))
            file.seek(max(_ENDS_BYTES, size - _ENDS_BYTES))
            digest.update(file.read(_ENDS_BYTES))
    except OSError as cause:
        raise unreadable(name, cause) from cause
    return {"bytes": size, "sha256_of_ends": digest.hexdigest()}


@dataclass(frozen=True, slots=True)
class Listing:
    """How many files there are, the sum of their sizes, and a digest of all told of them."""

    files: int
    size_bytes: int
    sha256: str

    def identity(self) -> dict[str, object]:
        """Give the listing in JSON types."""
        return {"files": self.files, "bytes": self.size_bytes, "sha256_of_listing": self.sha256}


def list_digest(files: Iterable[tuple[bytes, int, int]]) -> Listing:
    """Digest the path, size in bytes and time of change in ns of each file, in the order given."""
    digest = hashlib.sha256()
    count = total = 0
    for path, size, mtime_ns in files:
        digest.update(b"%s\0%d %d\n" % (path, size, mtime_ns))
        count += 1
        total += size
    return Listing(count, total, digest.hexdigest())
