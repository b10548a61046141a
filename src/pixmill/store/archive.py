"""What the archive keeps of images, and the port it is reached by.

Each image stands once, by the MD5 of its file. Everything that comes is kept too, as a capture:
which image it was, from where, when, and whether it was new. Captures are counted by the minute.

A capture has a key, and what comes again under the same key is the same capture: its outcome is
told again, and nothing is counted. So whoever was killed between `add` and taking note of it just
adds again. Times are in UTC, aware of it, and whole milliseconds, as all databases have them.

Every method raises OutputError where the database can not be used. All are synchronous, and any
number of threads and processes may call them at once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from pixmill.record import Color
    from pixmill.store.blobs import BlobStore

Result = Literal["success", "duplicate", "fail", "absent"]
MD5_COLLISION = "md5_collision"
MINUTE = timedelta(minutes=1)
MAX_SOURCE_CHARS = 4096
MAX_REFERENCE_CHARS = 100
KEY_BYTES = 16


class BlobNames(NamedTuple):
    """The blobs of an image; no original where only greys are kept."""

    original: str | None
    grey: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """The facts of an image.

    `md5` and `sha256` of its file in lower-case hex, `bytes` its size; `width` and `height` in
    pixels of the stored orientation; `colors` the most common exact colors; `color` the
    representative color as upper case `#RRGGBB`, None where no pixel is visible. `blobs` is None
    for an image of which the bytes were not put anywhere, since the archive was seen to have it.
    """

    md5: str
    sha256: str
    bytes: int
    format: str
    width: int
    height: int
    colors: tuple[Color, ...]
    color: str | None
    blobs: BlobNames | None


class StoredImage(NamedTuple):
    """An image of the archive: when it was inserted, and when it or a duplicate last came."""

    image: Image
    inserted_at: datetime
    arrived_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Capture:
    """Something that came: an image, or the error code that says why there is none.

    `key` are 16 bytes, see `capture_key`; `source` is a URL, the name of a camera or a path, and
    `reference` the sender's own word for it, empty for none: kept as `clean_text` makes them.
    """

    key: bytes
    source: str
    reference: str = ""
    image: Image | None = None
    code: str | None = None


class Outcome(NamedTuple):
    """What became of a capture.

    `success`: its image is new. `duplicate`: the archive has it. `fail`: it had no image, or its
    MD5 is that of another file (`md5_collision`). `absent`: the archive does not have it, and its
    bytes were put nowhere; then nothing was kept or counted.
    """

    result: Result
    code: str | None = None


class Arrival(NamedTuple):
    """A capture as it is kept; `md5` is None where it had no image."""

    key: bytes
    arrived_at: datetime
    source: str
    reference: str
    md5: str | None
    outcome: Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Minute:
    """What was counted in one minute, which begins at `minute`; `codes` are those of the fails."""

    minute: datetime
    success: int = 0
    fail: int = 0
    duplicate: int = 0
    codes: Mapping[str, int] = field(default_factory=dict)


class Cursor(NamedTuple):
    """A place in the list of images, newest first: behind the image with these two."""

    inserted_at: datetime
    md5: str


class Span(NamedTuple):
    """A time from `start` to before `end`."""

    start: datetime
    end: datetime


class Archive(Protocol):
    """All images, until `close` or the end of a `with` block."""

    @property
    def blobs(self) -> BlobStore:
        """Where the bytes lie that its images name."""

    def add(self, captures: Sequence[Capture]) -> list[Outcome]:
        """Take captures, and tell what became of each, in their order.

        On SQL all of them or none, their counts too. A duplicate gives its original to an image
        that has none. Blobs that came and are not those of the image then are deleted.
        """

    def seen(self, keys: Iterable[bytes]) -> set[bytes]:
        """Tell which captures are here already, by their keys."""

    @property
    def id(self) -> str:
        """What tells this archive from others, for good."""

    def known(self, md5s: Iterable[str]) -> dict[str, str]:
        """Tell which of these images are here: MD5 to SHA-256."""

    def find(self, md5: str) -> StoredImage | None:
        """Find an image."""

    def page(self, limit: int, behind: Cursor | None = None) -> list[StoredImage]:
        """List images, the newest first."""

    def arrivals(
        self,
        limit: int,
        *,
        md5: str | None = None,
        code: str | None = None,
        span: Span | None = None,
    ) -> list[Arrival]:
        """List captures of an image, or those with an error code, of a span; the newest first."""

    def minutes(self, start: datetime, end: datetime) -> list[Minute]:
        """List the minutes from `start` to before `end` in which anything came, oldest first."""

    def delete(self, md5: str) -> bool:
        """Drop an image and then its blobs, but not its captures; False where there is none."""

    def forget(self, before: datetime) -> int:
        """Drop images that last came before then, older captures and counts; tell how many images.

        An image that comes again meanwhile stays.
        """

    def blob_names(self) -> Iterator[tuple[str, BlobNames]]:
        """Give the MD5 and blobs of every image, in no order, while others go on."""

    def close(self) -> None:
        """Release connections; may be called again."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


def unnamed(image: Image, blobs: Mapping[str, BlobNames]) -> set[str | None]:
    """Give the blobs of an image that came which are not those that it has, told by MD5."""
    return set(image.blobs or ()) - set(blobs.get(image.md5) or ())


def clean_text(text: str, most_chars: int) -> str:
    """Cut a text and replace what some database can not keep (NUL, lone surrogates) by U+FFFD."""
    cut = text[:most_chars].replace("\0", "\ufffd")
    return cut.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def capture_key(*parts: object) -> bytes:
    """Make the key of what can come again: a line of a run, or a file of a folder at a time."""
    text = "\0".join(map(str, parts))
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=KEY_BYTES).digest()


def whole_ms(moment: datetime) -> datetime:
    """Cut a time to milliseconds, in UTC."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def minute_of(moment: datetime) -> datetime:
    """Return the beginning of the minute that a time is in, in UTC."""
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def fill_gaps(minutes: Iterable[Minute], start: datetime, end: datetime) -> Iterator[Minute]:
    """Give every minute from that of `start` to before `end`, with zeros where nothing came."""
    counted = {minute.minute: minute for minute in minutes}
    moment = minute_of(start)
    while moment < end:
        yield counted.get(moment) or Minute(minute=moment)
        moment += MINUTE
