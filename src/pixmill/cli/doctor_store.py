"""`pixmill doctor --store`: whether rows and files belong together, of images and of jobs."""

from __future__ import annotations

import json as json_module
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pixmill.cli.standard_output import write_lines
from pixmill.cli.terminal import counted, printable
from pixmill.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.settings import Settings

YOUNG_MINUTES, YOUNG_RESULT_MINUTES = 60.0, 1440.0
_FOR_GOOD = "job without result"  # which nothing here can bring back

Finding = tuple[str, dict[str, Any], bool]
"""Its kind, what is known of it, and whether it was mended."""


def examine_store(
    settings: Settings, *, mending: bool, older_minutes: float | None, as_json: bool
) -> bool:
    """Tell of every orphan, mend it if asked, and say whether all is well then.

    `older_minutes` is None for what each kind of file has by default.
    """
    from pixmill.store import catalog_stands  # noqa: PLC0415  only this needs it

    url = settings.archive or settings.catalog
    if not (url or "").startswith("mongodb") and not catalog_stands(url, settings.data):
        raise UsageError(f"there is no archive in {settings.data}: does PIXMILL_DATA name another?")

    kinds: Counter[str] = Counter()

    def lines() -> Iterator[str]:
        for find in (_of_images, _of_jobs):
            for kind, facts, mended in find(settings, older_minutes, mending=mending):
                kinds[kind] += 1
                if as_json:
                    yield json_module.dumps({"kind": kind, **facts, "mended": mended})
                else:
                    yield f"{kind:<18}  {printable(facts['name'], 1000)}"

    write_lines(lines())
    if not as_json:
        write_lines([_summary(kinds, mending=mending)])
    return not kinds or (mending and set(kinds).isdisjoint({_FOR_GOOD}))


def _before(older_minutes: float | None, otherwise: float) -> datetime:
    minutes = otherwise if older_minutes is None else older_minutes
    return datetime.now(UTC) - timedelta(minutes=minutes)


def _of_images(
    settings: Settings, older_minutes: float | None, *, mending: bool
) -> Iterator[Finding]:
    from pixmill.store import open_archive, where  # noqa: PLC0415
    from pixmill.store.orphans import find_orphans, mend  # noqa: PLC0415

    with open_archive(*where(settings)) as archive:
        for orphan in find_orphans(archive, _before(older_minutes, YOUNG_MINUTES)):
            if mending:
                mend(archive, orphan)
            yield orphan.kind, {"name": orphan.name, "md5": orphan.md5}, mending


def _of_jobs(
    settings: Settings, older_minutes: float | None, *, mending: bool
) -> Iterator[Finding]:
    from pixmill.jobs.orphans import drop, find_lost  # noqa: PLC0415
    from pixmill.store import catalog_stands, open_catalog, open_results, where  # noqa: PLC0415

    if not catalog_stands(settings.catalog, settings.data):
        return
    results = open_results(where(settings).blobs, settings.data)
    with open_catalog(settings.catalog, settings.data) as catalog:
        before = _before(older_minutes, YOUNG_RESULT_MINUTES)
        for lost in find_lost(catalog.jobs, results, before):
            mended = mending and lost.kind != _FOR_GOOD
            if mended:
                drop(catalog.jobs, results, lost)
            yield lost.kind, {"name": lost.name, "job": lost.job}, mended


def _counted(number: int, kind: str) -> str:
    noun, without, rest = kind.partition(" without ")
    return counted(number, noun) + without + rest


def _summary(kinds: Counter[str], *, mending: bool) -> str:
    if not kinds:
        return "rows and files belong together"
    told = ", ".join(
        _counted(number, kind) for kind, number in sorted(kinds.items()) if kind != _FOR_GOOD
    )
    parts = [f"{told}: {'mended' if mending else 'run with --mend to mend'}"] if told else []
    if kinds[_FOR_GOOD]:
        parts.append(f"{_counted(kinds[_FOR_GOOD], _FOR_GOOD)}: have the work done again")
    return "; ".join(parts)
