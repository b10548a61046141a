"""Who may look by a signed URL, without a key: which paths, which signatures, which caches."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from pixmill.batch.once import Once
from pixmill.signing import good_for_s, is_signed, opens

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import Scope

    from pixmill.store import Catalog
    from pixmill.web.store_calls import StoreCalls

SIGNED_FOR_S = "signed_for_s"  # in the scope's `state`: how long the URL of a request is good
_BELIEVED_S = 5.0
_YEAR_S = 365 * 86_400  # as long as caches are ever told (RFC 9111, section 5.3)


class Signatures:
    """Checks signatures with the catalog's secrets, which it asks for every five seconds at most.

    For one event loop. `clock` tells seconds since 1970.
    """

    def __init__(
        self, catalog: Catalog, ask: StoreCalls, clock: Callable[[], float] = time.time
    ) -> None:
        self._catalog = catalog
        self._ask = ask
        self._clock = clock
        self._secrets: list[bytes] = []
        self._looks: Once[list[bytes]] = Once(0, lambda secrets: secrets)
        self._believed_until = 0.0

    def are_claimed(self, scope: Scope) -> bool:
        """Whether a request is one that may come by a signed URL, and claims to."""
        return (
            scope["method"] in {"GET", "HEAD"} and opens(scope["path"]) and is_signed(_query(scope))
        )

    async def good_for_s(self, scope: Scope) -> float:
        """Tell for how many seconds the signature is good, 0 where it is not.

        Raises OutputError where the catalog can not be used.
        """
        now = self._clock()
        if now >= self._believed_until or now < self._believed_until - _BELIEVED_S:
            # One look for all who ask meanwhile, as for keys.
            look = partial(self._ask, self._catalog.secrets.live)
            self._secrets = await self._looks.get(None, look)
            self._believed_until = now + _BELIEVED_S
        return good_for_s(scope["path"], _query(scope), self._secrets, now)


def keeping(request: Request) -> str:
    """Tell caches how to keep what an MD5 names, which never changes: anybody's, if it is signed.

    Whoever asks with a key may lose it, so the service is asked again.
    """
    good_for_s = request.scope["state"].get(SIGNED_FOR_S)
    if good_for_s is None:
        return "private, no-cache"
    return f"public, max-age={int(min(good_for_s, _YEAR_S))}, immutable"


def keeping_of_source(request: Request, fresh_s: float) -> str:
    """Tell caches how to keep what a URL leads to, which is fresh for `fresh_s` seconds."""
    good_for_s = request.scope["state"].get(SIGNED_FOR_S)
    if good_for_s is None:
        return "private, no-cache"
    age = int(min(good_for_s, fresh_s, _YEAR_S))
    return f"public, max-age={age}" if age > 0 else "public, no-cache"


def _query(scope: Scope) -> str:
    query: bytes = scope.get("query_string", b"")
    return query.decode("latin-1")
