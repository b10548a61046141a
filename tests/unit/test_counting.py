"""The most common colours are exact, whatever the pixels, and by whichever way they are counted."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pixmill.color import fast, kernels
from pixmill.color.compiled import unhash
from pixmill.color.counting import (
    StripCounter,
    TopCounts,
    count_top,
    count_top_reference,
    kernel_name,
    pad,
    padded_values,
    warm_up,
)
from pixmill.color.fast import Path

KINDS = ("one", "few", "skewed", "runs", "gradient", "ties", "noise", "collisions")
SLOT_MATES = 512


@pytest.fixture(autouse=True)
def _kernels() -> None:
    """These tests are about the kernels; without numba they would prove nothing."""
    assert kernel_name() == "numba"


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


@given(pictures(), numbers)
@settings(deadline=None, max_examples=150)
def test_kernel_reference_and_dictionary_agree(picture, n):
    pixels, visible = picture
    expected = by_counter(pixels, n, visible)
    assert count_top_reference(pixels, n, visible=visible) == expected
    assert count_top(pixels, n, visible=visible) == expected


@given(
    pictures(),
    numbers,
    st.sampled_from([1, 7, 100, 1 << 20]),
    st.sampled_from([0, 1 << 20]),
    st.sampled_from([0, 1 << 24]),
)
@settings(deadline=None, max_examples=300)
def test_the_ways_of_large_pictures_agree_on_small_ones(picture, n, piece, doubtful, parted):
    """With limits so small that pieces are cut everywhere and every table overflows."""
    pixels, visible = picture
    with pytest.MonkeyPatch.context() as limits:
        limits.setattr(fast, "FEW_PIXELS", 0)
        limits.setattr(fast, "PIECE_PIXELS", piece)
        limits.setattr(fast, "COLLECTED_PIXELS", doubtful)
        limits.setattr(fast, "PARTED_PIXELS", parted)
        top = count_top(pixels, n, visible=visible)
    assert top == by_counter(pixels, n, visible)


@given(
    st.sampled_from(KINDS),
    st.integers(66_000, 200_000),
    st.integers(0, 1 << 30),
    numbers,
    st.booleans(),
)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_large_pictures_agree_with_the_reference(kind, size, seed, n, masked):
    pixels = draw(kind, size, seed)
    visible = np.random.default_rng(seed).random(size) < 0.9 if masked else None
    expected = count_top_reference(pixels, n, visible=visible)
    assert count_top(pixels, n, visible=visible) == expected


@given(pictures(), numbers, st.data())
@settings(deadline=None, max_examples=40)
def test_strips_cut_anywhere_equal_the_whole(picture, n, data):
    pixels, visible = picture
    cuts = sorted(data.draw(st.lists(st.integers(0, len(pixels)), max_size=3)))
    counter = StripCounter()
    for start, end in zip([0, *cuts], [*cuts, len(pixels)], strict=True):
        part = None if visible is None else visible[start:end]
        counter.add(pixels[start:end], visible=part)
    assert counter.top(n) == count_top(pixels, n, visible=visible)


def test_a_strip_counter_goes_on_after_an_answer():
    counter = StripCounter()
    counter.add(draw("few", 100, 1))
    counter.top(3)
    counter.add(draw("few", 100, 2))
    both = np.concatenate((draw("few", 100, 1), draw("few", 100, 2)))
    assert counter.top(3) == count_top(both, 3)


def test_strips_count_past_16_bits():
    """Counters of 16 bits carry: 65,535, 65,536 and far more pixels of a colour are told apart."""
    counter = StripCounter()
    sizes = {0x112233: 65_535, 0x112234: 65_536, 0xFFFFFF: 200_001, 0x000000: 65_536}
    for value, size in sizes.items():
        counter.add(np.resize(unpack(np.array([value])), (size, 3)))
    assert counter.top(1) == TopCounts((0xFFFFFF,), (200_001,), sum(sizes.values()))
    assert counter.top(4).values == (0xFFFFFF, 0x000000, 0x112234, 0x112233)
    assert counter.top(256).counts == (200_001, 65_536, 65_536, 65_535)


def test_strips_count_past_32_bits():
    """2^32 pixels of one colour are one more than 32 bits can count."""
    counter = StripCounter()
    counter.add(np.zeros((1 << 16, 3), np.uint8))
    table = counter._table
    # 65,535 times what adding the same strip again does to the table.
    table._carries = np.zeros(1 << 16, np.uint32)
    table._carried = 1 << 16
    table.total = 1 << 32
    assert counter.top(2) == TopCounts((0,), (1 << 32,), 1 << 32)


@given(st.sampled_from(KINDS), st.integers(1, 2000), st.integers(0, 1 << 30))
@settings(deadline=None, max_examples=30)
def test_counts_sum_to_the_visible_pixels_where_all_colours_are_asked_for(kind, size, seed):
    visible = np.random.default_rng(seed).random(size) < 0.5
    pixels = draw(kind, size, seed)
    top = count_top(pixels, 256, visible=visible)
    assert top.total == visible.sum()
    assert sum(top.counts) <= top.total
    if len(top.values) < 256:
        assert sum(top.counts) == top.total


def test_equally_common_colours_stand_in_order_of_value():
    pixels = unpack(np.array([0x0000FF, 0xFF0000, 0x00FF00, 0x00FF00, 0xFF0000]))
    assert count_top(pixels, 3).values == (0x00FF00, 0xFF0000, 0x0000FF)


def test_few_pixels_are_counted_one_by_one():
    assert counted(draw("noise", 65_535, 0), 3)[1] is Path.FEW


@pytest.mark.parametrize("kind", ["one", "few", "skewed"])
def test_candidates_that_stand_out_prove_the_answer(kind):
    assert counted(draw(kind, 100_000, 0), 3)[1] is Path.PROVEN


@pytest.mark.parametrize("tally", [kernels.tally, kernels.tally_runs])
@pytest.mark.parametrize("likely", [0, 1 << 8])
def test_sixteen_bit_counters_are_emptied_in_time(tally, likely):
    """A single color, candidate or not, for longer than the counters of one batch can hold."""
    words = np.zeros(3 * 100_000, np.uint32)
    rows, totals = np.zeros((2, 4), np.uint16), np.zeros(4, np.int64)
    tally(words, 31, np.array([likely, 0], np.uint32), rows, totals)
    assert totals.tolist() == ([0, 400_000, 0, 0] if likely == 0 else [400_000, 0, 0, 0])
    assert not rows.any()


def test_doubtful_slots_are_counted_again():
    """Two colours of one slot, both common: only one of them is a candidate."""
    values = unhash(np.array([0, 1 << 8, 1 << 31], np.uint32))
    pixels = unpack(np.repeat(values, [50_000, 40_000, 30_000]))
    top, path = counted(pixels, 3)
    assert top.counts == (50_000, 40_000, 30_000)
    assert path is Path.RECOUNTED


def test_a_rare_colour_behind_a_common_one_in_its_slot_is_found():
    """A colour that the sample misses, and that ties with the n-th, wins by its smaller value."""
    rng = np.random.default_rng(0)
    first, hidden, third = sorted(unhash(np.array([0, 1 << 8, 1 << 31], np.uint32)).tolist())
    pixels = rng.permutation(unpack(np.repeat([first, hidden, third], [70_000, 9_000, 9_000])))
    assert counted(pixels, 2)[0].values == (first, hidden)


def test_noise_is_counted_in_parts():
    assert counted(draw("noise", 100_000, 0), 3)[1] is Path.PARTED


def test_noise_too_large_for_parts_is_counted_in_strips(monkeypatch):
    monkeypatch.setattr(fast, "PARTED_PIXELS", 99_999)
    pixels = draw("noise", 100_000, 0)
    assert counted(pixels, 256)[1] is Path.STRIPS
    assert counted(pixels[:1000], 256)[1] is Path.FEW  # in the same table, which is clean again


def test_colours_chosen_to_collide_are_still_exact():
    """All in one slot, equally common: no candidate stands out, and every color is in doubt."""
    mates = unhash((np.arange(1024) << 8).astype(np.uint32))
    pixels = np.random.default_rng(0).permutation(unpack(np.repeat(mates, 100)))
    assert counted(pixels, 100)[1] is Path.PARTED
    backdrop = np.resize(draw("one", 1, 0), (200_000, 3))
    assert counted(np.concatenate((backdrop, pixels)), 100)[1] is Path.RECOUNTED


def test_all_colours_once_and_one_of_them_twice():
    """Each of the 2^24 colours exists: ties go by value, and the one that differs is found."""
    pixels = unpack(np.append(np.arange(1 << 24)[::-1], 0xABCDEF))
    top = count_top(pixels, 4)
    assert top == TopCounts((0xABCDEF, 0, 1, 2), (2, 1, 1, 1), (1 << 24) + 1)


def test_scratch_is_clean_after_every_kind():
    """What one picture leaves in tables must not be counted for the next."""
    for seed in range(3):
        for kind in KINDS:
            for size in (10, 1000, 70_000):
                counted(draw(kind, size, seed), 5)


def test_threads_do_not_disturb_one_another():
    """Kernels release the interpreter lock, so tables are really used at the same time."""
    jobs = [(kind, size, seed) for kind in KINDS for size in (5000, 80_000) for seed in range(2)]
    inputs = [draw(*job) for job in jobs]
    expected = [count_top_reference(pixels, 9) for pixels in inputs]
    barrier = threading.Barrier(4)

    def work(_: int) -> list[TopCounts]:
        barrier.wait()
        return [count_top(pixels, 9) for pixels in inputs * 3]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [expected * 3] * 4


def test_an_interrupted_count_leaves_nothing_behind(monkeypatch):
    """What was counted before an exception must not be counted for the next picture."""
    pixels = draw("noise", 1000, 0).reshape(10, 100, 3)[:, ::-1]
    monkeypatch.setattr(fast, "PIECE_PIXELS", 100)
    pieces = fast.Pixels.pieces

    def interrupted(self):
        yield next(pieces(self))
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(fast.Pixels, "pieces", interrupted)
        with pytest.raises(KeyboardInterrupt):
            count_top(pixels, 3)
    assert count_top(pixels, 256) == count_top_reference(pixels, 256)


def test_a_contiguous_array_is_not_copied():
    pixels = draw("few", 100_000, 0).reshape(100, 1000, 3)
    (piece,) = fast.Pixels(pixels, None).pieces()
    assert np.shares_memory(piece, pixels)


def test_pixels_are_not_changed():
    for size in (1000, 100_000):
        pixels = draw("skewed", size, 0)
        before = pixels.copy()
        count_top(pixels, 3, visible=np.arange(size) % 2 == 0)
        count_top(pixels, 3)
        assert np.array_equal(pixels, before)


@pytest.mark.parametrize("shape", [(0, 3), (0, 0, 3), (5, 0, 3), (0, 5, 3)])
def test_an_empty_picture_has_no_colours(shape):
    empty = TopCounts((), (), 0)
    pixels = np.empty(shape, np.uint8)
    counter = StripCounter()
    counter.add(pixels)
    assert count_top(pixels, 3) == count_top_reference(pixels, 3) == counter.top(3) == empty


@pytest.mark.parametrize("count", [count_top, count_top_reference])
class TestArguments:
    """What can not be counted is refused with a sentence, by kernel and reference alike."""

    @pytest.mark.parametrize("n", [0, -1, 257])
    def test_n_out_of_range(self, count, n):
        with pytest.raises(ValueError, match=f"from 1 to 256, not {n}"):
            count(np.zeros((2, 3), np.uint8), n)

    def test_n_that_is_no_integer(self, count):
        with pytest.raises(TypeError, match="integer"):
            count(np.zeros((2, 3), np.uint8), 2.5)

    @pytest.mark.parametrize("shape", [(4, 4, 4), (4, 4), (3,), (), (2, 2, 2, 3), (3, 4, 1)])
    def test_other_shapes(self, count, shape):
        with pytest.raises(ValueError, match="shape"):
            count(np.zeros(shape, np.uint8), 3)

    @pytest.mark.parametrize("dtype", ["int8", "uint16", "float32", "bool"])
    def test_other_types(self, count, dtype):
        with pytest.raises(TypeError, match=f"uint8, not an array of {dtype}"):
            count(np.zeros((4, 3), dtype), 3)

    def test_no_array(self, count):
        with pytest.raises(TypeError, match="not a list"):
            count([[1, 2, 3]], 3)

    def test_a_mask_of_another_shape_or_type(self, count):
        pixels = np.zeros((4, 5, 3), np.uint8)
        with pytest.raises(ValueError, match="one bool a pixel"):
            count(pixels, 3, visible=np.ones((5, 4), bool))
        with pytest.raises(TypeError, match="bool, not an array of uint8"):
            count(pixels, 3, visible=np.ones((4, 5), np.uint8))


@pytest.mark.parametrize(
    ("values", "n", "expected"),
    [
        ("a", 1, "a"),
        ("a", 3, "aaa"),
        ("ab", 3, "aab"),
        ("ab", 5, "aaaab"),
        ("abc", 3, "abc"),
        ("abc", 2, "ab"),
        ("", 3, ""),
    ],
)
def test_the_most_common_is_repeated_at_the_front(values, n, expected):
    assert pad(values, n) == tuple(expected)


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (1, [0]),
        (2, [0, 0x000BAD]),
        (3, [0, 0x000BAD, 0]),
        (5, [0, 0x000BAD, 0, 0, 0]),
    ],
)
def test_no_pixel_is_marked_by_a_row_that_no_picture_has(n, expected):
    assert padded_values(TopCounts((), (), 0), n) == [(value, 0) for value in expected]


def test_padded_values_carry_their_counts():
    top = TopCounts((5, 9), (7, 2), 9)
    assert padded_values(top, 1) == [(5, 7)]
    assert padded_values(top, 4) == [(5, 7), (5, 7), (5, 7), (9, 2)]


def test_warm_up_may_be_called_at_any_time():
    warm_up()
    warm_up()
    assert count_top(np.zeros((1, 1, 3), np.uint8), 1).counts == (1,)


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


CHECK = """
    import numpy as np
    from pixmill.color.counting import *
    pixels = np.random.default_rng(0).integers(0, 9, (300, 300, 3), np.uint8)
    visible = np.random.default_rng(1).random((300, 300)) < 0.7
    expected = count_top_reference(pixels, 5, visible=visible)
    strips = StripCounter()
    for y in range(0, 300, 100):
        strips.add(pixels[y:y+100], visible=visible[y:y+100])
    strips.add(np.zeros((0, 3), np.uint8))
    assert count_top(pixels, 5, visible=visible) == strips.top(5) == expected
    strips.add(np.full((200_000, 3), 255, np.uint8))
    assert strips.top(1) == TopCounts((0xFFFFFF,), (200_000,), expected.total + 200_000)
    warm_up()
    print(kernel_name())
"""


def test_without_numba_numpy_counts():
    assert run_python("import sys; sys.modules['numba'] = None" + textwrap.dedent(CHECK)) == "numpy"


def test_without_a_folder_for_the_cache_kernels_are_compiled_in_memory():
    """As for a read-only installation and home."""
    no_folder = """
        import numba.core.caching as caching
        def refuse(self): raise OSError("read-only")
        caching._CacheLocator.ensure_cache_path = refuse
    """
    assert run_python(textwrap.dedent(no_folder) + textwrap.dedent(CHECK)) == "numba"
