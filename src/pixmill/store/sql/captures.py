"""Taking captures into SQL: images, arrivals and counts, all in one transaction.

What is right whatever races: an image's row is inserted where there is none, and read afterwards;
whoever's key it bears has brought it. An arrival is counted by whoever inserted it. Rows are
written in the order of their keys, and the minute, which all share, last, so that no two
transactions wait for each other.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from pixmill.store.archive import (
    MAX_REFERENCE_CHARS,
    MAX_SOURCE_CHARS,
    MD5_COLLISION,
    BlobNames,
    Capture,
    Outcome,
    clean_text,
    minute_of,
)
from pixmill.store.sql.schema import arrivals, images, minute_codes, minutes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Table

    from pixmill.store.archive import Image

_CHUNK = 500  # values in one list of a query


class Taken(NamedTuple):
    """What became of captures, and the blobs that images have, by MD5."""

    outcomes: list[Outcome]
    blobs: dict[str, BlobNames]


def take(connection: Connection, captures: Sequence[Capture], now: datetime) -> Taken:
    """Take captures within the transaction of a connection."""
    told = outcomes_of(connection, [capture.key for capture in captures])
    fresh = _fresh(captures, told)
    _insert_images(connection, fresh, now)
    rows = _image_rows(connection, captures)
    decided = {capture.key: _decide(capture, rows) for capture in fresh}
    blobs = {md5: BlobNames(row.original, row.grey) for md5, row in rows.items()}
    blobs |= _give_originals(connection, fresh, rows)
    kept = [capture for capture in fresh if decided[capture.key].result != "absent"]
    counted = _insert_arrivals(connection, kept, decided, now)
    again = {c.image.md5 for c in kept if c.image and decided[c.key].result == "duplicate"}
    _note_arrival(connection, again, now)
    _count(connection, [decided[key] for key in counted], minute_of(now))
    outcomes = [told.get(capture.key) or decided[capture.key] for capture in captures]
    return Taken(outcomes, blobs)


def outcomes_of(connection: Connection, keys: Sequence[bytes]) -> dict[bytes, Outcome]:
    """Read the outcomes of the captures that are here already."""
    query = select(arrivals.c.key, arrivals.c.result, arrivals.c.code)
    return {
        row.key: Outcome(row.result, row.code)
        for chunk in chunks(sorted(set(keys)))
        for row in connection.execute(query.where(arrivals.c.key.in_(chunk)))
    }


def chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Cut values into lists that a query can hold."""
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


def _fresh(captures: Sequence[Capture], told: Mapping[bytes, Outcome]) -> list[Capture]:
    """Leave out what is here already, and what stands twice."""
    fresh: dict[bytes, Capture] = {}
    for capture in captures:
        if capture.key not in told:
            fresh.setdefault(capture.key, capture)
    return list(fresh.values())


def _insert_images(connection: Connection, fresh: Iterable[Capture], now: datetime) -> None:
    first: dict[str, dict[str, Any]] = {}
    for capture in fresh:
        if capture.image is not None and capture.image.blobs is not None:
            first.setdefault(capture.image.md5, _image_values(capture.image, capture.key, now))
    if first:
        rows = [first[md5] for md5 in sorted(first)]
        connection.execute(_insert(connection, images).on_conflict_do_nothing(), rows)


def _image_values(image: Image, origin: bytes, now: datetime) -> dict[str, Any]:
    original, grey = image.blobs or (None, None)
    colors = [(color.hex, color.count, color.share) for color in image.colors]
    return {
        "md5": image.md5,
        "sha256": image.sha256,
        "bytes": image.bytes,
        "format": image.format,
        "width": image.width,
        "height": image.height,
        "colors": json.dumps(colors, separators=(",", ":")),
        "color": image.color,
        "original": original,
        "grey": grey,
        "origin": origin,
        "inserted_at": now,
        "arrived_at": now,
    }


