"""The whole app in the test's own process, without a server: what it answers, and its parts.

Unlike `tests.serving`, faults can be put into its parts; requests go to it directly.
"""

from __future__ import annotations

import io
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from pixmill.settings import load_settings
from pixmill.store import SCOPES, open_archive, open_catalog
from pixmill.web.access import Log
from pixmill.web.app import create_app
from pixmill.web.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fastapi import FastAPI

    from pixmill.store import Catalog
    from pixmill.telemetry.defects import Defects
    from pixmill.web.services import Services


@dataclass
class Running:
    """An app that runs; `client` sends the key of all scopes."""

    app: FastAPI
    catalog: Catalog
    client: httpx.AsyncClient
    written: io.StringIO

    @property
    def services(self) -> Services:
        return self.app.state.services

    def log(self, event):
        """What the log says of an event."""
        lines = (json.loads(line) for line in self.written.getvalue().splitlines())
        return [line for line in lines if line["event"] == event]


@asynccontextmanager
async def running(
    folder: Path, defects: Defects | None = None, **flags: object
) -> AsyncIterator[Running]:
    """Run the app over a data folder in `folder`, with settings as flags."""
    settings = load_settings(data=folder / "data", **flags)
    written, metrics = io.StringIO(), Metrics()
    with (
        open_catalog(None, settings.data) as catalog,
        open_archive(settings.archive, None, settings.blobs, settings.data) as archive,
    ):
        app = create_app(settings, catalog, archive, Log("json", written, defects), metrics)
        _, text = catalog.keys.add("all", SCOPES)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app, raise_app_exceptions=False),
                base_url="http://pixmill.example",
                auth=("all", text),
            ) as client,
        ):
            yield Running(app, catalog, client, written)
