"""Kernels that count candidates in slots, and what is in doubt after that.

Owns the loops; which one runs when, and why the answer is exact, is decided in `fast`. The hash is
described in `compiled`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from pixmill.color.compiled import (
    COUNTS,
    HEAP,
    MULTIPLIER,
    PIXELS,
    compiled,
    hash_at,
    offer,
    rgb_at,
)

# Unaligned: the words are a view of bytes that may start anywhere.
_WORDS = types.Array(types.uint32, 1, "C", readonly=True, aligned=False)
_HASHES = types.uint32[::1]
_ROWS = types.uint16[:, ::1]
_BATCH = 3 * 32767  # words in which a counter comes to 65,534 at most: two of four pixels in a row
_TABLE = types.uint16[::1]
_SEEN = types.uint32[::1]
_U16, _U32, _U64 = np.uint16, np.uint32, np.uint64


@compiled(types.int64, PIXELS, types.uint32, _HASHES, types.int32[::1], HEAP)
def survey(sample: Any, shift: Any, likely: Any, leads: Any, heap: Any) -> Any:
    """Find a likely majority color of each slot (Misra and Gries, 1982, with one counter a slot).

    `shift` is 32 minus the bits of a slot. `likely` and `leads`, one a slot, start at zero and end
    as the hash of the slot's likeliest color and its lead over all others of the slot. `heap`
    starts at zero; the n-th greatest lead, n being its size, is returned.
    """
    for i in range(sample.size // 3):
        h = hash_at(sample, i)
        slot = h >> shift
        if leads[slot] == 0:
            likely[slot] = h
            leads[slot] = 1
        elif likely[slot] == h:
            leads[slot] += 1
        else:
            leads[slot] -= 1
    for slot in range(leads.size):
        offer(heap, _U64(leads[slot]))
    return np.int64(heap[0])


@njit(inline="always")
def _add_four(  # noqa: PLR0913, PLR0917  a kernel takes its arrays one by one
    a: Any, b: Any, c: Any, times: Any, shift: Any, likely: Any, rows: Any
) -> None:
    """Count `times` the four pixels of three words; no branch depends on them."""
    first = rows[0]
    second = rows[1]
    h0 = _U32(a * MULTIPLIER)
    h1 = _U32(_U32(_U32(a >> _U32(24)) | _U32(b << _U32(8))) * MULTIPLIER)
    h2 = _U32(_U32(_U32(b >> _U32(16)) | _U32(c << _U32(16))) * MULTIPLIER)
    h3 = _U32(_U32(c >> _U32(8)) * MULTIPLIER)
    s0 = h0 >> shift
    s1 = h1 >> shift
    s2 = h2 >> shift
    s3 = h3 >> shift
    first[2 * s0 + (likely[s0] == h0)] += times
    second[2 * s1 + (likely[s1] == h1)] += times
    first[2 * s2 + (likely[s2] == h2)] += times
    second[2 * s3 + (likely[s3] == h3)] += times


@njit(inline="always")
def _flush(rows: Any, totals: Any) -> None:
    """Add `rows` to `totals` and set them to zero."""
    first = rows[0]
    second = rows[1]
    for k in range(totals.size):
        totals[k] += np.int64(first[k]) + np.int64(second[k])
        first[k] = 0
        second[k] = 0


@compiled(types.void, _WORDS, types.uint32, _HASHES, _ROWS, COUNTS)
def tally(words: Any, shift: Any, likely: Any, rows: Any, totals: Any) -> None:
    """Count each pixel for its slot's candidate, if it is that, or else for the slot's others.

    `words` are the bytes of the pixels as little-endian 32-bit words, a multiple of three: four
    pixels in three words. `totals` (two a slot: others, candidate) is added to. `rows`, two like
    `totals`, are zero before and after: 16-bit counters keep the tables in the first-level cache,
    and neighboring pixels, which are often equal, count in different rows because an increment
    waits for the one before it at the same address.
    """
    shift = _U32(shift & _U32(31))
    for start in range(0, words.size, _BATCH):
        # A slice, since an index counted from zero needs no check for being negative.
        some = words[start : start + _BATCH]
        for g in range(some.size // 3):
            _add_four(some[3 * g], some[3 * g + 1], some[3 * g + 2], _U16(1), shift, likely, rows)
        _flush(rows, totals)


@compiled(types.void, _WORDS, types.uint32, _HASHES, _ROWS, COUNTS)
def tally_runs(words: Any, shift: Any, likely: Any, rows: Any, totals: Any) -> None:
    """Do as `tally`, several times faster where the same four pixels follow one another.

    Elsewhere it is slower by a tenth or two.
    """
    shift = _U32(shift & _U32(31))
    for start in range(0, words.size, _BATCH):
        some = words[start : start + _BATCH]
        last_a = some[0]
        last_b = some[1]
        last_c = some[2]
        times = _U16(0)
        for g in range(some.size // 3):
            a = some[3 * g]
            b = some[3 * g + 1]
            c = some[3 * g + 2]
            if ((a ^ last_a) | (b ^ last_b) | (c ^ last_c)) != 0:
                _add_four(last_a, last_b, last_c, times, shift, likely, rows)
                last_a = a
                last_b = b
                last_c = c
                times = _U16(0)
            times = _U16(times + _U16(1))
        _add_four(last_a, last_b, last_c, times, shift, likely, rows)
        _flush(rows, totals)


@compiled(types.void, PIXELS, types.uint32, _HASHES, COUNTS)
def tally_rest(pixels: Any, shift: Any, likely: Any, totals: Any) -> None:
    """Do as `tally` for the last pixels, which fill no three words."""
    for i in range(pixels.size // 3):
        h = hash_at(pixels, i)
        totals[2 * (h >> shift) + (likely[h >> shift] == h)] += 1


@compiled(types.int64, COUNTS, HEAP)
def nth_candidate(totals: Any, heap: Any) -> Any:
    """Find the n-th greatest of the candidates' counts; `heap`, n long, starts at zero."""
    for k in range(1, totals.size, 2):
        offer(heap, _U64(totals[k]))
    return np.int64(heap[0])


