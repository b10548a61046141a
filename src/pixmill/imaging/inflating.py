"""Kernels that undo what a PNG of few surprises was packed with: DEFLATE, Adler-32, line filters.

Owns the loops (RFC 1950, RFC 1951, ISO/IEC 15948 clause 9). Every read and write is within bounds
whatever the bytes are. Whatever is in the least odd ends in a negative number: what it means, the
general decoder finds out. Importing this module needs numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from pixmill.color.compiled import compiled

PADDING = 16
"""Zero bytes that have to follow the packed data, so that words can be read at their end."""

WINDOW, LONGEST = 1 << 15, 258
"""How far back a match may reach, and the most bytes that it writes."""

HEADER, STORED, CODED, DONE = 0, 1, 2, 3
"""What comes next in a stream: a block's header, stored bytes, codes, nothing."""

STATE = 4
"""Numbers of a stream's state: bits read, what comes next, if this is the last block, bytes left
of a stored one."""

TABLE = 1 << 15
"""Entries of a table of codes, one for each 15 bits that may come: symbol << 4 | length."""

_BYTES = types.uint8[::1]
_PACKED = types.Array(types.uint8, 1, "C", readonly=True)
_CODES = types.uint16[::1]
_ORDER = np.array([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15], np.int64)
_LENGTHS = np.array(
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
     163, 195, 227, 258], np.int64)  # fmt: skip
_LENGTH_BITS = np.array(
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0],
    np.int64)  # fmt: skip
_DISTANCES = np.array(
    [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537,
     2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577], np.int64)  # fmt: skip
_DISTANCE_BITS = np.array(
    [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13,
     13], np.int64)  # fmt: skip
# of Adler's second sum, for as many samples as 32 bits hold it
_WEIGHTS = np.arange(4096, 0, -1).astype(np.int16)
_PRIME = np.uint64(65521)


@njit(inline="always")
def _bits(packed: Any, at: Any) -> Any:
    """At least 57 bits from bit `at` on, of which the padding may be part."""
    first = min(at >> 3, packed.size - 8)
    word = np.uint64(0)
    for i in range(8):
        word |= np.uint64(packed[first + i]) << np.uint64(8 * i)
    return word >> np.uint64(at & 7)


@njit(inline="always")
def _low(word: Any, count: Any) -> Any:
    return np.int64(word & ((np.uint64(1) << np.uint64(count)) - np.uint64(1)))


@njit
def _read_codes(lengths: Any, lone: Any, table: Any) -> Any:
    """Fill a table from the lengths of codes; False where they are not exactly all there can be.

    `lone` allows a single code of one bit, or none.
    """
    counts, codes = np.zeros(17, np.int64), np.zeros(17, np.int64)
    for length in lengths:
        counts[length] += 1
    counts[0] = 0
    for length in range(1, 16):
        codes[length + 1] = (codes[length] + counts[length]) << 1
    complete = codes[16] == 1 << 16
    used = counts.sum()
    if not complete and not (lone and (used == 0 or (used == 1 and counts[1] == 1))):
        return False
    table[:] = 0
    for symbol in range(lengths.size):
        length = np.int64(lengths[symbol])
        if length > 0:
            turned = 0
            for bit in range(length):
                turned |= (codes[length] >> bit & 1) << (length - 1 - bit)
            codes[length] += 1
            table[turned :: 1 << length] = symbol << 4 | length
    return True


@njit
def _read_fixed(literals: Any, distances: Any) -> None:
    """RFC 1951, 3.2.6; of the distances the last two stand for nothing."""
    lengths = np.full(288, 8, np.uint8)
    lengths[144:256] = 9
    lengths[256:280] = 7
    _read_codes(lengths, False, literals)  # noqa: FBT003 - numba knows no keywords here
    _read_codes(np.full(32, 5, np.uint8), False, distances)  # noqa: FBT003


