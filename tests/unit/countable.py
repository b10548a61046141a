"""Pixels to count, drawn in code, and answers to hold a count against."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from pixmill.color import fast
from pixmill.color.compiled import unhash
from pixmill.color.counting import TopCounts, count_top, count_top_reference

if TYPE_CHECKING:
    from pixmill.color.fast import Path

KINDS = ("one", "few", "skewed", "runs", "gradient", "ties", "noise", "collisions")
SLOT_MATES = 512


def draw(kind: str, size: int, seed: int) -> np.ndarray:
    """`size` pixels of a kind, (size, 3), the same for the same seed."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 1 << 24, size)
    if kind == "one":
        values[:] = rng.integers(0, 1 << 24)
    elif kind == "few":
        values = rng.integers(0, 1 << 24, 7)[rng.integers(0, 7, size)]
    elif kind == "skewed":
        values = rng.integers(0, 1 << 24, 5000)[(5000 * rng.random(size) ** 9).astype(int)]
    elif kind == "runs":  # a backdrop with strokes on it
        values = np.where(rng.random(size) < 0.5, 0xFFFFFF, values)
        values = np.repeat(values, rng.integers(1, 40, size))[:size]
    elif kind == "gradient":
        values.sort()
    elif kind == "ties":
        values = rng.permutation(np.resize(values[: max(1, size // 3)], size))
    elif kind == "collisions":
        values = unhash((np.arange(SLOT_MATES) << 8).astype(np.uint32))[values % SLOT_MATES]
    return unpack(values)


def unpack(values: np.ndarray) -> np.ndarray:
    return np.stack((values >> 16, values >> 8, values), axis=-1).astype(np.uint8)


def by_counter(pixels: np.ndarray, n: int, visible: np.ndarray | None = None) -> TopCounts:
    """An oracle without NumPy's help: a dictionary."""
    rows = pixels.reshape(-1, 3).tolist()
    seen = [True] * len(rows) if visible is None else visible.reshape(-1).tolist()
    counts = Counter(r << 16 | g << 8 | b for (r, g, b), v in zip(rows, seen, strict=True) if v)
    best = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:n]
    return TopCounts(tuple(v for v, _ in best), tuple(c for _, c in best), sum(counts.values()))


def counted(pixels: np.ndarray, n: int) -> tuple[TopCounts, Path]:
    """The answer, checked against the reference, and the way it was found."""
    flat = fast.Pixels(pixels[np.newaxis], None)
    top = count_top(pixels, n)
    assert top == count_top_reference(pixels, n)
    return top, fast.count(flat, n)[1]


@st.composite
def pictures(draw_from):
    """An array (h, w, 3) or (n, 3) of some kind, with some strides, and a mask or None."""
    kind = draw_from(st.sampled_from(KINDS))
    height, width = draw_from(st.integers(0, 40)), draw_from(st.integers(0, 40))
    seed = draw_from(st.integers(0, 1 << 30))
    pixels = draw(kind, height * width, seed).reshape(height, width, 3)
    layout = draw_from(
        st.sampled_from(("c", "flat", "bgr", "mirror", "step", "fortran", "rgba", "odd"))
    )
    if layout == "flat":
        pixels = pixels.reshape(-1, 3)
    elif layout == "bgr":
        pixels = pixels[..., ::-1]
    elif layout == "mirror":
        pixels = pixels[::-1, ::-1]
    elif layout == "step":
        pixels = pixels[::2, 1::3]
    elif layout == "fortran":
        pixels = np.asfortranarray(pixels)
    elif layout == "rgba":
        pixels = np.concatenate((pixels, pixels[..., :1]), axis=-1)[..., :3]
    elif layout == "odd":  # contiguous, but starting at an odd address
        pixels = np.frombuffer(b"\0" + pixels.tobytes(), np.uint8)[1:].reshape(pixels.shape)
    pixels.flags.writeable = draw_from(st.booleans()) and layout != "odd"
    mask = draw_from(st.sampled_from(("none", "all", "nothing", "half", "few")))
    share = {"all": 1.0, "nothing": 0.0, "half": 0.5, "few": 0.05}
    rng = np.random.default_rng(seed)
    visible = None if mask == "none" else rng.random(pixels.shape[:-1]) < share[mask]
    return pixels, visible


numbers = st.one_of(st.integers(1, 5), st.integers(1, 256))
