"""Chains with a name. `preset NAME` in a chain stands for the operations of its text."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PRESETS: Mapping[str, str] = MappingProxyType(
    {
        "thumbnail": "resize 256 256 shrink\nstrip\nconvert webp",
        "preview": "resize 1024 1024 shrink\nstrip\nconvert jpeg",
        "normalized": "resize 2048 2048 shrink\nstrip\nflatten #FFFFFF\nconvert png",
    }
)
"""The text of each preset by its name."""
