"""The archive in memory: a fake with the port's full meaning, for the tests of those who embed it.

Nothing outlives the process, and one lock orders everything.
"""

from __future__ import annotations

import secrets
import tempfile
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from pixmill.store.archive import (
    MAX_REFERENCE_CHARS,
    MAX_SOURCE_CHARS,
    MD5_COLLISION,
    Arrival,
    BlobNames,
    Capture,
    Cursor,
    Image,
    Minute,
    Outcome,
    Span,
    StoredImage,
    clean_text,
    minute_of,
    unnamed,
    whole_ms,
)
from pixmill.store.blobs import BlobInfo, check_blob_name
from pixmill.store.opening import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

    from pixmill.store.blobs import Content


class MemoryBlob:
    """Bytes as the port `Blob`."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def read(self, offset: int, length: int) -> bytes:
        """Read from a place."""
        return self._content[offset : offset + length]

    def fileno(self) -> None:
        """There is no file."""

    def close(self) -> None:
        """There is nothing to let go of."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class MemoryBlobs:
    """The port `BlobStore` in memory."""

    def __init__(self) -> None:
        self._blobs: dict[str, tuple[bytes, datetime]] = {}

    @property
    def spool(self) -> Path:
        """The system's folder of temporary files."""
        return Path(tempfile.gettempdir())

    def put(self, name: str, content: Content) -> None:
        """Keep a blob."""
        check_blob_name(name)
        data = content.read_bytes() if isinstance(content, Path) else bytes(content)
        self._blobs[name] = (data, datetime.now(UTC))
        if isinstance(content, Path):
            content.unlink()

    def open(self, name: str) -> MemoryBlob | None:
        """Open a blob; None where there is none."""
        check_blob_name(name)
        found = self._blobs.get(name)
        return MemoryBlob(found[0]) if found else None

    def delete(self, name: str) -> bool:
        """Delete a blob; False where there was none."""
        check_blob_name(name)
        return self._blobs.pop(name, None) is not None

    def all(self, folder: str) -> Iterator[BlobInfo]:
        """List the blobs of a folder."""
        for name, (data, written_at) in list(self._blobs.items()):
            if name.startswith(folder + "/"):
                yield BlobInfo(name, len(data), written_at)

    def stale_files(self, before: datetime) -> Iterator[Path]:  # noqa: ARG002  the port's
        """Nothing is ever left unfinished in memory."""
        return iter(())


class _Row(NamedTuple):
    stored: StoredImage
    origin: bytes


