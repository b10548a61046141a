"""Signed URLs and webhooks: what only who has the secret can have made.

Pure: no I/O. The signature of a URL, good for a time or for good, is HMAC-SHA256 (RFC 2104) over
the path and the query's fields in order of their names and values, `expires` among them, without
`signature` itself, in the form that URLs take, base64url without padding (RFC 4648, section 5).
Webhooks are signed as Standard Webhooks 1.0 has it (https://www.standardwebhooks.com).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import re
from operator import itemgetter
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from pixmill.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EXPIRES, SIGNATURE = "expires", "signature"
_SHOWN = re.compile(r"/image/[^/]+|/images/[^/]+/(?:original|render)|/render")
_MOST_FIELDS = 100
_SECONDS = re.compile(r"[0-9]{1,12}")

Fields = list[tuple[str, str]]
Headers = dict[str, str]


def signed_url(url: str, secret: bytes, expires: int | None = None) -> str:
    """Return a URL, or its path and query, with a signature, good until `expires`.

    That is in seconds since 1970; None is for good. A signature that the URL has is replaced.
    Raises as `check_url` does.
    """
    check_url(url)
    parts = urlsplit(url)
    given = parse_qsl(parts.query, keep_blank_values=True)
    fields = [(name, value) for name, value in given if name not in {EXPIRES, SIGNATURE}]
    if expires is not None:
        fields.append((EXPIRES, str(expires)))
    fields.append((SIGNATURE, signature_of(parts.path, fields, secret)))
    return urlunsplit(parts._replace(query=urlencode(fields, quote_via=quote), fragment=""))


def check_url(url: str) -> None:
    """Raise UsageError for what has no path to be signed, or is no text."""
    try:
        path = urlsplit(url).path
        url.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"a URL to sign is UTF-8, not {url[:80]!a}") from error
    except ValueError:  # as of a host with one bracket
        path = ""
    if not path.startswith("/"):
        raise UsageError(f"a URL to sign has a path: /image/MD5, not {url[:80]!a}")


def opens(path: str) -> bool:
    """Whether a service shows what is at a path to whoever comes by a signed URL."""
    return _SHOWN.fullmatch(path) is not None


def signature_of(path: str, fields: Fields, secret: bytes) -> str:
    """Make the signature of a path and the fields of its query, whatever their order.

    But fields of one name count in theirs: it is the order of operations.
    """
    told = urlencode(sorted(fields, key=itemgetter(0)), quote_via=quote)
    code = hmac.new(secret, f"{path}?{told}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(code).rstrip(b"=").decode()


def is_signed(query: str) -> bool:
    """Whether a query claims to be signed."""
    return f"{SIGNATURE}=" in query


def good_for_s(path: str, query: str, secrets: Iterable[bytes], now: float) -> float:
    """Tell for how many seconds from `now` on the one signature of a query is good.

    Infinity is for good; 0 where it is expired, of none of the secrets, or there are two.
    """
    try:
        given = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return 0.0
    signatures = _values(given, SIGNATURE)
    ends = _values(given, EXPIRES)
    if len(signatures) != 1 or len(ends) > 1 or not all(map(_SECONDS.fullmatch, ends)):
        return 0.0
    left = int(ends[0]) - now if ends else math.inf
    fields = [(name, value) for name, value in given if name != SIGNATURE]
    signature = signatures[0].encode("utf-8", "surrogatepass")
    is_good = any(
        hmac.compare_digest(signature, signature_of(path, fields, secret).encode())
        for secret in secrets
    )
    return max(0.0, left) if is_good else 0.0


def webhook_headers(id_: str, timestamp: int, body: bytes, secrets: Iterable[bytes]) -> Headers:
    """Make the headers that tell a webhook's body to be ours, by a signature of each secret.

    `id_` has no dot and is the same for each attempt, `timestamp` is in seconds since 1970.
    """
    message = f"{id_}.{timestamp}.".encode() + body
    codes = (hmac.new(secret, message, hashlib.sha256).digest() for secret in secrets)
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(code).decode()}" for code in codes),
    }


def webhook_secret_text(secret: bytes) -> str:
    """Write a secret in the form in which receivers are given it."""
    return f"whsec_{base64.b64encode(secret).decode()}"


def _values(fields: Fields, name: str) -> Sequence[str]:
    return [value for known, value in fields if known == name]