@njit
def _read_dynamic(packed: Any, at: Any, literals: Any, distances: Any) -> Any:
    """Read the tables of a block, RFC 1951, 3.2.7; the bit after them, or a negative number."""
    word = _bits(packed, at)
    many = 257 + _low(word, 5)
    total = many + 1 + _low(word >> np.uint64(5), 5)
    few = 4 + _low(word >> np.uint64(10), 4)
    at += 14
    lengths = np.zeros(320, np.uint8)
    for i in range(few):
        lengths[_ORDER[i]] = _low(_bits(packed, at), 3)
        at += 3
    if many > 286 or total - many > 30 or not _read_codes(lengths[:19], False, literals):  # noqa: FBT003
        return -1
    lengths[:19] = 0
    done = 0
    while done < total:
        word = _bits(packed, at)
        entry = np.int64(literals[_low(word, 15)])
        symbol, at = entry >> 4, at + (entry & 15)
        word >>= np.uint64(entry & 15)
        if symbol < 16:
            lengths[done] = symbol
            done += 1
            continue
        if symbol == 16 and done == 0:
            return -1
        bits = 2 if symbol == 16 else 3 if symbol == 17 else 7
        repeats = (11 if symbol == 18 else 3) + _low(word, bits)
        if done + repeats > total:
            return -1
        lengths[done : done + repeats] = lengths[done - 1] if symbol == 16 else 0
        done, at = done + repeats, at + bits
    if lengths[256] == 0 or not _read_codes(lengths[:many], False, literals):  # noqa: FBT003
        return -1
    return at if _read_codes(lengths[many:total], True, distances) else -1  # noqa: FBT003


@njit
def _copy(out: Any, start: Any, distance: Any, length: Any) -> None:
    """Repeat what was written `distance` before."""
    if distance == 1:
        out[start : start + length] = out[start - 1]
    elif distance >= length:
        out[start : start + length] = out[start - distance : start - distance + length]
    else:
        for i in range(start, start + length):
            out[i] = out[i - distance]


@njit
def _decode(  # noqa: PLR0913, PLR0917  a kernel takes its arrays one by one
    packed: Any, out: Any, start: Any, limit: Any, state: Any, literals: Any, distances: Any
) -> Any:
    """Decode codes until `limit`, or the block's end; where writing ended, or -1."""
    at, end = state[0], 8 * (packed.size - PADDING)
    while start < limit and at <= end:
        word = _bits(packed, at)
        entry = np.int64(literals[_low(word, 15)])
        symbol, used = entry >> 4, entry & 15
        if symbol < 256 and used > 0:
            out[start] = symbol
            start, at = start + 1, at + used
            continue
        if symbol == 256:
            state[0], state[1] = at + used, HEADER
            return start
        if used == 0 or symbol > 285:
            return -1
        bits = _LENGTH_BITS[symbol - 257]
        length = _LENGTHS[symbol - 257] + _low(word >> np.uint64(used), bits)
        used += bits
        entry = np.int64(distances[_low(word >> np.uint64(used), 15)])
        symbol, used = entry >> 4, used + (entry & 15)
        if entry == 0 or symbol > 29:
            return -1
        bits = _DISTANCE_BITS[symbol]
        distance = _DISTANCES[symbol] + _low(word >> np.uint64(used), bits)
        if distance > start:
            return -1
        _copy(out, start, distance, length)
        start, at = start + length, at + used + bits
    state[0] = at
    return start if at <= end else -1


@njit
def _open_block(packed: Any, state: Any, literals: Any, distances: Any) -> Any:
    """Read a block's header; False where it makes no sense."""
    word = _bits(packed, state[0])
    state[2], kind = _low(word, 1), _low(word >> np.uint64(1), 2)
    state[0] += 3
    if kind == 0:
        state[0] = (state[0] + 7) >> 3 << 3
        word = _bits(packed, state[0])
        state[3] = _low(word, 16)
        state[0] += 32
        state[1] = STORED
        return state[3] ^ 0xFFFF == _low(word >> np.uint64(16), 16)
    state[1] = CODED
    if kind == 1:
        _read_fixed(literals, distances)
    elif kind == 2:
        state[0] = _read_dynamic(packed, state[0], literals, distances)
    return kind < 3 and state[0] >= 0


