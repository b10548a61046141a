"""Each way of counting is taken where it belongs and is exact there; kernels need no favors."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pixmill.color import fast, kernels
from pixmill.color.compiled import unhash
from pixmill.color.counting import (
    TopCounts,
    count_top,
    count_top_reference,
    kernel_name,
    warm_up,
)
from pixmill.color.fast import Path
from tests.unit.countable import KINDS, counted, draw, unpack


@pytest.fixture(autouse=True)
def _kernels() -> None:
    """These tests are about the kernels; without numba they would prove nothing."""
    assert kernel_name() == "numba"


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


@pytest.mark.soak
def test_without_a_folder_for_the_cache_kernels_are_compiled_in_memory():
    """As for a read-only installation and home."""
    no_folder = """
        import numba.core.caching as caching
        def refuse(self): raise OSError("read-only")
        caching._CacheLocator.ensure_cache_path = refuse
    """
    assert run_python(textwrap.dedent(no_folder) + textwrap.dedent(CHECK)) == "numba"
