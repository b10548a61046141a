"""What `pixmill doctor` tells of the catalog and the broker that the settings name.

They are looked at as they are: no catalog, table or queue is made.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pixmill.errors import OutputError, RunError, UsageError
from pixmill.jobs.extra import broker_of, needing_celery
from pixmill.jobs.queues import BULK, DEAD, INTERACTIVE
from pixmill.store import catalog_form, open_catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixmill.cli.doctor import Fact
    from pixmill.settings import Settings

T = TypeVar("T")

_ANSWER_S = 8.0
_UNUSABLE = "can not be used"
_NO_WORKER = "none: `pixmill worker` starts one"


class _Catalog(NamedTuple):
    """What is known of a catalog; `workers` are those alive, None where there is no table yet."""

    form: str
    workers: int | None


def examine_cluster(settings: Settings) -> Iterator[Fact]:
    """Tell of the catalog and of the broker, each where the settings name it."""
    if settings.catalog is not None:
        yield from _of_catalog(settings)
    elif settings.broker is not None:
        try:
            broker_of(settings)
        except UsageError as error:
            yield "catalog", "of this machine alone", str(error)
    if settings.broker is not None:
        yield from _of_broker(settings.broker)


def _of_catalog(settings: Settings) -> Iterator[Fact]:
    try:
        found = _in_time("catalog", partial(_ask_catalog, settings))
    except RunError as error:
        yield "catalog", _UNUSABLE, str(error)
        return
    yield "catalog", found.form, None
    if settings.broker is not None and found.workers is not None:
        yield "workers alive", str(found.workers or _NO_WORKER), None


def _of_broker(url: str) -> Iterator[Fact]:
    try:
        waiting = _in_time("broker", partial(_ask_broker, url))
    except RunError as error:
        yield "broker", _UNUSABLE, str(error)
        return
    yield "broker", "lets this user in", None
    for queue in (INTERACTIVE, BULK, DEAD):
        yield f"messages {queue}", str(waiting.get(queue, "no such queue yet")), None


def _ask_catalog(settings: Settings) -> _Catalog:
    found, known = catalog_form(settings.catalog, settings.data)
    if found is None:
        return _Catalog("empty: who uses it first makes its tables", None)
    if found != known:
        return _Catalog(f"revision {found}: who uses it first brings it to {known}", None)
    with open_catalog(settings.catalog, settings.data) as catalog:
        return _Catalog(f"revision {found}", len(catalog.workers.alive()))


def _ask_broker(url: str) -> dict[str, int]:
    with needing_celery():
        from pixmill.jobs.cluster import Broker, make_app  # noqa: PLC0415  the extra
    return Broker(make_app(url)).seen()


def _in_time(what: str, ask: Callable[[], T]) -> T:
    """Ask, and raise OutputError where there is no answer in time: a client may wait for longer."""
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # noqa: BLE001  whoever waits for the answer raises it
            answer.set_exception(error)

    threading.Thread(target=run, name=f"pixmill-{what}", daemon=True).start()
    if not wait([answer], _ANSWER_S).done:
        raise OutputError(f"the {what} did not answer within {_ANSWER_S:g} s")
    return answer.result()
