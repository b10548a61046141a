"""A sender of webhooks at work over a catalog of its own, whose clock tests move by hand."""

from __future__ import annotations

import asyncio
import io
import json
import time
from contextlib import asynccontextmanager, contextmanager
from ipaddress import ip_network

from pixmill.fetch.options import FetchOptions
from pixmill.fetch.poster import Poster
from pixmill.store import open_catalog
from pixmill.store.jobs import NewJob
from pixmill.web import webhooks
from pixmill.web.access import Log
from pixmill.web.metrics import Metrics
from pixmill.web.webhooks import WebhookSender

LOOPBACK = (ip_network("127.0.0.0/8"),)
DAY_S = 86_400.0


def be_quick(monkeypatch):
    """Let the sender look often, and wait for nobody at its end."""
    monkeypatch.setattr(webhooks, "_LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(webhooks, "_PAUSE_S", 0.01)
    monkeypatch.setattr(webhooks, "_PATIENCE_S", 0.05)


@contextmanager
def catalog_of_one_key(folder, clock):
    with open_catalog(None, folder, clock=clock) as opened:
        opened.keys.add("one", ["jobs"])
        yield opened


class Sending:
    def __init__(self):
        self.written, self.metrics = io.StringIO(), Metrics()
        self.log = Log("json", self.written)

    def said(self, event):
        lines = (json.loads(line) for line in self.written.getvalue().splitlines())
        return [line for line in lines if line["event"] == event]

    def counted(self, result):
        return self.metrics.registry.get_sample_value("pixmill_webhooks_total", {"result": result})


@asynccontextmanager
async def sending(catalog, timeout_s=20.0, **options):
    options = {"allow_networks": LOOPBACK, **options}
    sent = Sending()
    async with Poster(FetchOptions(timeout_s=timeout_s, **options)) as poster:
        sender = WebhookSender(catalog, poster, sent.log, sent.metrics)
        async with sender.at_work():
            yield sent


def add(catalog, webhook):
    new = NewJob(key_id=1, kind="operations", spec={"md5": "0" * 32}, webhook=webhook)
    return catalog.jobs.add(new)[0]


def canceled(catalog, webhook):
    return catalog.jobs.move(add(catalog, webhook).id, "cancel")


def state(catalog, job):
    return catalog.jobs.find(job.id).webhook[1:]


async def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def attempted(catalog, job, attempts):
    await until(lambda: catalog.jobs.find(job.id).webhook.attempts == attempts)
