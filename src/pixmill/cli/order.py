"""What one call of a command asks for, apart from the settings."""

from __future__ import annotations

from dataclasses import dataclass

from pixmill.cli.flags import Alpha


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """The flags of the command that are no settings."""

    inputs: tuple[str, ...]
    output: str | None = None
    n: int = 3
    counts: bool = False
    header: bool = False
    keep_columns: tuple[str, ...] = ()
    alpha: Alpha = "visible"
    url_column: str | None = None
    allow_files: bool = False
    overwrite: bool = False
    dedupe: bool = True
    verbosity: int = 0
