"""Signing in and out with a browser: by a key, or by the one-time link of the first start."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pixmill.web.auth import (
    COOKIE,
    SESSION_S,
    csrf_token,
    end_session,
    set_session,
)
from pixmill.web.errors import ApiError
from pixmill.web.gate import check_token
from pixmill.web.services import Parts, Services, caller_of

if TYPE_CHECKING:
    from pixmill.store import Key

router = APIRouter(include_in_schema=False)
_FORM_COOKIE = "pixmill_form"
_FORM_S = 3600
Text = Annotated[str, Form(max_length=1024)]


@router.get("/sign-in")
async def sign_in_page(
    request: Request,
    parts: Parts,
    next: Annotated[str, Query(max_length=1024)] = "/",  # noqa: A002
) -> HTMLResponse:
    """Show the form."""
    return _form(request, parts, "sign_in.html", error=None, next=_own_path(next))


@router.post("/sign-in", response_model=None)
async def sign_in(
    request: Request,
    parts: Parts,
    key: Text = "",
    csrf: Annotated[str, Form(alias="csrf_token", max_length=1024)] = "",
    next: Text = "/",  # noqa: A002
) -> Response:
    """Start a session with a key."""
    path = _own_path(next)
    try:
        check_token(csrf, _form_token(request))
        found = await parts.ask_catalog(parts.catalog.keys.find, key.strip())
        if found is None:
            raise _wrong(request, parts, "There is no such key, or it was revoked")
    except ApiError as error:
        return _refused(request, parts, error, "sign_in.html", next=path)
    return await _start(request, parts, found, path)


@router.get("/sign-in/link")
async def link_page(
    request: Request, parts: Parts, code: Annotated[str, Query(max_length=1024)] = ""
) -> HTMLResponse:
    """Show the button that uses the link up; looking at it does not."""
    return _form(request, parts, "link.html", error=None, code=code)


@router.post("/sign-in/link", response_model=None)
async def use_link(
    request: Request,
    parts: Parts,
    code: Text = "",
    csrf: Annotated[str, Form(alias="csrf_token", max_length=1024)] = "",
) -> Response:
    """Start a session with a one-time link."""
    try:
        check_token(csrf, _form_token(request))
    except ApiError as error:
        return _refused(request, parts, error, "link.html", code=code)
    found = await parts.ask_catalog(parts.catalog.sessions.redeem, code)
    if found is None:
        sentence = "This link was used already, or is too old; sign in with a key"
        return _refused(request, parts, _wrong(request, parts, sentence), "sign_in.html", next="/")
    return await _start(request, parts, found, "/")


@router.post("/sign-out", response_model=None)
async def sign_out(
    request: Request,
    parts: Parts,
    csrf: Annotated[str, Form(alias="csrf_token", max_length=1024)] = "",
) -> Response:
    """End the session."""
    caller = caller_of(request)
    answer = RedirectResponse("/sign-in", status_code=303)
    if caller.session:
        check_token(csrf, caller.csrf_token)
        await parts.ask_catalog(parts.catalog.sessions.end, caller.session)
        parts.credentials.forget_all()
        end_session(answer, secure=_is_secure(request))
    return answer


async def _start(request: Request, parts: Services, key: Key, path: str) -> Response:
    if (old := request.cookies.get(COOKIE)) is not None:
        await parts.ask_catalog(parts.catalog.sessions.end, old)
    token = await parts.ask_catalog(parts.catalog.sessions.start, key.id, SESSION_S)
    answer = RedirectResponse(path, status_code=303)
    set_session(answer, token, secure=_is_secure(request))
    answer.delete_cookie(_FORM_COOKIE, httponly=True, samesite="strict")
    return answer


def _wrong(request: Request, parts: Services, sentence: str) -> ApiError:
    """Return what to tell of a wrong key or link: the sentence, or 429 after too many."""
    try:
        parts.quotas.failed_sign_in(_address(request))
    except ApiError as error:
        return error
    return ApiError(401, "unauthorized", sentence)


def _refused(
    request: Request, parts: Services, error: ApiError, template: str, **values: object
) -> HTMLResponse:
    """Show the form again, with what was wrong: whoever sent it looks at a page, not at JSON."""
    sentence = "; ".join(error.errors)
    page = _form(request, parts, template, error.status, error=sentence, **values)
    page.headers.update(error.headers)
    return page


def _form(
    request: Request, parts: Services, template: str, status_code: int = 200, **values: object
) -> HTMLResponse:
    """Answer with a form; its token belongs to a cookie, so that no foreign page can send it."""
    secret = request.cookies.get(_FORM_COOKIE) or secrets.token_urlsafe(32)
    page = parts.pages.render(template, status_code, csrf_token=csrf_token(secret), **values)
    page.set_cookie(
        _FORM_COOKIE,
        secret,
        max_age=_FORM_S,
        httponly=True,
        samesite="strict",
        secure=_is_secure(request),
    )
    return page


def _form_token(request: Request) -> str:
    secret = request.cookies.get(_FORM_COOKIE)
    return csrf_token(secret) if secret else ""


def _own_path(path: str) -> str:
    """Return a path of ours, whatever was asked for: never another site."""
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if plain and "\\" not in path else "/"


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"
