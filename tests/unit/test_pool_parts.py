"""The parts of the pool that need no process: its messages, its arithmetic, what it refuses."""

from __future__ import annotations

import functools
import io
import os
import pickle
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.errors import TooManyPixels, UsageError
from pixmill.pool import Pool
from pixmill.pool.plan import Plan
from pixmill.pool.task import make_task
from pixmill.pool.wire import Frame, FrameReader, Kind, Order, Request
from tests import crafted

PLAN = Plan("m:f", (), workers=4, item_timeout_s=1, budget_bytes=1000, slot_bytes=4096)
U64 = st.integers(0, 2**64 - 1)


@given(st.builds(Order, U64, st.integers(0, 1), U64, U64, U64, U64, st.booleans()))
def test_an_order_survives_the_wire(order):
    assert Order.unpack(order.pack()) == order


@given(st.builds(Request, st.sampled_from([Kind.START, Kind.KILL]), U64))
def test_a_request_survives_the_wire(request):
    assert Request.unpack(request.pack()) == request


FRAMES = st.builds(
    Frame, st.sampled_from(Kind), U64, st.integers(-(2**63), 2**63 - 1), st.binary(max_size=300)
)


@given(st.lists(FRAMES, max_size=5), st.lists(st.integers(1, 90), min_size=1, max_size=9))
def test_frames_are_found_however_the_bytes_are_cut(frames, cuts):
    source, sink = os.pipe()
    written, writer = os.pipe()
    for frame in frames:
        frame.write(writer)
    os.close(writer)
    stream = b"".join(iter(functools.partial(os.read, written, 65536), b""))
    os.close(written)
    reader = FrameReader(source)
    found = []
    while stream:
        for cut in cuts:
            if stream:
                os.write(sink, stream[:cut])
                stream = stream[cut:]
                found += reader.read()
    assert found == frames
    assert not reader.ended
    os.close(sink)
    assert reader.read() == []
    assert reader.ended
    os.close(source)


def test_a_small_item_costs_a_share_and_a_large_one_what_it_needs():
    assert [PLAN.cost(need) for need in (0, 250, 251, 1000)] == [250, 250, 251, 1000]


def test_what_exceeds_the_budget_is_too_many_pixels():
    with pytest.raises(TooManyPixels, match="more than"):
        PLAN.cost(1001)


def test_without_a_budget_every_item_costs_one_worker():
    plan = Plan("m:f", (), workers=4, item_timeout_s=1, budget_bytes=None, slot_bytes=4096)
    assert (plan.capacity, plan.cost(0), plan.cost(2**60)) == (4, 1, 1)


def test_a_payload_of_any_buffer_type_is_taken_as_bytes():
    task = make_task(memoryview(b"abcdefgh").cast("H"), None, 0, PLAN)
    assert task.payload_bytes == 8
    assert bytes(task.data) == b"abcdefgh"


def test_payload_and_argument_that_do_not_fit_a_slot_together_go_to_a_file(tmp_path):
    argument = b"a" * 1000
    pickled = len(pickle.dumps(argument, pickle.HIGHEST_PROTOCOL))
    fits = make_task(bytes(4096 - pickled), argument, 0, PLAN)
    spilled = make_task(bytes(4097 - pickled), argument, 0, PLAN)
    assert (fits.descriptor, spilled.data) == (-1, None)
    assert os.fstat(spilled.descriptor).st_size == 4097 - pickled
    assert os.fstat(spilled.descriptor).st_nlink == 0, "the file has a name"
    descriptor = spilled.descriptor
    spilled.drop_payload()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(descriptor)


def test_an_argument_larger_than_a_slot_is_refused():
    with pytest.raises(UsageError, match="larger than a slot"):
        make_task(b"", bytes(5000), 0, PLAN)


def test_a_file_without_a_descriptor_is_refused():
    with pytest.raises(io.UnsupportedOperation):
        make_task(io.BytesIO(b"x"), None, 0, PLAN)


def defined_in_a_function():
    def inner(view, argument):
        return None

    return inner


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda view, argument: None, "can not be imported"),
        (defined_in_a_function(), "can not be imported"),
        (functools.partial(crafted.echo), "plain function"),
        (print, "plain function"),
    ],
)
def test_a_function_that_workers_can_not_import_is_refused(function, why):
    with pytest.raises(UsageError, match=why):
        Pool(function, workers=1, item_timeout_s=1, decode_budget_bytes=None)


def test_a_function_of_the_main_script_is_refused_with_what_to_do(monkeypatch):
    def analyze(view, argument):
        return None

    analyze.__module__, analyze.__qualname__ = "__main__", "analyze"
    monkeypatch.setattr(sys.modules["__main__"], "analyze", analyze, raising=False)
    with pytest.raises(UsageError, match="put it into a module"):
        Pool(analyze, workers=1, item_timeout_s=1, decode_budget_bytes=None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"workers": 0},
        {"item_timeout_s": 0},
        {"decode_budget_bytes": 0},
        {"decode_budget_bytes": -1},
    ],
)
def test_a_pool_without_workers_time_or_memory_is_refused(wrong):
    right = {"workers": 1, "item_timeout_s": 1, "decode_budget_bytes": None}
    with pytest.raises(UsageError):
        Pool(crafted.echo, **(right | wrong))
