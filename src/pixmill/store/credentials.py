"""Secrets: how keys and tokens look, and what is kept of them.

A key is `pm_`, eight characters that may be shown, `_` and 256 random bits; a token is 256 random
bits. Of either only the SHA-256 is kept: a secret of that many bits needs no slow hash, since it
can not be guessed from its digest (NIST SP 800-63B, section 5.1.2.2). Where they are kept is left
to the adapters.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string

_SECRET_BYTES = 32
_PREFIX_CHARS = 8
_PREFIX_ALPHABET = string.ascii_lowercase + string.digits
_KEY = re.compile(r"pm_([a-z0-9]{8})_[A-Za-z0-9_-]{43}")
_SHOWN = re.compile(r"(?:pm_)?([a-z0-9]{8})")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def make_key() -> tuple[str, str]:
    """Make the prefix and the whole text of a new key."""
    prefix = "".join(secrets.choice(_PREFIX_ALPHABET) for _ in range(_PREFIX_CHARS))
    return prefix, f"pm_{prefix}_{make_token()}"


def make_token() -> str:
    """Make 256 random bits, as 43 characters that are fit for URLs and cookies."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def prefix_of(text: str) -> str | None:
    """Return the prefix of a key's whole text; None where the text is no key's."""
    found = _KEY.fullmatch(text)
    return found[1] if found else None


def prefix_in(text: str) -> str | None:
    """Return the prefix that stands alone, after `pm_`, or in a key's whole text; else None."""
    found = _SHOWN.fullmatch(text) or _KEY.fullmatch(text)
    return found[1] if found else None


def is_token(text: str) -> bool:
    """Whether a text looks as a token does."""
    return _TOKEN.fullmatch(text) is not None


def digest(text: str) -> bytes:
    """Return what is kept of a secret, its SHA-256 of 32 bytes."""
    return hashlib.sha256(text.encode()).digest()
