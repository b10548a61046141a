"""Folders for work that is under way, and those that killed processes left.

Each is locked for as long as it is in use, so whoever makes the next one tells the two apart. Where
a file system knows no locks, nothing is cleared.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def work_folder(beside: Path, prefix: str) -> Iterator[Path]:
    """Make a folder in `beside` and delete it at the end, and before that those left of others.

    Raises OSError.
    """
    _clear_left(beside, prefix)
    folder, lock = _locked_folder(beside, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(lock)


def _locked_folder(beside: Path, prefix: str) -> tuple[Path, int]:
    """Make a folder and lock it, again where somebody took it for left before it was locked."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=beside))
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        _lock(lock, wait=True)
        if folder.exists():
            return folder, lock
        os.close(lock)


def _clear_left(beside: Path, prefix: str) -> None:
    for folder in beside.glob(f"{prefix}*"):
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:  # gone meanwhile, or none of ours
            continue
        try:
            if _lock(lock, wait=False):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)


def _lock(descriptor: int, *, wait: bool) -> bool:
    """Lock a folder until it is closed; False where another has it, or there are no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True
