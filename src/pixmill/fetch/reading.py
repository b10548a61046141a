"""The body of one answer, read in large pieces, decoded and bounded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp

from pixmill.fetch.encoding import inflater

if TYPE_CHECKING:
    from pixmill.fetch.body import Body, BodyWriter
    from pixmill.fetch.encoding import Inflater


async def read_body(response: aiohttp.ClientResponse, writer: BodyWriter) -> Body:
    """Read to the end into `writer`, whatever the headers claim.

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
            await _read(response, writer, decoder)
        else:
            connection = response.connection
            protocol = None if connection is None else connection.protocol
            await _read(response, writer, decoder)
            # Where only the end of the connection ends the body, aiohttp takes a reset for that
            # end.
            if protocol is not None and isinstance(protocol.exception(), aiohttp.ClientOSError):
                raise aiohttp.ClientPayloadError
        return writer.finish()
    except BaseException:
        writer.discard()
        raise


async def _read(
    response: aiohttp.ClientResponse, writer: BodyWriter, decoder: Inflater | None
) -> None:
    content = response.content
    if decoder is None:
        while chunk := await content.readany():
            writer.write(chunk)
            await writer.wait_for_room()
        return
    while chunk := await content.readany():
        for piece in decoder.feed(chunk):
            writer.write(piece)
            await writer.wait_for_room()
            await asyncio.sleep(0)  # a bomb gives many pieces a chunk: let others run
    decoder.end()
