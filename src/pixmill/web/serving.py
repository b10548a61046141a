"""The life of a serving process: catalog, first key, server, and what is said on the way."""

from __future__ import annotations

import gc
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from pixmill.errors import OutputError
from pixmill.jobs.extra import broker_of
from pixmill.store import SCOPES, open_archive, open_catalog, where
from pixmill.telemetry.defects import defects_reported
from pixmill.telemetry.traces import traces_sent
from pixmill.web.access import Log
from pixmill.web.app import create_app
from pixmill.web.key_file import KeyFile
from pixmill.web.metrics import Metrics
from pixmill.web.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.settings import Settings
    from pixmill.store import Catalog, Key

FIRST_KEY = "first"
_LINK_S = 3600.0
# Requests leave 50 objects each in cycles. As Python has it, these are collected after 80,000
# objects, and everybody waits for a tenth of a second; here after 12,000.
_COLLECTIONS = 700, 5, 2
# A GIF of one orange pixel, so that the line works wherever it is pasted.
_DOT = r"GIF89a\1\0\1\0\200\0\0\377\245\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"


def serve_until_stopped(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `say` is given lines for whoever started it.

    Raises RunError where the service can not start.
    """
    if settings.broker is not None:
        broker_of(settings)
    with ExitStack() as stack:
        defects = stack.enter_context(defects_reported(settings, "pixmill-api"))
        metrics, log = Metrics(), Log(settings.log_format, defects=defects)
        stack.enter_context(traces_sent("pixmill-api", log.error))
        catalog = stack.enter_context(open_catalog(settings.catalog, settings.data))
        archive = stack.enter_context(open_archive(*where(settings)))
        file: KeyFile | None = None
        if settings.bootstrap_key_file is not None and not catalog.keys.all():
            # Before there is a first key, since there never is another first one.
            file = stack.enter_context(closing(KeyFile(settings.bootstrap_key_file)))
        app = create_app(settings, catalog, archive, log, metrics)
        server = Server(app, settings=settings, log=log, metrics=metrics)

        def introduce() -> None:
            lines, text = _told(catalog, server, file)
            try:
                for line in [*lines, "Ctrl-C stops it."]:
                    say(line)
            except BaseException:
                if text is not None:  # nobody has seen it
                    catalog.keys.revoke(text)
                raise
            # What stands now stands to the end: no collection needs to walk it under load, which
            # would stop all requests for as long.
            gc.collect()
            gc.freeze()
            gc.collect()  # which has the interpreter forget how much there was
            gc.set_threshold(*_COLLECTIONS)

        server.serve(introduce)


def _told(catalog: Catalog, server: Server, file: KeyFile | None) -> tuple[list[str], str | None]:
    """Tell where the service listens, and of its first key if that is new; and that key's text."""
    lines = [f"pixmill serves {' and '.join(server.urls)}"]
    made = catalog.keys.add_first(FIRST_KEY, SCOPES)
    if made is None:
        if not catalog.keys.count():
            lines.append("There is no live key: `pixmill keys create NAME` makes one.")
        return lines, None
    key, text = made
    if file is None:
        return [*lines, "", *_introduction(catalog, key, text, server.urls[0]), ""], text
    try:
        file.write(text)
    except OutputError:
        catalog.keys.revoke(text)
        raise
    return [*lines, f"Its first key is in {file.path}."], None


def _introduction(catalog: Catalog, key: Key, text: str, url: str) -> list[str]:
    code = catalog.sessions.add_link(key.id, _LINK_S)
    return [
        "This is the first start. Sign in with a browser, once and within the hour:",
        "",
        f"    {url}/sign-in/link?code={code}",
        "",
        "or ask with the first key, which is shown only now:",
        "",
        f"    printf '{_DOT}' | curl -u {key.name}:{text} -F image=@- {url}/colours/match",
        "",
        "`pixmill keys create NAME` makes more keys.",
    ]
