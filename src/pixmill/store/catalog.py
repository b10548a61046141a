"""What the catalog keeps, and the ports it is reached by: keys, sessions, palettes, secrets.

The port of jobs, which are the catalog's too, is in `jobs`.

Owns the types, the protocols, and what names and scopes may be. How secrets look is left to
`credentials`, where a catalog lies to `opening`, tables to the adapter. A palette is a document
here, bytes with a name: what they mean is left to whoever reads them.

Every method of a port raises OutputError where the database can not be used. All are synchronous,
and any number of threads and processes may call them at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pixmill.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from types import TracebackType
    from typing import Self

    from pixmill.store.jobs import Jobs, Webhooks
    from pixmill.store.shards import Hosts, Shards, Workers

SCOPES = ("read", "match", "write", "jobs", "metrics", "admin")
DEFAULT_SCOPES = ("read", "match", "write", "jobs")

MUST_BE_NEW = 0  # no revision: what is put must not stand there yet
MAX_DOCUMENT_BYTES = 64 << 20  # as much as is read of a palette's file
MAX_PALETTES = 10_000
MAX_LIFETIME_S = 10 * 366 * 86_400.0
SIGNING_BYTES = 32
MAX_TOKENS_OF_KEY = 1000  # sessions and links at once; beyond them the oldest end

BUILT_IN = "css"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
# Such a name could never be told from a file's where either may be given.
_FILE_ENDINGS = (".json", ".csv", ".gpl", ".ase")


class NameTaken(UsageError):
    """A live key has this name."""


class LastAdmin(UsageError):
    """No other live key has the scope `admin`."""


@dataclass(frozen=True, slots=True)
class Key:
    """A credential without its secret; both times are in UTC and aware of it."""

    id: int
    name: str
    prefix: str
    scopes: frozenset[str]
    created_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PaletteInfo:
    """A palette without its document.

    `revision` is from 1 up and grows with every change; no other state of any palette of the
    catalog ever has it, also after a deletion. `changed_at` is in UTC and aware of it.
    """

    name: str
    entries: int
    revision: int
    changed_at: datetime


class Keys(Protocol):
    """Who may ask. Revoked keys are kept, so that their names in a list still tell something."""

    def add(self, name: str, scopes: Iterable[str]) -> tuple[Key, str]:
        """Make a key, and its text, which is never told again.

        UsageError for an unfit name or scope, of NameTaken for the name of a live key.
        """

    def add_first(self, name: str, scopes: Iterable[str]) -> tuple[Key, str] | None:
        """Make a key as `add` does if there never was one, else None: once, whatever races."""

    def find(self, text: str) -> Key | None:
        """Find the live key with this text; secrets are compared in constant time."""

    def all(self) -> list[Key]:
        """List live and revoked keys, oldest first."""

    def revoke(self, name_or_prefix: str, *, spare_last_admin: bool = False) -> Key | None:
        """Revoke a live key and end its sessions; None where there is none.

        A name goes before a prefix, which may be given as `pm_` and its characters, or as the whole
        text of the key. With `spare_last_admin` LastAdmin is raised for the only live key that has
        the scope `admin`, also where several are revoked at once.
        """

    def count(self) -> int:
        """Count the live keys."""


class Sessions(Protocol):
    """Sessions of browser pages, and links that open one. Lifetimes are seconds, above zero."""

    def start(self, key_id: int, lifetime_s: float) -> str:
        """Start a session of a key and give its token, of which only a digest is kept.

        UsageError for a lifetime beyond ten years and for a key that does not exist.
        """

    def find(self, token: str) -> Key | None:
        """Find the key of a session that has not ended, while the key is live."""

    def end(self, token: str) -> None:
        """End a session; one that is none is no error."""

    def add_link(self, key_id: int, lifetime_s: float) -> str:
        """Make the secret of a link that can be redeemed once; raises as `start` does."""

    def redeem(self, text: str) -> Key | None:
        """Use a link up: the live key, exactly once, whatever races; else None."""


class Palettes(Protocol):
    """Documents by name. What is read is always a whole document, never parts of two."""

    def all(self) -> list[PaletteInfo]:
        """List the palettes in order of name."""

    def get(self, name: str) -> tuple[bytes, PaletteInfo] | None:
        """Read a palette; None where there is none."""

    def revision(self, name: str) -> int | None:
        """Tell the revision of a palette without reading it; None where there is none."""

    def put(
        self, name: str, document: bytes, entries: int, expected_revision: int | None = None
    ) -> PaletteInfo | None:
        """Keep a palette, if what stands there is what is expected, else change nothing: None.

        `expected_revision` is None for whatever stands there, or MUST_BE_NEW. UsageError for an
        unfit name, a document beyond 64 MiB, and a palette beyond the 10,000th.
        """

    def delete(self, name: str, expected_revision: int | None = None) -> bool:
        """Drop a palette; False where there is none, or another revision than is expected."""


class Secrets(Protocol):
    """What URLs, or webhooks, are signed with: secrets of SIGNING_BYTES, which are kept whole."""

    def live(self) -> list[bytes]:
        """List the secrets that count, the newest, which signs, first; there is one at least."""

    def rotate(self, keep_s: float) -> None:
        """Make a new secret; all others end in `keep_s` seconds, or when they would anyway."""


class Catalog(Protocol):
    """All that is kept, until `close` or the end of a `with` block."""

    @property
    def keys(self) -> Keys: ...  # noqa: D102 - the protocols say it

    @property
    def sessions(self) -> Sessions: ...  # noqa: D102

    @property
    def palettes(self) -> Palettes: ...  # noqa: D102

    @property
    def jobs(self) -> Jobs: ...  # noqa: D102

    @property
    def shards(self) -> Shards: ...  # noqa: D102

    @property
    def workers(self) -> Workers: ...  # noqa: D102

    @property
    def hosts(self) -> Hosts: ...  # noqa: D102

    @property
    def webhooks(self) -> Webhooks: ...  # noqa: D102

    @property
    def secrets(self) -> Secrets:
        """What URLs are signed with."""

    @property
    def webhook_secrets(self) -> Secrets:
        """What webhooks are signed with, which receivers know."""

    def close(self) -> None:
        """Release connections; may be called again."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