@njit
def _copy_stored(packed: Any, out: Any, start: Any, limit: Any, state: Any) -> Any:
    first = state[0] >> 3
    count = min(state[3], limit - start)
    if first + count > packed.size - PADDING:
        return -1
    out[start : start + count] = packed[first : first + count]
    state[0] += 8 * count
    state[3] -= count
    if state[3] == 0:
        state[1] = HEADER
    return start + count


@compiled(
    types.int64, _PACKED, _BYTES, types.int64, types.int64, types.int64[::1], _CODES, _CODES
)  # fmt: skip
def inflate(  # noqa: PLR0913, PLR0917  a kernel takes its arrays one by one
    packed: Any, out: Any, start: Any, limit: Any, state: Any, literals: Any, distances: Any
) -> Any:
    """Go on with a stream: write to `out` from `start` until `limit`, or the stream's end.

    `out` begins with the stream so far, or its end, as far as matches may reach, and has room for `LONGEST` bytes after `limit`.
    `packed` ends with `PADDING` zeros. `state`, `STATE` numbers, all zero but for the bit to begin
    with, and the two tables of `TABLE` codes are kept from call to call. Returns where writing
    ended, or a negative number.
    """
    end = 8 * (packed.size - PADDING)
    while start >= 0 and start < limit and state[1] != DONE:
        if state[1] == CODED:
            start = _decode(packed, out, start, limit, state, literals, distances)
        elif state[1] == STORED:
            start = _copy_stored(packed, out, start, limit, state)
        elif state[2] == 1:
            state[1] = DONE
        elif not _open_block(packed, state, literals, distances) or state[0] > end:
            return -1
    return start


@compiled(types.int64, _BYTES, types.int64)
def adler32(samples: Any, before: Any) -> Any:
    """Go on with the checksum `before`, 1 to begin with: RFC 1950, section 8."""
    low, high = np.uint64(before & 0xFFFF), np.uint64(before >> 16)
    for first in range(0, samples.size, _WEIGHTS.size):
        part = samples[first : first + _WEIGHTS.size]
        weights = _WEIGHTS[_WEIGHTS.size - part.size :]
        plain, weighed = np.int32(0), np.int32(0)
        for i in range(part.size):
            sample = np.int32(part[i])
            # numba would go on with 64 bits, half as fast
            plain = np.int32(plain + sample)
            weighed = np.int32(weighed + np.int32(sample * np.int32(weights[i])))
        high = (high + np.uint64(part.size) * low + np.uint64(weighed)) % _PRIME
        low = (low + np.uint64(plain)) % _PRIME
    return np.int64(high << np.uint64(16) | low)


@njit(inline="always")
def _paeth(a: Any, b: Any, c: Any) -> Any:
    """The neighbor nearest to a + b - c, the first of several."""
    to_a, to_b, to_c = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    return a if to_a <= to_b and to_a <= to_c else b if to_b <= to_c else c


@njit
def _unfilter_row(kind: Any, line: Any, above: Any, row: Any) -> None:
    size = row.size
    if kind == 0:
        row[:] = line
    elif kind == 2:
        for i in range(size):
            row[i] = line[i] + above[i]
    else:
        for i in range(size):
            left = np.int64(row[i - 3]) if i >= 3 else 0
            corner = np.int64(above[i - 3]) if i >= 3 else 0
            up = np.int64(above[i])
            if kind == 1:
                row[i] = line[i] + left
            elif kind == 3:
                row[i] = line[i] + ((left + up) >> 1)
            else:
                row[i] = line[i] + _paeth(left, up, corner)


@compiled(types.boolean, types.uint8[:, ::1], _BYTES, types.uint8[:, ::1])
def unfilter(lines: Any, above: Any, rows: Any) -> Any:
    """Undo the filters of lines of RGB, (n, 1 + 3 w) with the filter first, to `rows` (n, 3 w).

    `above` is the row before. False where there is no such filter.
    """
    for y in range(lines.shape[0]):
        if lines[y, 0] > 4:
            return False
        _unfilter_row(lines[y, 0], lines[y, 1:], above if y == 0 else rows[y - 1], rows[y])
    return True