@compiled(types.int64, PIXELS, _TABLE, _SEEN, types.int64)
def count_each(pixels: Any, table: Any, seen: Any, distinct: Any) -> Any:
    """Count each pixel in `table`, 2^24 counters in order of RGB, and list new colors in `seen`.

    `distinct` is how many are listed before; how many after is returned. `seen` needs room for one
    more than all pixels. No color may come to more than 65,535.
    """
    for i in range(pixels.size // 3):
        rgb = rgb_at(pixels, i)
        count = table[rgb]
        seen[distinct] = rgb
        distinct += np.int64(count == 0)
        table[rgb] = _U16(count + _U16(1))
    return distinct


@compiled(
    types.int64, PIXELS, types.uint32, types.uint8[::1], _HASHES, types.uint8[::1], types.int64
)
def collect_others(  # noqa: PLR0913, PLR0917  a kernel takes its arrays one by one
    pixels: Any, shift: Any, hot: Any, likely: Any, out: Any, kept: Any
) -> Any:
    """Write the pixels of `hot` slots, except the slots' candidates, to `out` after `kept`.

    Returns how many pixels stand in `out` then.
    """
    for i in range(pixels.size // 3):
        h = hash_at(pixels, i)
        if hot[h >> shift] != 0 and likely[h >> shift] != h:
            out[3 * kept] = pixels[3 * i]
            out[3 * kept + 1] = pixels[3 * i + 1]
            out[3 * kept + 2] = pixels[3 * i + 2]
            kept += 1
    return kept


@compiled(types.void, _TABLE, types.Array(types.uint32, 1, "C", readonly=True), HEAP)
def rank_seen(table: Any, seen: Any, heap: Any) -> None:
    """Keep in `heap`, which starts at zero, the greatest keys of the colors in `seen`.

    Their counters in `table` are set back to zero: clearing all of it would cost more.
    """
    for i in range(seen.size):
        rgb = seen[i]
        offer(heap, _U64(_U64(table[rgb]) << _U64(24)) | _U64(_U32(0xFFFFFF) - rgb))
        table[rgb] = 0
