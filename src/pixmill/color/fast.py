"""Counting with kernels: which one runs when, and why the answer is exact.

Owns the ways of counting a whole array; the loops are in `kernels` and `sweeps`, the interface is
in `counting`.

From a sample, each of 2^12 (or 2^14) slots of a hash gets its likeliest color as candidate. One
pass counts, for each slot, the candidate and all others together. A candidate's count is exact, and
no other color is more common than all others of its slot together. So where the n-th best candidate
beats every slot's others, the answer is proven. Else the others of the slots in doubt are collected
and counted color by color.

Color by color means: in one large table while pixels are few; else sorted into 256 parts by red
value, each of which is counted by itself; and where there are too many for that, as strips are. All
pixels are counted so where there are few, or where most of them are in doubt, as in noise.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixmill.color import kernels, sweeps
from pixmill.color.compiled import unhash
from pixmill.color.ranking import keys_of
from pixmill.color.strips import StripTable

if TYPE_CHECKING:
    from collections.abc import Iterator

Keys = NDArray[np.uint64]

PIECE_PIXELS = 1 << 20
SAMPLED_SHARE = 61
MIN_SAMPLE, MAX_SAMPLE = 1 << 11, 1 << 13
FEW_PIXELS = (1 << 16) - 1  # a 16-bit counter holds them
COLLECTED_PIXELS = 5_000_000  # three bytes each, and two when parted: 25 MB
PARTED_PIXELS = 14_000_000  # two bytes each: 28 MB
FEW_BITS, MANY_BITS = 12, 14
FLAT_SHARE = 0.2
CROWDING = 3  # the fullest slot has some times the others of the mean slot

# Counters of all colors, 32 MB, stay with their thread, since clearing them would cost more than
# counting few pixels. With them no way takes more than 64 MiB.
_scratch = threading.local()


class Path(Enum):
    """How an answer was found."""

    FEW = "few pixels, color by color"
    PROVEN = "candidates, proven by bounds"
    RECOUNTED = "candidates, and all else of the slots in doubt"
    PARTED = "parts by red value"
    STRIPS = "as strips"


class Plan(NamedTuple):
    """Candidates for a pass: the hash of one for each of 2^`bits` slots, or zero.

    `flat` tells that a single color is so common that its pixels are likely to stand in runs.
    """

    bits: int
    likely: NDArray[np.uint32]
    flat: bool


class Pixels:
    """The visible pixels of an array (h, w, 3) with any strides, as flat contiguous pieces.

    A contiguous array without a mask is one piece and never copied; of all others 2^20 pixels are
    copied at a time.
    """

    def __init__(self, rows: NDArray[np.uint8], visible: NDArray[np.bool_] | None) -> None:
        self._rows = rows
        self._whole = visible is None and rows.flags.c_contiguous
        self._visible = np.broadcast_to(np.True_, rows.shape[:2]) if visible is None else visible
        self.total = rows.size // 3 if visible is None else int(np.count_nonzero(visible))

    def pieces(self) -> Iterator[NDArray[np.uint8]]:
        """Yield every visible pixel once; a piece is good until the next one is asked for."""
        if self._whole:
            yield self._rows.reshape(-1)
            return
        height, width = self._rows.shape[:2]
        across = max(1, min(width, PIECE_PIXELS))
        down = max(1, min(height, PIECE_PIXELS // across))
        out = np.empty(3 * (down * across + 1), np.uint8)
        for y in range(0, height, down):
            for x in range(0, width, across):
                box = (slice(y, y + down), slice(x, x + across))
                kept = sweeps.compact(self._rows[box], self._visible[box], out)
                yield out[: 3 * kept]

    def sample(self) -> NDArray[np.uint8]:
        """Pick some thousand pixels from a grid over an array that is not empty."""
        wanted = min(max(self.total // SAMPLED_SHARE, MIN_SAMPLE), MAX_SAMPLE)
        step = max(1.0, self.total / wanted)
        height, width = self._rows.shape[:2]
        down = min(round(step**0.5), height)
        across = min(max(round(step / down), 1), width)
        down = min(max(round(step / across), 1), height)
        grid = (slice(down // 2, None, down), slice(across // 2, None, across))
        return next(Pixels(self._rows[grid], self._visible[grid]).pieces())


def count(pixels: Pixels, n: int) -> tuple[Keys, Path]:
    """Keys of the `n` most common colors, perhaps among others, and the way they were found."""
    if pixels.total <= FEW_PIXELS:
        return _count_each(pixels, n)
    plan = _plan(pixels, n)
    totals = _tally(pixels, plan)
    others, candidates = totals[::2], totals[1::2]
    least = max(1, kernels.nth_candidate(totals, np.zeros(n, np.uint64)))
    keys = _candidate_keys(plan, candidates, least)
    hot = others >= least
    if not hot.any():
        return keys, Path.PROVEN
    doubtful = int(others[hot].sum())
    if doubtful > min(COLLECTED_PIXELS, pixels.total // 2):
        return _count_each(pixels, n)
    rest, _path = _count_each(_collect(pixels, plan, hot, doubtful), n)
    return np.concatenate((keys, rest)), Path.RECOUNTED


def _plan(pixels: Pixels, n: int) -> Plan:
    """Choose candidates, in as few slots as are likely to prove the answer."""
    sample = pixels.sample()
    size = sample.size // 3
    for bits in (FEW_BITS, MANY_BITS):
        likely = np.zeros(1 << bits, np.uint32)
        leads = np.zeros(1 << bits, np.int32)
        least = kernels.survey(sample, 32 - bits, likely, leads, np.zeros(n, np.uint64))
        plan = Plan(bits, likely, flat=int(leads.max()) >= FLAT_SHARE * size)
        if least >= CROWDING * (size - int(leads.sum())) / (1 << bits):
            break
    return plan


def _tally(pixels: Pixels, plan: Plan) -> NDArray[np.int64]:
    """Count by slot: at 2 * slot others than the candidate, after it the candidate."""
    totals = np.zeros(2 << plan.bits, np.int64)
    rows = np.zeros((2, 2 << plan.bits), np.uint16)
    shift = 32 - plan.bits
    tally = kernels.tally_runs if plan.flat else kernels.tally
    for piece in pixels.pieces():
        in_fours = piece.size // 12 * 12
        tally(piece[:in_fours].view(np.uint32), shift, plan.likely, rows, totals)
        kernels.tally_rest(piece[in_fours:], shift, plan.likely, totals)
    return totals


def _candidate_keys(plan: Plan, candidates: NDArray[np.int64], least: int) -> Keys:
    """Keys of the candidates that have `least` pixels or more."""
    slots = np.flatnonzero(candidates >= least)
    return keys_of(unhash(plan.likely[slots]), candidates[slots])


def _collect(pixels: Pixels, plan: Plan, hot: NDArray[np.bool_], doubtful: int) -> Pixels:
    """Copy the `doubtful` pixels of hot slots that are not their slot's candidate."""
    out = np.empty((1, doubtful, 3), np.uint8)
    kept = 0
    for piece in pixels.pieces():
        kept = kernels.collect_others(
            piece, 32 - plan.bits, hot.view(np.uint8), plan.likely, out.reshape(-1), kept
        )
    return Pixels(out, None)