class MemoryArchive:
    """The port `Archive` in memory; `clock` tells the time in UTC."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self.id = secrets.token_hex(16)
        self.blobs = MemoryBlobs()
        self._clock = clock
        self._lock = threading.Lock()
        self._images: dict[str, _Row] = {}
        self._arrivals: dict[bytes, Arrival] = {}
        self._minutes: dict[datetime, Minute] = {}

    def add(self, captures: Sequence[Capture]) -> list[Outcome]:
        """Take captures and tell what became of each."""
        with self._lock:
            now = whole_ms(self._clock())
            outcomes = [self._take(capture, now) for capture in captures]
            for capture in captures:
                self._drop_loser(capture.image)
            return outcomes

    def _take(self, capture: Capture, now: datetime) -> Outcome:
        if capture.key in self._arrivals:
            return self._arrivals[capture.key].outcome
        outcome = self._decide(capture, now)
        if outcome.result != "absent":
            self._keep(capture, outcome, now)
        return outcome

    def _decide(self, capture: Capture, now: datetime) -> Outcome:
        image = capture.image
        if image is None:
            return Outcome("fail", capture.code)
        row = self._images.get(image.md5)
        if row is not None and row.stored.image.sha256 != image.sha256:
            return Outcome("fail", MD5_COLLISION)
        if row is not None:
            arrived_at = max(now, row.stored.arrived_at)
            stood = _completed(row.stored.image, image)
            self._images[image.md5] = row._replace(
                stored=row.stored._replace(image=stood, arrived_at=arrived_at)
            )
            return Outcome("duplicate")
        if image.blobs is None or self.blobs.open(image.blobs.grey) is None:
            return Outcome("absent")
        self._images[image.md5] = _Row(StoredImage(image, now, now), capture.key)
        return Outcome("success")

    def _keep(self, capture: Capture, outcome: Outcome, now: datetime) -> None:
        self._arrivals[capture.key] = Arrival(
            capture.key,
            now,
            clean_text(capture.source, MAX_SOURCE_CHARS),
            clean_text(capture.reference, MAX_REFERENCE_CHARS),
            capture.image.md5 if capture.image else None,
            outcome,
        )
        minute = self._minutes.get(minute_of(now)) or Minute(minute=minute_of(now))
        codes = Counter(minute.codes)
        if outcome.code is not None:
            codes[outcome.code] += 1
        self._minutes[minute.minute] = replace(
            minute,
            success=minute.success + (outcome.result == "success"),
            fail=minute.fail + (outcome.result == "fail"),
            duplicate=minute.duplicate + (outcome.result == "duplicate"),
            codes=dict(codes),
        )

    def _drop_loser(self, image: Image | None) -> None:
        """Delete the blobs that came and are not those that the image has."""
        row = self._images.get(image.md5) if image else None
        if image is not None:
            has = {image.md5: row.stored.image.blobs} if row and row.stored.image.blobs else {}
            self._drop_blobs(unnamed(image, has))

    def _drop_blobs(self, names: Iterable[str | None] | None) -> None:
        for name in names or ():
            if name is not None:
                self.blobs.delete(name)

    def seen(self, keys: Iterable[bytes]) -> set[bytes]:
        """Tell which captures are here already."""
        with self._lock:
            return {key for key in keys if key in self._arrivals}

    def known(self, md5s: Iterable[str]) -> dict[str, str]:
        """Tell which of these images are here: MD5 to SHA-256."""
        with self._lock:
            rows = {md5: self._images.get(md5) for md5 in md5s}
        return {md5: row.stored.image.sha256 for md5, row in rows.items() if row}

    def find(self, md5: str) -> StoredImage | None:
        """Find an image."""
        with self._lock:
            row = self._images.get(md5)
        return row.stored if row else None

    def page(self, limit: int, behind: Cursor | None = None) -> list[StoredImage]:
        """List images, the newest first."""
        with self._lock:
            stored = [row.stored for row in self._images.values()]
        stored.sort(key=lambda each: (each.inserted_at, each.image.md5), reverse=True)
        if behind is not None:
            place = tuple(behind)
            stored = [each for each in stored if (each.inserted_at, each.image.md5) < place]
        return stored[:limit]

    def arrivals(
        self,
        limit: int,
        *,
        md5: str | None = None,
        code: str | None = None,
        span: Span | None = None,
    ) -> list[Arrival]:
        """List captures of an image, or those with an error code, of a span; the newest first."""
        with self._lock:
            newest = list(reversed(self._arrivals.values()))
        fitting = [
            each
            for each in newest
            if md5 in {None, each.md5}
            and code in {None, each.outcome.code}
            and (span is None or span.start <= each.arrived_at < span.end)
        ]
        return fitting[:limit]

    def minutes(self, start: datetime, end: datetime) -> list[Minute]:
        """List the minutes in which anything came, oldest first."""
        with self._lock:
            return [self._minutes[at] for at in sorted(self._minutes) if start <= at < end]

    def delete(self, md5: str) -> bool:
        """Drop an image and then its blobs, but not its captures."""
        with self._lock:
            row = self._images.pop(md5, None)
        if row is not None:
            self._drop_blobs(row.stored.image.blobs)
        return row is not None

    def forget(self, before: datetime) -> int:
        """Drop images that last came before then, older captures and counts."""
        with self._lock:
            old = [row for row in self._images.values() if row.stored.arrived_at < before]
            for row in old:
                del self._images[row.stored.image.md5]
            self._arrivals = {k: a for k, a in self._arrivals.items() if a.arrived_at >= before}
            self._minutes = {at: m for at, m in self._minutes.items() if at >= before}
        for row in old:
            self._drop_blobs(row.stored.image.blobs)
        return len(old)

    def blob_names(self) -> Iterator[tuple[str, BlobNames]]:
        """Give the MD5 and blobs of every image."""
        with self._lock:
            images = [row.stored.image for row in self._images.values()]
        yield from ((image.md5, image.blobs) for image in images if image.blobs)

    def close(self) -> None:
        """There is nothing to release."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _completed(stood: Image, came: Image) -> Image:
    """Give an image the original of one that came, where it has none."""
    if came.blobs is None or stood.blobs is None or stood.blobs.original is not None:
        return stood
    return replace(stood, blobs=stood.blobs._replace(original=came.blobs.original))