def _image_rows(connection: Connection, captures: Iterable[Capture]) -> dict[str, Any]:
    """Read the rows of all images, and hold them until the transaction ends."""
    md5s = sorted({capture.image.md5 for capture in captures if capture.image is not None})
    columns = (images.c.md5, images.c.sha256, images.c.original, images.c.grey, images.c.origin)
    query = select(*columns).order_by(images.c.md5).with_for_update()
    return {
        row.md5: row
        for chunk in chunks(md5s)
        for row in connection.execute(query.where(images.c.md5.in_(chunk)))
    }


def _decide(capture: Capture, rows: Mapping[str, Any]) -> Outcome:
    image = capture.image
    if image is None:
        return Outcome("fail", capture.code)
    row = rows.get(image.md5)
    if row is None:
        return Outcome("absent")
    if row.sha256 != image.sha256:
        return Outcome("fail", MD5_COLLISION)
    return Outcome("success" if row.origin == capture.key else "duplicate")


def _give_originals(
    connection: Connection, fresh: Iterable[Capture], rows: Mapping[str, Any]
) -> dict[str, BlobNames]:
    """Complete images that were kept without an original, and tell the blobs that they have now.

    Their rows are held, so nobody else can.
    """
    given: dict[str, BlobNames] = {}
    for image in (capture.image for capture in fresh):
        row = rows.get(image.md5) if image else None
        if image is None or row is None or row.original is not None or row.sha256 != image.sha256:
            continue
        if image.blobs is not None and image.blobs.original is not None:
            given.setdefault(image.md5, BlobNames(image.blobs.original, row.grey))
    for md5, names in sorted(given.items()):
        query = update(images).where(images.c.md5 == md5)
        connection.execute(query.values(original=names.original))
    return given


def _insert_arrivals(
    connection: Connection,
    captures: Iterable[Capture],
    decided: Mapping[bytes, Outcome],
    now: datetime,
) -> list[bytes]:
    """Insert what nobody else inserts meanwhile, and return the keys of that."""
    rows = [
        {
            "key": capture.key,
            "arrived_at": now,
            "source": clean_text(capture.source, MAX_SOURCE_CHARS),
            "reference": clean_text(capture.reference, MAX_REFERENCE_CHARS),
            "md5": capture.image.md5 if capture.image else None,
            "result": decided[capture.key].result,
            "code": decided[capture.key].code,
        }
        for capture in sorted(captures, key=lambda capture: capture.key)
    ]
    if not rows:
        return []
    query = _insert(connection, arrivals).on_conflict_do_nothing()
    return list(connection.execute(query.returning(arrivals.c.key), rows).scalars())


def _note_arrival(connection: Connection, md5s: Iterable[str], now: datetime) -> None:
    """Move the times of images on; on a second machine's clock they may be later already."""
    for chunk in chunks(sorted(md5s)):
        query = update(images).where(images.c.md5.in_(chunk), images.c.arrived_at < now)
        connection.execute(query.values(arrived_at=now))


def _count(connection: Connection, outcomes: Iterable[Outcome], minute: datetime) -> None:
    results = Counter(outcome.result for outcome in outcomes)
    if not results:
        return
    counts = {name: results[name] for name in ("success", "fail", "duplicate")}
    _add_up(connection, minutes, {"minute": minute}, counts)
    codes = Counter(outcome.code for outcome in outcomes if outcome.code is not None)
    for code, count in sorted(codes.items()):
        _add_up(connection, minute_codes, {"minute": minute, "code": code}, {"fails": count})


def _add_up(
    connection: Connection, table: Table, key: dict[str, Any], counts: dict[str, int]
) -> None:
    query = _insert(connection, table).values(**key, **counts)
    sums = {name: table.c[name] + query.excluded[name] for name in counts}
    connection.execute(query.on_conflict_do_update(index_elements=list(key), set_=sums))


def _insert(connection: Connection, table: Table) -> Any:
    """Begin an INSERT with ON CONFLICT, which both engines have in the same words."""
    engine = postgresql if connection.dialect.name == "postgresql" else sqlite
    return engine.insert(table)
