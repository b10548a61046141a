"""Kernels are compiled whatever folders may be written to, and their hash can be undone."""

from __future__ import annotations

import numpy as np
import pytest
from numba import config, types
from numba.core import caching

from pixmill.color.compiled import compiled, hash_at, rgb_at, unhash

COLORS = np.random.default_rng(0).integers(0, 256, (50, 3), np.uint8)


@pytest.fixture
def folders(monkeypatch):
    """Let every folder in which numba would keep compiled code answer with an error."""

    def answer(error):
        def refuse(_locator):
            raise error

        monkeypatch.setattr(caching._CacheLocator, "ensure_cache_path", refuse)

    monkeypatch.setattr(config, "DISABLE_JIT", 0)
    return answer


def next_after(number):
    return number + 1


def test_where_no_folder_may_be_written_to_a_kernel_is_compiled_in_memory(folders):
    folders(OSError("read-only"))
    kernel = compiled(types.int64, types.int64)(next_after)
    assert kernel(1) == 2
    assert kernel.nopython_signatures
    assert kernel.stats.cache_path is None


def test_a_kernel_is_kept_where_a_folder_may_be_written_to(monkeypatch, tmp_path):
    monkeypatch.setattr(config, "DISABLE_JIT", 0)
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    assert compiled(types.int64, types.int64)(next_after)(1) == 2
    assert list(tmp_path.rglob("*.nbc"))


def test_any_other_error_of_the_compiler_is_told(folders):
    folders(RuntimeError("a defect"))
    with pytest.raises(RuntimeError, match="a defect"):
        compiled(types.int64, types.int64)(next_after)


def test_a_hash_can_be_undone():
    pixels = COLORS.reshape(-1)
    with np.errstate(over="ignore"):  # as meant, where nothing is compiled
        hashes = np.array([hash_at(pixels, i) for i in range(50)], np.uint32)
    assert unhash(hashes).tolist() == [rgb_at(pixels, i) for i in range(50)]
    assert not (hashes & 0xFF).any()
    assert len(set(hashes.tolist())) == len(np.unique(COLORS, axis=0))
