"""What a pipeline remembers to spare repeats is bounded in bytes, and holds no frames."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.analysis import Wanted, pack
from pixmill.batch.memory import least_memory, plan_memory
from pixmill.batch.pipeline import (
    Outcome,
    _bare,
    _remembered,
    _url_key,
    _without_traceback,
)
from pixmill.errors import CorruptImage
from pixmill.record import Analysis, Color, Failure


def test_all_that_is_remembered_takes_a_few_mebibytes_whatever_the_number_of_colors():
    plan = plan_memory(2**30, 1)
    for n in (1, 3, 16, 256):
        colors = tuple(Color((i, 0, 0), f"#{i:02X}0000", 1, 1 / n) for i in range(n))
        packed = pack(Analysis(colors, n, n, 1, "jpeg", 10, "0" * 32))
        entry = sys.getsizeof(packed) + sys.getsizeof(Outcome(packed, None)) + 16
        assert _remembered(plan, Wanted(n=n)) * entry <= 8 * 2**20
        assert _remembered(plan, Wanted(n=n)) >= 2000


@given(st.integers(1, 256), st.integers(1, 64))
def test_the_smallest_profile_remembers_too(n, workers):
    assert _remembered(plan_memory(least_memory(workers), workers), Wanted(n=n)) > 100


@given(st.text(st.characters(), max_size=50), st.text(st.characters(), max_size=50))
def test_a_url_of_any_length_and_text_is_remembered_by_16_bytes(one, other):
    keys = {_url_key(one), _url_key(other), _url_key(one * 1000 + "\udc80")}
    assert {len(key) for key in keys} == {16}
    assert (_url_key(one) == _url_key(other)) == (one == other)


def test_tracebacks_are_not_remembered():
    failure = Failure("corrupt_image", "broken", "Traceback …")
    kept = _without_traceback(Outcome(None, failure, 200, 1))
    assert kept == Outcome(None, Failure("corrupt_image", "broken"), 200, 1)
    with pytest.raises(CorruptImage) as caught:
        raise CorruptImage("broken", http_status=200)
    caught.value.add_note("from a worker")
    bare = _bare(caught.value)
    assert caught.value.__notes__
    assert caught.value.__traceback__ is not None
    assert bare.__traceback__ is None
    assert not hasattr(bare, "__notes__")
    assert (type(bare), str(bare), bare.http_status) == (CorruptImage, "broken", 200)
