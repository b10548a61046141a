"""Every setting with its value and where that came from, for `pixmill doctor --settings`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pydantic import SecretStr

from pixmill.settings import Settings, load_settings, source_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# The password of a URL; a name may stand before it. Its parameters may hold others.
_PASSWORD = re.compile(r"(://[^:@\s]*):.*@", re.DOTALL)
_PARAMETERS = re.compile(r"(://[^?]*\?).*", re.DOTALL)


class Row(NamedTuple):
    """A setting, its value as text with secrets masked, and its source."""

    name: str
    value: str
    source: str


def settings_table() -> Iterator[Row]:
    """Yield the settings in the order of the reference. Raises UsageError where one is wrong."""
    settings = load_settings()
    for name in Settings.model_fields:
        yield Row(name, _shown(getattr(settings, name)), source_of(name))


def _shown(value: object) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, SecretStr):
        return "***"
    if isinstance(value, bool):
        return "on" if value else "off"
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return _PARAMETERS.sub(r"\1***", _PASSWORD.sub(r"\1:***@", text))
