"""Values of settings that stand in files, as containers are given secrets: `PIXMILL_NAME_FILE`.

Owns which variables these are, and that no sentence shows what such a file holds.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pixmill.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 2**20


def file_variable(variable: str) -> str:
    """Name the variable that names a file with the value of `variable`."""
    return f"{variable}_FILE"


def read_files(variables: Mapping[str, str]) -> dict[str, Any]:
    """Read the values of those settings, whose variables are given, for which a file is named.

    One line end at the end of a file is none of its value. Raises UsageError where variable and
    file are both named, and where a file can not be read, is empty or longer than a MiB.
    """
    values = {}
    for name, variable in variables.items():
        named = file_variable(variable)
        path = os.environ.get(named)
        if not path:
            continue
        if os.environ.get(variable):
            raise UsageError(f"{variable} and {named} are both set: leave one of them out")
        values[name] = _content(named, path)
    return values


def _content(named: str, path: str) -> str:
    try:
        with open(path, "rb") as file:  # noqa: PTH123  a path that is no text is told alike
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "this is no path"
        raise UsageError(f"{named} names {path!r}, which can not be read: {reason}") from error
    if len(content) > MAX_BYTES:
        raise UsageError(f"{named} names {path!r}, which is longer than a MiB")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:  # which shows the content
        raise UsageError(f"{named} names {path!r}, which is no UTF-8 text") from None
    value = text.removesuffix("\n").removesuffix("\r")
    if not value:
        raise UsageError(f"{named} names {path!r}, which is empty")
    return value
