"""One cap on memory is shared out completely, and too many workers are refused with the way out."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.batch import memory
from pixmill.batch.memory import PARQUET_BYTES, least_memory, most_workers, plan_memory
from pixmill.errors import UsageError

MIB = 2**20


@given(st.integers(1, 1024), st.integers(0, 2**36))
def test_the_shares_sum_up_to_the_cap_and_suffice(workers, spare):
    total = least_memory(workers) + spare
    plan = plan_memory(total, workers)
    fixed = memory.PARENT_BYTES + memory.FORK_SERVER_BYTES + workers * memory.WORKER_BYTES
    assert fixed + plan.bodies + plan.rows + plan.decode == total
    assert plan.decode >= memory.LEAST_DECODE_BYTES
    assert plan.bodies >= plan.rows > 0


@given(st.integers(1, 1024))
def test_the_memory_that_a_refusal_names_is_the_least_that_works(workers):
    with pytest.raises(UsageError) as refusal:
        plan_memory(0, workers)
    named = int(re.search(r"at least (\d+)M", str(refusal.value))[1])
    plan_memory(named * MIB, workers)
    with pytest.raises(UsageError):
        plan_memory((named - 1) * MIB, workers)


def test_what_waits_is_bounded_however_large_the_cap():
    plan = plan_memory(64 * 2**30, 4)
    assert plan.bodies == plan.rows == 64 * MIB


@given(st.integers(1, 64), st.integers(0, 2**30))
def test_the_most_workers_fit_and_one_more_does_not(workers, spare):
    most = most_workers(least_memory(workers) + spare)
    assert most >= workers
    with pytest.raises(UsageError):
        plan_memory(least_memory(workers) + spare, most + 1)


def test_a_progressive_image_of_100_megapixels_fits_in_a_gigabyte_alone():
    assert plan_memory(2**30, 1).decode >= 650 * MIB


def test_the_small_profile_has_room_to_decode():
    assert plan_memory(512 * MIB, 1).decode >= 200 * MIB


def test_a_refusal_says_what_was_given():
    with pytest.raises(UsageError, match=r"^4 workers need .* 320M is given \(--memory, --workers"):
        plan_memory(320 * MIB, 4)


@given(st.integers(1, 64), st.integers(0, 2**30), st.integers(0, 2**30))
def test_what_is_reserved_is_given_to_nobody_and_counts_for_what_fits(workers, spare, reserved):
    total = least_memory(workers, reserved) + spare
    plan = plan_memory(total, workers, reserved)
    fixed = memory.PARENT_BYTES + memory.FORK_SERVER_BYTES + workers * memory.WORKER_BYTES
    assert fixed + reserved + plan.bodies + plan.rows + plan.decode == total
    most = most_workers(total, reserved)
    assert most >= workers
    with pytest.raises(UsageError):
        plan_memory(total, most + 1, reserved)


def test_the_small_profile_has_room_for_parquet():
    plan_memory(512 * MIB, 1, PARQUET_BYTES)
