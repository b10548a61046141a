"""The headers that every answer carries, so that no page or picture of ours is used against users.

Owns their names and values; that they stand on every answer is `armor.py`'s and, before there is a
request, `protocol.py`'s. Sources: Content Security Policy Level 3, RFC 6797 (HSTS), Fetch (CORP).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Header = tuple[bytes, bytes]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

_PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer",
        "microphone", "midi", "payment", "publickey-credentials-get", "usb",
    )
)  # fmt: skip

SECURITY_HEADERS: tuple[Header, ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode("ascii")),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", _PERMISSIONS_POLICY.encode("ascii")),
)

# Half a year, and the named host alone: its other ports and its subdomains may be someone else's.
_STRICT_TRANSPORT: Header = (b"strict-transport-security", b"max-age=15552000")
_NO_STORE: Header = (b"cache-control", b"no-store")
_OURS = frozenset({name for name, _ in SECURITY_HEADERS} | {_STRICT_TRANSPORT[0], b"server"})


def secured(headers: Iterable[Header], *, https: bool) -> list[Header]:
    """Return an answer's headers with the security headers in them.

    What a route set of those is replaced, but for Cache-Control, which is `no-store` without one.
    """
    kept = [(name, value) for name, value in headers if name.lower() not in _OURS]
    kept += SECURITY_HEADERS
    if not any(name.lower() == b"cache-control" for name, _ in kept):
        kept.append(_NO_STORE)
    if https:
        kept.append(_STRICT_TRANSPORT)
    return kept
