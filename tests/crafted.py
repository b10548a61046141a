"""Functions that behave as badly as decoders can, for the pool's workers to run."""

from __future__ import annotations

import ctypes
import hashlib
import os
import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np

from pixmill.errors import CorruptImage

_KEPT = []


class _OfThisProcess:
    def __reduce__(self):
        raise TypeError("can not be pickled")


class WithLock(Exception):
    """An exception that can not be pickled."""

    def __init__(self):
        super().__init__("locked")
        self.lock = _OfThisProcess()


def echo(view, argument):
    return bytes(view), argument


def digest(view, argument):
    return hashlib.md5(view).hexdigest(), argument


def pid(view, argument):
    time.sleep(argument or 0)
    return os.getpid()


def spin(view, milliseconds):
    """Burn CPU time for about so long and say how many bytes there were."""
    end = time.perf_counter() + milliseconds / 1000
    while time.perf_counter() < end:
        pass
    return len(view)


def square(view, argument):
    """Take a few milliseconds, so that kills come in the middle."""
    number, seconds = argument
    time.sleep(seconds)
    return number * number, len(view)


def misbehave(view, argument):
    """Do what the payload says: one of the deeds below, or nothing; say the payload."""
    name = bytes(view).decode()
    return _DEEDS.get(name, _say)(argument) or name


def _say(argument):
    return None


def _segfault(argument):
    ctypes.string_at(0)


def _hang(argument):
    while True:
        time.sleep(1)


def _hang_in_c(argument):
    """Hold the interpreter's lock for ever, as a kernel in an endless loop would."""
    ctypes.PyDLL(None).pause()


def _allocate(argument):
    """Allocate without end, touching every page."""
    taken = []
    while True:
        taken.append(bytearray(2**20))
        taken[-1][::4096] = b"x" * 256


def _abort(argument):
    os.abort()


def _sys_exit(argument):
    sys.exit(3)


def _os_exit(argument):
    os._exit(0)


def _suicide(argument):
    """Die as by the kernel's out-of-memory killer."""
    os.kill(os.getpid(), signal.SIGKILL)


def _close_all(argument):
    """Close every descriptor, and live on."""
    os.closerange(3, 4096)
    time.sleep(60)


def _item_error(argument):
    raise CorruptImage("no pixels", http_status=200, attempts=2)


def _zero_division(argument):
    return 1 / 0


def _unpicklable_error(argument):
    raise WithLock


def _unpicklable_item_error(argument):
    error = CorruptImage("no pixels")
    error.lock = _OfThisProcess()
    raise error


def _unpicklable(argument):
    return _OfThisProcess()


def _print(argument):
    sys.stdout.write("noise")
    os.write(1, b"noise")


_DEEDS = {
    "segfault": _segfault,
    "hang": _hang,
    "hang_in_c": _hang_in_c,
    "allocate": _allocate,
    "abort": _abort,
    "sys_exit": _sys_exit,
    "os_exit": _os_exit,
    "suicide": _suicide,
    "close_all": _close_all,
    "item_error": _item_error,
    "zero_division": _zero_division,
    "unpicklable_error": _unpicklable_error,
    "unpicklable_item_error": _unpicklable_item_error,
    "unpicklable": _unpicklable,
    "print": _print,
}


def take(view, megabytes):
    """Hold so many MiB at once, give them back, and say which process it was."""
    taken = bytearray(megabytes * 2**20)
    taken[::4096] = b"x" * len(taken[::4096])
    return os.getpid()


def crumble(view, megabytes):
    """Take so many MiB in small blocks and free all but the last, which keeps the heap high."""
    blocks = [b"x" * 2**16 for _ in range(16 * megabytes)]
    _KEPT.append(bytes(2**16))
    del blocks
    return os.getpid()


def hoard(view, megabytes):
    """Take so many MiB and never give them back."""
    _KEPT.append(bytearray(megabytes * 2**20))
    return os.getpid()


def hoard_or_abort(view, megabytes):
    """Hoard, but die where there is not enough, as a C library does that checks no malloc."""
    try:
        return hoard(view, megabytes)
    except MemoryError:
        os.abort()


def keep_view(view, argument):
    """Keep hold of the payload beyond the call."""
    _KEPT.append(np.frombuffer(view, np.uint8))
    return os.getpid()


def await_file(view, path):
    """Say so by a file, and wait until there is another."""
    Path("begun").touch()
    while not Path(path).exists():
        time.sleep(0.01)
    return os.getpid()


def nap(view, argument):
    """Sleep for the seconds that the payload spells, and say the argument."""
    time.sleep(float(bytes(view)))
    return argument


def limit(view, argument):
    """Say the limit of private memory, in bytes."""
    return resource.getrlimit(resource.RLIMIT_DATA)[0]


def surroundings(view, argument):
    """Say what a worker has inherited."""
    return {
        "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
        "ignored": [signal.getsignal(n) == signal.SIG_IGN for n in (signal.SIGINT, signal.SIGTERM)],
        "read_only": view.readonly,
        "descriptors": sorted(int(entry.name) for entry in Path("/proc/self/fd").iterdir()),
        "preloaded": "colorsys" in sys.modules,
    }


def write_view(view, argument):
    view[0] = 0


def interval(view, seconds):
    """Say when the work began and ended (one clock for all processes), and by a file if named."""
    began = time.monotonic()
    if view:
        Path(os.fsdecode(bytes(view))).touch()
    time.sleep(seconds)
    return began, time.monotonic()