def check_key_name(name: str) -> None:
    """Raise UsageError unless a key may have this name, which no other key's prefix looks like."""
    if name.startswith("pm_"):
        raise UsageError(f"a key's name does not begin with pm_, as its text does: {name[:40]!a}")
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"a key's name is 1 to 100 letters, digits, dots, dashes and _, not {name[:40]!a}"
        )


def check_palette_name(name: str) -> None:
    """Raise UsageError unless a kept palette may have this name."""
    if name == BUILT_IN:
        raise UsageError(f"the palette {BUILT_IN} is built in; choose another name")
    if not is_palette_name(name):
        raise UsageError(
            "a palette's name is 1 to 100 letters, digits, dots, dashes and _, begins with no dot "
            f"and has no ending of a palette file, unlike {name[:40]!a}"
        )


def is_palette_name(name: str) -> bool:
    """Whether a kept palette may have this name."""
    if name == BUILT_IN or name.startswith(".") or name.lower().endswith(_FILE_ENDINGS):
        return False
    return _NAME.fullmatch(name) is not None


def checked_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """Return the scopes as a set; UsageError for none and for unknown ones."""
    wanted = frozenset(scopes)
    unknown = sorted(wanted - set(SCOPES))
    if unknown or not wanted:
        what = f"{unknown[0][:40]!a}" if unknown else "none"
        raise UsageError(f"a key's scopes are of {', '.join(SCOPES)}, not {what}")
    return wanted


def check_document(document: bytes) -> None:
    """Raise UsageError for a palette's document that is too large."""
    if len(document) > MAX_DOCUMENT_BYTES:
        raise UsageError(
            f"the palette's document has {len(document):,} bytes, over {MAX_DOCUMENT_BYTES:,}"
        )


def check_lifetime(lifetime_s: float) -> None:
    """Raise UsageError for a lifetime that no session can have."""
    if not 0 < lifetime_s <= MAX_LIFETIME_S:
        raise UsageError(f"a lifetime is above 0 and up to {MAX_LIFETIME_S:.0f} s")
