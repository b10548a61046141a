"""Digests are those of hashlib, of any buffer."""

from __future__ import annotations

import hashlib

from pixmill.imaging.digest import md5_hex, sha256_digest


def test_digests_of_any_buffer():
    data = b"picture" * 1000
    assert md5_hex(memoryview(data)) == hashlib.md5(data).hexdigest()
    assert sha256_digest(memoryview(data)) == hashlib.sha256(data).digest()
