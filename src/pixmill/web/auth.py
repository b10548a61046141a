"""Who is asking: a key by Basic or Bearer, or a browser's session.

Owns the reading of credentials, the cookie of sessions and the tokens of forms. What keys are is
the catalog's matter, which requests need one is `gate.py`'s.

A key that was found is believed for a few seconds without asking the catalog again, so a revoked
one ends that much later.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.batch.once import Once

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response

    from pixmill.store import Catalog, Key
    from pixmill.web.store_calls import StoreCalls

COOKIE = "pixmill_session"
SESSION_S = 7 * 86_400.0
BELIEVED_S = 5.0
_MOST_BELIEVED = 4096
_MOST_CHARS = 1024


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the key, and the session's token where it is a page that asks."""

    key: Key
    session: str | None = None

    @property
    def csrf_token(self) -> str:
        """What forms of this session carry; empty without one."""
        return csrf_token(self.session) if self.session else ""


def csrf_token(secret: str) -> str:
    """Derive what a form carries from a secret that only the cookie tells."""
    return hmac.new(secret.encode(), b"form", hashlib.sha256).hexdigest()


class Credentials:
    """Finds callers in the catalog; for one event loop. `clock` tells seconds from any start."""

    def __init__(
        self, catalog: Catalog, ask: StoreCalls, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._catalog = catalog
        self._ask = ask
        self._clock = clock
        self.forget_all()

    async def find(self, authorization: str | None, cookie: str | None) -> Caller | None:
        """Find who asks, by the Authorization header if there is one, else by the cookie.

        None where neither tells of a live key. Raises OutputError where the catalog can not be
        asked, ApiError 503 where it does not answer.
        """
        if authorization is not None:
            return await self._remembered("key", authorization, self._by_header)
        if cookie is not None:
            return await self._remembered("session", cookie, self._by_session)
        return None

    def forget_all(self) -> None:
        """Believe nothing any more, nor what is being looked up, as after a sign-out."""
        self._believed: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()
        # One look for all who ask meanwhile: a crowd would take all threads of the catalog whenever
        # its key had been believed for long enough.
        self._looks: Once[Caller | None] = Once(0, lambda caller: caller)

    async def _remembered(
        self, kind: str, text: str, find: Callable[[str], Caller | None]
    ) -> Caller | None:
        if len(text) > _MOST_CHARS:
            return None
        # Secrets themselves are not kept in memory for longer than their request.
        place = hashlib.sha256(f"{kind} {text}".encode("utf-8", "surrogateescape")).digest()
        until, caller = self._believed.get(place, (0.0, None))
        if caller is not None and self._clock() < until:
            return caller
        believed = self._believed

        async def look() -> Caller | None:
            found = await self._ask(find, text)
            believed.pop(place, None)
            if found is not None:
                believed[place] = (self._clock() + BELIEVED_S, found)
                if len(believed) > _MOST_BELIEVED:
                    believed.popitem(last=False)
            return found

        return await self._looks.get(place, look)

    def _by_header(self, header: str) -> Caller | None:
        name, text = _named_key(header)
        key = self._catalog.keys.find(text) if text else None
        if key is None or (name is not None and name != key.name):
            return None
        return Caller(key)

    def _by_session(self, token: str) -> Caller | None:
        key = self._catalog.sessions.find(token)
        return Caller(key, token) if key else None


def _named_key(header: str) -> tuple[str | None, str]:
    """Read `Basic name:key` or `Bearer key`; an empty key where it is neither (RFC 7617, 6750)."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() == "bearer":
        return None, rest.strip()
    if scheme.lower() != "basic":
        return None, ""
    try:
        name, colon, key = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None, ""
    return name, key if colon else ""


def set_session(response: Response, token: str, *, secure: bool) -> None:
    """Give a browser its session."""
    response.set_cookie(
        COOKIE, token, max_age=int(SESSION_S), httponly=True, samesite="strict", secure=secure
    )


def end_session(response: Response, *, secure: bool) -> None:
    """Take a browser's session away."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=secure)
