"""How much memory a worker may take, seen from inside the worker.

The limit is RLIMIT_DATA: since Linux 4.7 it counts private writable memory, the heap and anonymous
mappings, which is where pixels go. RLIMIT_AS would also count what costs nothing: libraries and
passed files that are merely mapped, the slots shared with the parent, and the 64 MiB of addresses
that malloc reserves for every thread; hundreds of MB by which a limit would be off. Where the
kernel does not enforce RLIMIT_DATA (macOS) all of this does nothing and hurts nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource

SLACK_BYTES = 64 * 2**20
"""What a worker may hold beyond its grant.

Kernels' scratch, threads' stacks, libraries' tables, and what an allocator keeps for later.
"""


class Allowance:
    """The limit of this process, relative to what it held when this object was made."""

    def __init__(self) -> None:
        try:
            self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._statm = -1
        self._page_bytes = resource.getpagesize()
        self._grant_bytes = 0
        self._base_bytes = self._held_bytes()

    def set(self, grant_bytes: int) -> None:
        """Allow `grant_bytes` and the slack on top of the base from now on; 0: no limit."""
        if grant_bytes == self._grant_bytes:
            return
        self._grant_bytes = grant_bytes
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        soft = self._base_bytes + grant_bytes + SLACK_BYTES if grant_bytes else hard
        if hard != resource.RLIM_INFINITY:
            soft = min(soft, hard)
        with contextlib.suppress(OSError, ValueError):  # a platform that knows no such limit
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))

    def fits(self, need_bytes: int) -> bool:
        """Tell whether `need_bytes` can still be had, after giving memory back if that helps."""
        if not need_bytes or not self._grant_bytes:
            return True
        room = self._grant_bytes + SLACK_BYTES - need_bytes
        return self._kept_bytes() <= room or self._kept_bytes(after_trim=True) <= room

    def settle(self) -> bool:
        """Give back what a big item left behind; False if more than the slack stays."""
        return self._kept_bytes(after_trim=True) <= SLACK_BYTES

    def _kept_bytes(self, *, after_trim: bool = False) -> int:
        if after_trim:
            _trim()
        return self._held_bytes() - self._base_bytes

    def _held_bytes(self) -> int:
        if self._statm < 0:
            return 0
        return int(os.pread(self._statm, 200, 0).split()[5]) * self._page_bytes


def _trim() -> None:
    gc.collect()
    with contextlib.suppress(AttributeError):  # only glibc has malloc_trim
        ctypes.CDLL(None).malloc_trim(0)


def forbid_core_dumps() -> None:
    """Crashes of decoders are expected; their core files would fill the disk."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