def _count_each(pixels: Pixels, n: int) -> tuple[Keys, Path]:
    """Count every color: the cost depends on the number of pixels, hardly on what they are."""
    if pixels.total <= FEW_PIXELS:
        return _count_few(pixels, n), Path.FEW
    if pixels.total <= PARTED_PIXELS:
        return _count_parted(pixels, n), Path.PARTED
    with _borrowed_table() as (table, _seen):
        strips = StripTable(sweeps.accumulate, table)
        for piece in pixels.pieces():
            strips.add(piece)
        keys = strips.greatest(n)
        table.fill(0)
    return keys, Path.STRIPS


@contextmanager
def _borrowed_table() -> Iterator[tuple[NDArray[np.uint16], NDArray[np.uint32]]]:
    """Lend this thread's counters of all colors, all zero, and a list for `FEW_PIXELS` and one.

    They come back zero, or, where an exception (Ctrl-C, say) leaves counts behind, not at all.
    """
    tables = vars(_scratch).pop("tables", None)
    if tables is None:
        tables = np.zeros(1 << 24, np.uint16), np.empty(FEW_PIXELS + 1, np.uint32)
    yield tables
    _scratch.tables = tables


def _count_few(pixels: Pixels, n: int) -> Keys:
    heap = np.zeros(n, np.uint64)
    with _borrowed_table() as (table, seen):
        distinct = 0
        for piece in pixels.pieces():
            distinct = kernels.count_each(piece, table, seen, distinct)
        kernels.rank_seen(table, seen[:distinct], heap)
    return heap


def _count_parted(pixels: Pixels, n: int) -> Keys:
    sizes = np.zeros(256, np.int64)
    for piece in pixels.pieces():
        sweeps.count_reds(piece, sizes)
    ends = np.cumsum(sizes) - sizes
    parts = np.empty(pixels.total, np.uint16)
    for piece in pixels.pieces():
        sweeps.part_by_red(piece, ends, parts)
    heap = np.zeros(n, np.uint64)
    sweeps.rank_parts(parts, ends, np.zeros(1 << 16, np.uint32), heap)
    return heap
