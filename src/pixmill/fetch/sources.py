"""Which URLs may be fetched, where not all may: patterns of scheme, host and path. Pure.

A pattern is `https://cdn.example.com/pictures/`: scheme, host and port must be those, the path must
begin so. `*://` stands for both schemes, `*.example.com` for every name below. Parts are compared
as they are connected to, never as text, so that no spelling of a URL slips past.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from pixmill.errors import InvalidUrl, UsageError
from pixmill.fetch.url import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixmill.fetch.url import Target

_ANY_SCHEME, _ANY_NAME = "*://", "*."
_DOTS = re.compile(rb"(?:^|[/\\])\.\.?(?:[/\\;]|$)")


@dataclass(frozen=True, slots=True)
class SourcePattern:
    """A pattern that was read; `scheme` is None for both, `port` None for that of the scheme."""

    scheme: str | None
    host: str
    names_below: bool
    port: int | None
    path: str

    def allows(self, target: Target) -> bool:
        """Tell whether a target is one of the pattern's."""
        default = 443 if target.scheme == "https" else 80
        host = target.host.removesuffix(".")
        fits = host.endswith(f".{self.host}") if self.names_below else host == self.host
        return (
            fits
            and self.scheme in {None, target.scheme}
            and target.port == (self.port or default)
            and self._has_path(target.path)
        )

    def _has_path(self, path: str) -> bool:
        if self.path == "/":
            return True
        # A server would leave the folder for a path with dots, whichever way it spells them.
        plain = unquote_to_bytes(unquote_to_bytes(path.partition("?")[0]))
        return path.startswith(self.path) and not _DOTS.search(plain)


def parse_patterns(texts: Iterable[str]) -> tuple[SourcePattern, ...]:
    """Read the patterns of the settings; UsageError with a sentence where one is none."""
    try:
        return tuple(map(parse_pattern, texts))
    except ValueError as error:
        raise UsageError(f"allowed_sources: {error}") from error


def parse_pattern(text: str) -> SourcePattern:
    """Read a pattern; ValueError with a sentence where it is none."""
    any_scheme = text.startswith(_ANY_SCHEME)
    url = text.replace(_ANY_SCHEME, "https://", 1) if any_scheme else text
    scheme, slashes, rest = url.partition("://")
    names_below = rest.startswith(_ANY_NAME)
    try:
        target = parse_url(scheme + slashes + rest.removeprefix(_ANY_NAME))
    except InvalidUrl as error:
        raise ValueError(f"{text!r} is no pattern of URLs: {error.message}") from error
    if "?" in target.path or "*" in target.path or (names_below and target.ip):
        raise ValueError(f"{text!r} is no pattern of URLs: write https://*.example.com/folder/")
    default = 443 if target.scheme == "https" else 80
    return SourcePattern(
        scheme=None if any_scheme else target.scheme,
        host=target.host.removesuffix("."),
        names_below=names_below,
        port=None if target.port == default else target.port,
        path=target.path,
    )
