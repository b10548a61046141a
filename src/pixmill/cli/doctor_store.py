"""`pixmill doctor --store`: whether the archive's rows and files belong together, and mending."""

from __future__ import annotations

import json as json_module
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pixmill.cli.standard_output import write_lines
from pixmill.cli.terminal import counted, printable
from pixmill.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.settings import Settings
    from pixmill.store import Archive

YOUNG_MINUTES = 60.0


def examine_store(
    settings: Settings, *, mending: bool, older_minutes: float, as_json: bool
) -> bool:
    """Tell of every orphan, mend it if asked, and say whether all is well then."""
    from pixmill.store import catalog_stands, open_archive  # noqa: PLC0415  only this needs it

    url = settings.archive or settings.catalog
    if not (url or "").startswith("mongodb") and not catalog_stands(url, settings.data):
        raise UsageError(f"there is no archive in {settings.data}: does PIXMILL_DATA name another?")

    kinds: Counter[str] = Counter()
    where = (settings.archive, settings.catalog, settings.blobs, settings.data)
    with open_archive(*where) as archive:
        before = datetime.now(UTC) - timedelta(minutes=older_minutes)
        write_lines(_lines(archive, before, kinds, mending=mending, as_json=as_json))
    if not as_json:
        write_lines([_summary(kinds, mending=mending)])
    return mending or not kinds


def _lines(
    archive: Archive, before: datetime, kinds: Counter[str], *, mending: bool, as_json: bool
) -> Iterator[str]:
    from pixmill.store.orphans import find_orphans, mend  # noqa: PLC0415

    for orphan in find_orphans(archive, before):
        kinds[orphan.kind] += 1
        if mending:
            mend(archive, orphan)
        if as_json:
            yield json_module.dumps({**orphan._asdict(), "mended": mending})
        else:
            yield f"{orphan.kind:<16}  {printable(orphan.name, 1000)}"


def _counted(number: int, kind: str) -> str:
    noun, without, rest = kind.partition(" without ")
    return counted(number, noun) + without + rest


def _summary(kinds: Counter[str], *, mending: bool) -> str:
    if not kinds:
        return "rows and files belong together"
    told = ", ".join(_counted(number, kind) for kind, number in sorted(kinds.items()))
    return f"{told}: {'mended' if mending else 'run with --mend to mend'}"
