"""Defects of pixmill to Sentry: what went wrong that nobody expected. Needs the `sentry` extra.

Owns what counts as one, and that nothing of anybody's is sent with it. What can be expected is in
the tree of `errors.py`: bad images, URLs that do not answer, stores that are away are none. An
event holds the kinds of the exceptions, their texts without secrets, where in the code they came
from, and which job or request it was: no values of variables, no request, no header, no body. Of
URLs scheme and host are left, since a path may hold a token and a query a signature.

The client is our own: it hooks into no library, and hears of nothing but what it is told here.
"""

from __future__ import annotations

import os
import re
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pixmill import __version__
from pixmill.errors import InternalError, MissingExtra, PixmillError, UsageError
from pixmill.telemetry.traces import job_at_hand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixmill.settings import Settings

CLOSE_S = 3.0
_MOST_A_MINUTE = 30
_MOST_CHARS = 1000
_TAGS = ("request_id", "job")
_HIDDEN = "***"
_URL = re.compile(r"(\w[\w+.-]*://)([^\s\"']*)")
_SECRETS = (
    # The values of a statement, as SQLAlchemy tells them, and all behind them.
    (re.compile(r"\[parameters: .*", re.DOTALL), f"[parameters: {_HIDDEN}]"),
    # What was asked of a path.
    (re.compile(r"\?[^\s\"']*=[^\s\"']*"), f"?{_HIDDEN}"),
    (re.compile(r"\b(Basic|Bearer) +[\w+/=.~-]+", re.IGNORECASE), rf"\1 {_HIDDEN}"),
    (re.compile(r"(pm_[a-z0-9]{8}_|whsec_)[\w+/=-]+"), rf"\1{_HIDDEN}"),
)


def is_defect(error: BaseException) -> bool:
    """Whether an error is none that can be expected."""
    if isinstance(error, PixmillError):
        return isinstance(error, InternalError)
    return isinstance(error, Exception)


def without_secrets(text: str) -> str:
    """Take out of a text what its owner alone may know: keys, and of URLs all but the host."""
    text = _URL.sub(_origin, text)
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text if len(text) <= _MOST_CHARS else f"{text[: _MOST_CHARS - 1]}…"


def _origin(url: re.Match[str]) -> str:
    """Leave scheme and host of a URL, and no host where a password may have a slash in it."""
    scheme, rest = url.groups()
    before, _, behind = rest.rpartition("@")
    host = re.split(r"[/?#]", behind)[0]
    return f"{scheme}…" if "/" in before else f"{scheme}{host}/…"


class Defects:
    """Reports what it is told; without a client it does nothing. Any thread may tell it."""

    def __init__(
        self, client: Any = None, service: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._service = service
        self._clock = clock
        self._lock = threading.Lock()
        self._minute_began, self._reported = -60.0, 0

    def report(self, error: BaseException, what: str, **facts: object) -> None:
        """Report an error if it is a defect; `what` is what the log says of it.

        Of `facts` the ids alone are told: `request_id`, and `job`, if not that at hand.
        """
        if self._client is None or not is_defect(error) or not self._has_room():
            return
        from sentry_sdk.utils import event_from_exception  # noqa: PLC0415  the extra

        event, hint = event_from_exception(error, client_options=self._client.options)
        facts = {"job": job_at_hand(), **facts}
        tags = {name: str(facts[name]) for name in _TAGS if facts.get(name)}
        event["tags"] = {"service": self._service, **tags}
        event["transaction"] = without_secrets(what)
        self._client.capture_event(event, hint)

    def _has_room(self) -> bool:
        """Count a report; a defect in a loop is told often enough."""
        with self._lock:
            now = self._clock()
            if now - self._minute_began >= 60:
                self._minute_began, self._reported = now, 0
            self._reported += 1
            return self._reported <= _MOST_A_MINUTE


@contextmanager
def defects_reported(settings: Settings, service: str) -> Iterator[Defects]:
    """Report defects meanwhile, if the settings or SENTRY_DSN say where to.

    Also what ends a thread, and what leaves the context itself. Raises MissingExtra and UsageError.
    """
    secret = settings.sentry_dsn
    dsn = secret.get_secret_value() if secret else os.environ.get("SENTRY_DSN")
    if not dsn:
        yield Defects()
        return
    client = _client(dsn)
    defects = Defects(client, service)
    before = threading.excepthook

    def thread_ended(ended: threading.ExceptHookArgs) -> None:
        if ended.exc_value is not None:
            defects.report(ended.exc_value, "a thread ended by a defect")
        before(ended)

    threading.excepthook = thread_ended
    try:
        yield defects
    except Exception as error:
        defects.report(error, "the process ended by a defect")
        raise
    finally:
        threading.excepthook = before
        client.close(timeout=CLOSE_S)


def _client(dsn: str) -> Any:
    try:
        import sentry_sdk  # noqa: PLC0415  the extra
        from sentry_sdk.utils import BadDsn  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sentry_sdk":
            raise
        raise MissingExtra(
            "reporting defects, which a DSN of Sentry asks for,", "sentry"
        ) from error
    try:
        return sentry_sdk.Client(
            dsn=dsn,
            release=os.environ.get("SENTRY_RELEASE") or f"pixmill@{__version__}",
            default_integrations=False,
            auto_enabling_integrations=False,
            # send_default_pii is off by default, and deprecated where it is named
            include_local_variables=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            auto_session_tracking=False,
            send_client_reports=False,
            shutdown_timeout=CLOSE_S,
            before_send=_scrubbed,
        )
    except BadDsn:
        raise UsageError("PIXMILL_SENTRY_DSN or SENTRY_DSN: this is no DSN of Sentry") from None


def _scrubbed(event: Any, _: Any) -> Any:
    """Take secrets out of the texts of exceptions, and out what tells of the machine's user."""
    for value in (event.get("exception") or {}).get("values", ()):
        if value.get("value"):
            value["value"] = without_secrets(str(value["value"]))
    for name in ("request", "user", "extra", "breadcrumbs", "modules"):
        event.pop(name, None)
    return event
