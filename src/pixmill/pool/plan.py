"""What a pool was asked for, and how its memory is divided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.errors import TooManyPixels

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Plan:
    """What the pool was asked for. `budget_bytes` is None where memory is not limited."""

    function_name: str
    preload: Sequence[str]
    workers: int
    item_timeout_s: float
    budget_bytes: int | None
    slot_bytes: int

    @property
    def capacity(self) -> int:
        """What can be reserved: bytes, or workers where memory is not limited."""
        return self.workers if self.budget_bytes is None else self.budget_bytes

    @property
    def share(self) -> int:
        """What a usual task reserves."""
        return self.capacity // self.workers

    def cost(self, need_bytes: int) -> int:
        """Return what a task reserves. Raises TooManyPixels if it can never be had."""
        if self.budget_bytes is None:
            return self.share
        if need_bytes > self.budget_bytes:
            mib = 2**20
            raise TooManyPixels(
                f"decoding needs {need_bytes / mib:.0f} MiB,"
                f" more than the {self.budget_bytes / mib:.0f} MiB that there are"
            )
        return max(self.share, need_bytes)
