"""Digests of a file's bytes: its public name (MD5) and the key that tells repeats apart."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmap import mmap


def md5_hex(data: bytes | memoryview | mmap) -> str:
    """MD5 of the bytes, 32 lower-case hex digits. A name, not a safeguard."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def sha256_digest(data: bytes | memoryview | mmap) -> bytes:
    """SHA-256 of the bytes, 32 bytes: equal only for equal files."""
    return hashlib.sha256(data, usedforsecurity=False).digest()
