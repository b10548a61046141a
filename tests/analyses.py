"""Analysis functions that do what hostile images would like to: for tests of the isolated pool."""

from __future__ import annotations

import ctypes
import time
from typing import TYPE_CHECKING

from pixmill.analysis import analyze_packed

if TYPE_CHECKING:
    from pixmill.analysis import Task


def treacherous(data: memoryview, task: Task) -> bytes:
    """Analyse, but die, hang or hoard where the picture's width says so."""
    match task.header.width:
        case 101:
            ctypes.string_at(0)
        case 102:
            time.sleep(3600)
        case 103:
            hoard = []
            while True:
                hoard.append(bytearray(b"x" * 2**24))
        case 104:
            raise ZeroDivisionError("a defect of the product")
    return analyze_packed(data, task)


def slow(data: memoryview, task: Task) -> bytes:
    """Analyse, after a moment in which the process can be killed."""
    time.sleep(0.01)
    return analyze_packed(data, task)
