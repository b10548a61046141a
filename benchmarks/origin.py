"""A local nginx that gives files away: what every benchmark over HTTP downloads from."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.services import NGINX, serve_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def origin(folder: Path, files: dict[str, bytes]) -> Iterator[str]:
    """Serve `files` by their names, all that nginx needs under `folder`; give the base URL."""
    nginx = NGINX.find() or sys.exit(f"nginx is needed: {NGINX.how}")
    root, work = folder / "root", folder / "work"
    for part in (root, work):
        part.mkdir(exist_ok=True)
    for name, data in files.items():
        (root / name).write_bytes(data)
    with serve_files(nginx, root, work) as base:
        yield base


def numbered(files: list[bytes]) -> dict[str, bytes]:
    """Name JPEGs by their place: `0.jpg` and so on."""
    return {f"{index}.jpg": data for index, data in enumerate(files)}
