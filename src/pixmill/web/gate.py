"""The gate before all routes: nobody passes without a key but to the few open paths.

Owns which paths are open, quotas' place in the order of things, 401 and the way to the sign-in
page, and that a page's own requests carry the token of its session. Whether a key's scopes suffice
is asked by the routes.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse

from pixmill.errors import OutputError
from pixmill.web.armor import KEY_NAME
from pixmill.web.auth import COOKIE
from pixmill.web.errors import ApiError, overloaded
from pixmill.web.signatures import SIGNED_FOR_S

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from pixmill.web.auth import Caller, Credentials
    from pixmill.web.quotas import Quota, Quotas
    from pixmill.web.signatures import Signatures

CALLER = "caller"
CSRF_HEADER = "x-csrf-token"
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/sign-in", "/sign-in/link"})
_OPEN_FOLDER = "/static/"  # what the sign-in page is drawn with
_RETRY_AFTER_S = 10
_LONGEST_NEXT = 1000  # the sign-in page takes a little more
# Where programs ask: they are told 401, whatever they accept; a browser then asks for a name.
_API = (
    "/colours/",
    "/colors/",
    "/image/",
    "/images",
    "/render",
    "/palettes",
    "/metrics",
    "/openapi.json",
)
_PUBLIC_PATH, _PUBLIC_FOLDER = "/monitoring", "/image/"  # where `public_read` is set
_PROBES = frozenset({"/healthz", "/readyz"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# These check the token themselves, which their forms send as a field.
_FORMS = frozenset({"/sign-out"})


class Gate:
    """ASGI middleware; what it raises is answered by `armor.Armor` around it."""

    def __init__(
        self,
        app: ASGIApp,
        credentials: Credentials,
        signatures: Signatures,
        quotas: Quotas,
        *,
        public_read: bool = False,
    ) -> None:
        self._app = app
        self._credentials = credentials
        self._signatures = signatures
        self._quotas = quotas
        self._public_read = public_read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or raise ApiError 401, 403 or 429."""
        if scope["type"] != "http" or _is_uncounted(scope["path"]):
            await self._app(scope, receive, send)
            return
        address = scope["client"][0] if scope.get("client") else "unknown"
        quota = self._quotas.spend("address", address)
        headers = Headers(scope=scope)
        path = scope["path"]
        if path not in OPEN_PATHS:
            caller = await self._caller(headers, address)
            if caller is not None:
                scope["state"][CALLER] = caller
                scope["state"][KEY_NAME] = caller.key.name
                quota = self._quotas.spend("key", caller.key.prefix)
                _check_site(scope, headers, caller)
                _check_form_token(scope, headers, caller)
            elif not (await self._is_signed(scope) or self._is_public(scope)):
                await self._turn_away(scope, headers, receive, send)
                return
        try:
            await self._app(scope, receive, _with_quota(send, quota))
        except ApiError as error:  # `Armor` answers, which knows of no quota
            error.headers = {**quota.headers(), **error.headers}
            raise

    async def _is_signed(self, scope: Scope) -> bool:
        """Tell whether a URL's signature lets anybody in; ApiError 403 for one that is not good."""
        if not self._signatures.are_claimed(scope):
            return False
        try:
            good_for_s = await self._signatures.good_for_s(scope)
        except OutputError as error:
            raise _no_lookup("Signatures") from error
        if good_for_s <= 0:
            raise ApiError(403, "forbidden", "The URL's signature is not good, or no longer")
        scope["state"][SIGNED_FOR_S] = good_for_s
        return True

    def _is_public(self, scope: Scope) -> bool:
        path = scope["path"]
        is_open = path == _PUBLIC_PATH or path.startswith(_PUBLIC_FOLDER)
        return self._public_read and is_open and scope["method"] in _SAFE

    async def _caller(self, headers: Headers, address: str) -> Caller | None:
        authorization = headers.get("authorization")
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE)
        if authorization is None and cookie is None:
            return None
        try:
            caller = await self._credentials.find(authorization, cookie)
        except OutputError as error:
            raise _no_lookup("Keys") from error
        if caller is None and authorization is not None:
            # Only now: somebody else's failures behind the same address lock nobody out.
            self._quotas.failed_sign_in(address)
        return caller

    async def _turn_away(
        self, scope: Scope, headers: Headers, receive: Receive, send: Send
    ) -> None:
        is_form = scope["path"] in _FORMS
        is_page = scope["method"] == "GET" and not scope["path"].startswith(_API)
        by_script = CSRF_HEADER in headers
        wants_page = "text/html" in headers.get("accept", "") and not by_script
        if wants_page and (is_page or is_form):
            path = "/" if is_form else scope["path"]
            query = scope.get("query_string", b"").decode("latin-1")
            back = quote(f"{path}?{query}" if query and not is_form else path)
            if len(back) > _LONGEST_NEXT:
                back = quote(path)
            answer = RedirectResponse(f"/sign-in?next={back}", status_code=303)
            await answer(scope, receive, send)
            return
        raise unauthorized(by_script=by_script or "sec-fetch-dest" in headers)


def _no_lookup(what: str) -> ApiError:
    return overloaded(f"{what} can not be looked up just now", retry_after_s=_RETRY_AFTER_S)


def _is_uncounted(path: str) -> bool:
    return path in _PROBES or path.startswith(_OPEN_FOLDER)


def unauthorized(*, by_script: bool = False) -> ApiError:
    """Ask for credentials; a browser's script in words that open no dialog of the browser."""
    challenge = "Bearer" if by_script else "Basic"
    return ApiError(
        401,
        "unauthorized",
        "Authentication credentials were not provided.",
        headers={"WWW-Authenticate": f'{challenge} realm="pixmill", charset="UTF-8"'},
    )


def check_token(given: str, expected: str) -> None:
    """Raise ApiError 403 unless a form carries the token that belongs to its page."""
    if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        raise ApiError(403, "forbidden", "This page is out of date; load it again")


def _check_form_token(scope: Scope, headers: Headers, caller: Caller) -> None:
    """Refuse what a foreign page may have made a browser send."""
    if caller.session and scope["method"] not in _SAFE and scope["path"] not in _FORMS:
        check_token(headers.get(CSRF_HEADER, ""), caller.csrf_token)


def _check_site(scope: Scope, headers: Headers, caller: Caller) -> None:
    """Refuse what a foreign page made a browser send with the name and key that it remembers.

    By Sec-Fetch-Site (W3C Fetch Metadata), which browsers send over TLS, else by Origin. A page of
    ours sends its token, which no foreign page can without asking first.
    """
    if caller.session or scope["method"] in _SAFE or CSRF_HEADER in headers:
        return
    if scope["path"] in _FORMS or not headers.get("authorization", "").lower().startswith("basic"):
        return  # no browser remembers another credential
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is None and origin is not None:
        site = "same-origin" if origin.partition("://")[2] == headers.get("host") else "cross-site"
    if site not in {None, "same-origin", "none"}:
        raise ApiError(403, "forbidden", "A page of another site may not ask for this")


def _with_quota(send: Send, quota: Quota) -> Send:
    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(quota.headers())
        await send(message)

    return told
