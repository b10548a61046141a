"""The body of one answer, read in large pieces, decoded and bounded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp

from pixmill.fetch.encoding import inflater

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from pixmill.fetch.body import Body, BodyWriter
    from pixmill.fetch.encoding import Inflater

    Excuse: TypeAlias = Callable[[Awaitable[None]], Awaitable[None]]


async def read_body(response: aiohttp.ClientResponse, writer: BodyWriter, excuse: Excuse) -> Body:
    """Read to the end into `writer`, whatever the headers claim; waits for room by `excuse`.

    `TooManyBytes`, `TruncatedBody` and `OutputError` are raised as such, aiohttp's own errors pass.
    On any of them, and when canceled, nothing stays held.
    """
    headers = response.headers
    decoder = inflater(headers.get("Content-Encoding"))
    length = response.content_length
    try:
        if length is not None:
            if decoder is None:
                writer.expect(length)
            await _read(response, writer, decoder, excuse)
        else:
            connection = response.connection
            protocol = None if connection is None else connection.protocol
            await _read(response, writer, decoder, excuse)
            # Where only the end of the connection ends the body, aiohttp takes a reset for that
            # end.
            if protocol is not None and isinstance(protocol.exception(), aiohttp.ClientOSError):
                raise aiohttp.ClientPayloadError
        return writer.finish()
    except BaseException:
        writer.discard()
        raise


async def _read(
    response: aiohttp.ClientResponse,
    writer: BodyWriter,
    decoder: Inflater | None,
    excuse: Excuse,
) -> None:
    content = response.content
    if decoder is None:
        while chunk := await content.readany():
            writer.write(chunk)
            if writer.in_file:
                await excuse(writer.wait_for_room())
        return
    while chunk := await content.readany():
        for piece in decoder.feed(chunk):
            writer.write(piece)
            if writer.in_file:
                await excuse(writer.wait_for_room())
            await asyncio.sleep(0)  # a bomb gives many pieces a chunk: let others run
    decoder.end()
