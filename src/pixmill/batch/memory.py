"""How one cap on memory is shared out among the parts of the pipeline.

The figures of what the processes need before the first image are measured (docs/performance.md) and
rounded up; what is left is divided, so that the sum stays under the cap whatever the input.
"""

from __future__ import annotations

from dataclasses import dataclass

from pixmill.errors import UsageError
from pixmill.pool import SLACK_BYTES

_MIB = 2**20
PARENT_BYTES = 96 * _MIB  # interpreter, HTTP client, buffers of sockets
FORK_SERVER_BYTES = 64 * _MIB  # interpreter, NumPy and Numba; its pages are shared with the workers
# What a worker adds to the pages it shares: its slots and tables, and the slack the pool allows it.
WORKER_BYTES = 40 * _MIB + SLACK_BYTES
# What reading and writing Parquet adds to the parent, pyarrow itself included.
PARQUET_BYTES = 128 * _MIB
LEAST_DECODE_BYTES = 64 * _MIB
_MOST_WAITING_BYTES = 64 * _MIB  # of bodies, and of rows
_BODIES_PART, _ROWS_PART = 16, 32  # of the total; 32 MiB hold 50,000 rows of a few colors


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Shares in bytes: bodies in memory, finished rows that wait, and decoding in all workers."""

    bodies: int
    rows: int
    decode: int

    def of_a_list(self, at_once: int) -> MemoryPlan:
        """Share out what one of `at_once` lists over a pool of others may take.

        It takes what a command leaves to its rows, of which who runs it has none itself.
        """
        share = self.rows // max(1, at_once)
        return MemoryPlan(bodies=share // 2, rows=share // 4, decode=self.decode)


def plan_memory(total: int, workers: int, reserved: int = 0) -> MemoryPlan:
    """Share out `total` bytes among a parent and `workers`.

    `reserved` bytes are left to what else the parent does. Raises UsageError where so many workers
    do not fit.
    """
    least = least_memory(workers, reserved)
    if total < least:
        raise UsageError(
            f"{workers} worker{'s need' if workers > 1 else ' needs'} a memory cap of at least "
            f"{-(-least // _MIB)}M; {total // _MIB}M is given (--memory, --workers)"
        )
    return _divide(total, workers, reserved)


def least_memory(workers: int, reserved: int = 0) -> int:
    """Return the smallest cap in bytes under which so many workers can run."""
    total = _fixed_bytes(workers) + reserved + LEAST_DECODE_BYTES
    while _divide(total, workers, reserved).decode < LEAST_DECODE_BYTES:
        total += _MIB
    return total


def most_workers(total: int, reserved: int = 0) -> int:
    """Return how many workers fit under a cap of `total` bytes, at least 1."""
    workers = 1
    while least_memory(workers + 1, reserved) <= total:
        workers += 1
    return workers


def _divide(total: int, workers: int, reserved: int) -> MemoryPlan:
    bodies = min(_MOST_WAITING_BYTES, total // _BODIES_PART)
    rows = min(_MOST_WAITING_BYTES, total // _ROWS_PART)
    fixed = _fixed_bytes(workers) + reserved
    return MemoryPlan(bodies, rows, decode=total - fixed - bodies - rows)


def _fixed_bytes(workers: int) -> int:
    return PARENT_BYTES + FORK_SERVER_BYTES + workers * WORKER_BYTES
