"""Lists to give to the command, and what came of them."""

from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING

from tests.command import LOOPBACK
from tests.pictures import png

if TYPE_CHECKING:
    from pathlib import Path


FLAGS = ("--workers", "1", *LOOPBACK)


def body(number: int) -> bytes:
    """What the origin serves as `/NUMBER.png`."""
    return png(random.Random(number))


def listed(folder: Path, urls: list[str], name: str = "urls.txt") -> Path:
    path = folder / name
    path.write_text("".join(f"{url}\n" for url in urls), encoding="utf-8")
    return path


def lines_of(path: Path) -> io.StringIO:
    return io.StringIO(path.read_bytes().decode(), newline="")
