"""Splits bytes into numbered physical lines in bounded memory.

Where the bytes come from is left to `listfile`, what a line means to the readers of the formats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Of a line too long to be held this much is kept: enough for the characters shown, in any UTF-8.
_HEAD_BYTES = 800

# (line number, offset of its first byte, its bytes without the line feed, whether they are cut
# off). A plain tuple: a million of them are made a second.
Line = tuple[int, int, bytes, bool]


def split_lines(
    read: Callable[[int], bytes], *, before: int, start: int, max_bytes: int
) -> Iterator[Line]:
    """Split blocks into lines, numbered from `before` + 1, the first of them at byte `start`.

    `read` is called with the number of the line reached and gives the next block, empty at the end.
    A line of more than `max_bytes` is never held: its beginning is yielded, marked as cut off.
    """
    line, offset = before, start
    # Never more than is surely there, so that it does not depend on how the blocks fall.
    head_bytes = min(_HEAD_BYTES, max_bytes)
    tail = pending = b""
    while block := pending or read(line):
        pending = b""
        raws = (tail + block).split(b"\n")
        tail = raws.pop()
        for raw in raws:
            line += 1
            if len(raw) <= max_bytes:
                yield line, offset, raw, False
            else:
                yield line, offset, raw[:head_bytes], True
            offset += len(raw) + 1
        if len(tail) > max_bytes:
            size, pending = _drain(read, line, len(tail))
            line += 1
            yield line, offset, tail[:head_bytes], True
            offset += size + 1
            tail = b""
    if tail:
        yield line + 1, offset, tail, False


def _drain(read: Callable[[int], bytes], line: int, size: int) -> tuple[int, bytes]:
    """Read on to the end of a line of which `size` bytes are known.

    Gives its whole size and what was read of the lines after it.
    """
    while block := read(line):
        end = block.find(b"\n")
        if end >= 0:
            return size + end, block[end + 1 :]
        size += len(block)
    return size, b""
