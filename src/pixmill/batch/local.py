"""Local files as bodies, held to the limits of downloads.

Read into memory or an unlinked copy rather than mapped in place: a file that shrinks while it is
mapped ends the process that looks at it.
"""

from __future__ import annotations

import asyncio
import os
import stat
from contextlib import ExitStack
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from pixmill.errors import InvalidUrl

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.fetch.body import Body, BodyWriter

P = ParamSpec("P")
T = TypeVar("T")

_PIECE_BYTES = 2**20


async def read_file(path: str, writer: BodyWriter) -> Body:
    """Read a regular file into `writer`.

    Raises TooManyBytes past the writer's limit; InvalidUrl where the path can not be read or is no
    regular file: a device or a pipe could block or never end. On any error, and when canceled,
    nothing stays held.
    """
    try:
        with ExitStack() as opened:
            descriptor = await _in_thread(_open_regular, path, opened)
            writer.expect(os.fstat(descriptor).st_size)
            while piece := await _in_thread(os.read, descriptor, _PIECE_BYTES):
                writer.write(piece)
                await writer.wait_for_room()
    except (OSError, ValueError) as error:
        writer.discard()
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidUrl(f"the file can not be read: {reason}") from error
    except BaseException:
        writer.discard()
        raise
    return writer.finish()


def _open_regular(path: str, opened: ExitStack) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    opened.callback(os.close, descriptor)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise InvalidUrl("the path is no regular file")
    return descriptor


async def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Await a call in a thread; when canceled too, since the call uses what is closed then."""
    call = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.wait([call])
        raise
