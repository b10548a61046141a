"""A picture made of another by a chain of operations, as a worker process makes it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pixmill.errors import OutputError

if TYPE_CHECKING:
    from pixmill.imaging.header import Header
    from pixmill.imaging.operations import Chain
    from pixmill.imaging.probe import Limits

_INLINE_BYTES = 256 * 1024  # a picture beyond this goes to a file


class RenderTask(NamedTuple):
    """One order to a worker: the header that was probed, what to do, and what no step may exceed.

    `folder` is where the picture goes as a file if it is large.
    """

    header: Header
    chain: Chain
    limits: Limits
    folder: str


class Made(NamedTuple):
    """The picture that was made: its file, or the path of one that is large; who gets it owns it.

    `size` is in bytes.
    """

    content: bytes | str
    size: int
    format: str
    width: int
    height: int


def make(data: memoryview, task: RenderTask) -> Made:
    """Make the picture. Raises what `imaging.rendering.render` does, OutputError for no room."""
    from pixmill.imaging.rendering import render  # noqa: PLC0415  see the package's docstring

    rendered = render(data, task.header, task.chain, task.limits)
    content: bytes | str = rendered.data
    if len(rendered.data) > _INLINE_BYTES:
        content = _written(rendered.data, Path(task.folder))
    return Made(content, len(rendered.data), rendered.format, rendered.width, rendered.height)


def _written(data: bytes, folder: Path) -> str:
    path = folder / f"{secrets.token_hex(8)}.made"
    try:
        with path.open("xb") as file:
            file.write(data)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OutputError(f"{folder} takes no file: {os.strerror(error.errno or 0)}") from error
    return str(path)
