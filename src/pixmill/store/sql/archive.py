"""The archive over SQLAlchemy: rows in the database, bytes in a blob store.

How captures are taken is in `captures`. Blobs are deleted after the transaction that makes them
nobody's: a kill between the two leaves orphans, never a row without its blobs.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import and_, delete, or_, select

from pixmill.record import Color
from pixmill.store.archive import (
    Arrival,
    BlobNames,
    Capture,
    Cursor,
    Image,
    Minute,
    Outcome,
    StoredImage,
    unnamed,
    whole_ms,
)
from pixmill.store.sql.captures import Taken, chunks, outcomes_of, take
from pixmill.store.sql.contention import patiently
from pixmill.store.sql.schema import arrivals, facts, images, minute_codes, minutes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from types import TracebackType

    from pixmill.store.archive import Span
    from pixmill.store.blobs import BlobStore
    from pixmill.store.sql.database import Database

_STEP = 500  # rows that one transaction drops, and that one query reads of all


class SqlArchive:
    """The port `Archive` over a database in this version's form."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self.blobs = blobs

    @property
    def id(self) -> str:
        """What the folder of images knows the archive by."""
        query = select(facts.c.value).where(facts.c.name == "archive")
        with self._database.reading() as connection:
            return str(connection.execute(query).scalar_one())

    def add(self, captures: Sequence[Capture]) -> list[Outcome]:
        """Take captures, all or none, and tell what became of each."""
        if not captures:
            return []
        there = [self._with_its_blobs(capture) for capture in captures]
        taken = patiently(partial(self._take, there))
        for capture in captures:
            if capture.image is not None:
                self._drop_blobs(unnamed(capture.image, taken.blobs))
        return taken.outcomes

    def _take(self, captures: Sequence[Capture]) -> Taken:
        with self._database.writing() as connection:
            return take(connection, captures, self._now())

    def _with_its_blobs(self, capture: Capture) -> Capture:
        """Forget names of blobs that are gone: those of a repeat, if the image was deleted."""
        image = capture.image
        if image is None or image.blobs is None:
            return capture
        blob = self.blobs.open(image.blobs.grey)
        if blob is None:
            return replace(capture, image=replace(image, blobs=None))
        blob.close()
        return capture

    def seen(self, keys: Iterable[bytes]) -> set[bytes]:
        """Tell which captures are here already."""
        with self._database.reading() as connection:
            return set(outcomes_of(connection, list(keys)))

    def known(self, md5s: Iterable[str]) -> dict[str, str]:
        """Tell which of these images are here: MD5 to SHA-256."""
        query = select(images.c.md5, images.c.sha256)
        with self._database.reading() as connection:
            return {
                row.md5: row.sha256
                for chunk in chunks(sorted(set(md5s)))
                for row in connection.execute(query.where(images.c.md5.in_(chunk)))
            }

    def find(self, md5: str) -> StoredImage | None:
        """Find an image."""
        with self._database.reading() as connection:
            row = connection.execute(select(images).where(images.c.md5 == md5)).one_or_none()
        return None if row is None else _stored(row)

    def page(self, limit: int, behind: Cursor | None = None) -> list[StoredImage]:
        """List images, the newest first."""
        newest = (images.c.inserted_at.desc(), images.c.md5.desc())
        query = select(images).order_by(*newest).limit(limit)
        if behind is not None:
            moment, md5 = behind
            same = and_(images.c.inserted_at == moment, images.c.md5 < md5)
            query = query.where(or_(images.c.inserted_at < moment, same))
        with self._database.reading() as connection:
            return [_stored(row) for row in connection.execute(query)]

    def arrivals(
        self,
        limit: int,
        *,
        md5: str | None = None,
        code: str | None = None,
        span: Span | None = None,
    ) -> list[Arrival]:
        """List captures of an image, or those with an error code, of a span; the newest first."""
        query = select(arrivals).order_by(arrivals.c.id.desc()).limit(limit)
        if md5 is not None:
            query = query.where(arrivals.c.md5 == md5)
        if code is not None:
            query = query.where(arrivals.c.code == code)
        if span is not None:
            query = query.where(arrivals.c.arrived_at >= span.start)
            query = query.where(arrivals.c.arrived_at < span.end)
        with self._database.reading() as connection:
            return [_arrival(row) for row in connection.execute(query)]

    def minutes(self, start: datetime, end: datetime) -> list[Minute]:
        """List the minutes in which anything came, oldest first."""
        query = select(minutes).where(minutes.c.minute >= start, minutes.c.minute < end)
        query = query.order_by(minutes.c.minute)
        by_code = select(minute_codes)
        by_code = by_code.where(minute_codes.c.minute >= start, minute_codes.c.minute < end)
        with self._database.reading() as connection:
            codes: dict[datetime, dict[str, int]] = {}
            for row in connection.execute(by_code.order_by(minute_codes.c.code)):
                codes.setdefault(row.minute, {})[row.code] = row.fails
            return [
                Minute(
                    minute=row.minute,
                    success=row.success,
                    fail=row.fail,
                    duplicate=row.duplicate,
                    codes=codes.get(row.minute, {}),
                )
                for row in connection.execute(query)
            ]

    def delete(self, md5: str) -> bool:
        """Drop an image and then its blobs, but not its captures."""
        query = delete(images).where(images.c.md5 == md5)
        names = patiently(partial(self._drop_rows, query))
        for each in names:
            self._drop_blobs(each)
        return bool(names)

    def forget(self, before: datetime) -> int:
        """Drop images that last came before then, older captures and counts."""
        old = select(images.c.md5).where(images.c.arrived_at < before).limit(_STEP)
        # The time is asked for again, since an image may come again meanwhile.
        query = delete(images).where(images.c.md5.in_(old), images.c.arrived_at < before)
        forgotten = 0
        while names := patiently(partial(self._drop_rows, query)):
            for each in names:
                self._drop_blobs(each)
            forgotten += len(names)
        self._forget_captures(before)
        return forgotten

    def _forget_captures(self, before: datetime) -> None:
        old = select(arrivals.c.id).where(arrivals.c.arrived_at < before).limit(_STEP)
        while patiently(partial(self._execute, delete(arrivals).where(arrivals.c.id.in_(old)))):
            pass
        for table in (minutes, minute_codes):
            patiently(partial(self._execute, delete(table).where(table.c.minute < before)))

    def blob_names(self) -> Iterator[tuple[str, BlobNames]]:
        """Give the MD5 and blobs of every image, in order of MD5."""
        query = select(images.c.md5, images.c.original, images.c.grey).order_by(images.c.md5)
        last = ""
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(query.where(images.c.md5 > last).limit(_STEP)).all()
            for md5, original, grey in rows:
                yield md5, BlobNames(original, grey)
            if not rows:
                return
            last = rows[-1].md5

    def close(self) -> None:
        """Release connections; may be called again."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _drop_rows(self, query: Any) -> list[BlobNames]:
        with self._database.writing() as connection:
            rows = connection.execute(query.returning(images.c.original, images.c.grey)).all()
        return [BlobNames(row.original, row.grey) for row in rows]

    def _execute(self, query: Any) -> int:
        with self._database.writing() as connection:
            return connection.execute(query).rowcount

    def _drop_blobs(self, names: Iterable[str | None]) -> None:
        for name in names:
            if name is not None:
                self.blobs.delete(name)

    def _now(self) -> datetime:
        return whole_ms(self._database.now())


def _stored(row: Any) -> StoredImage:
    image = Image(
        md5=row.md5,
        sha256=row.sha256,
        bytes=row.bytes,
        format=row.format,
        width=row.width,
        height=row.height,
        colors=tuple(_color(*values) for values in json.loads(row.colors)),
        color=row.color,
        blobs=BlobNames(row.original, row.grey),
    )
    return StoredImage(image, row.inserted_at, row.arrived_at)


def _color(hex_: str, count: int, share: float) -> Color:
    red, green, blue = bytes.fromhex(hex_.removeprefix("#"))
    return Color((red, green, blue), hex_, count, share)


def _arrival(row: Any) -> Arrival:
    outcome = Outcome(row.result, row.code)
    return Arrival(row.key, row.arrived_at, row.source, row.reference, row.md5, outcome)
