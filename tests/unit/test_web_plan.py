"""The service's memory is shared out once: lists take what a command leaves to its rows."""

from __future__ import annotations

import pytest

from pixmill.batch.memory import PARQUET_BYTES
from pixmill.settings import Settings
from pixmill.web.plan import plan_service

MIB = 2**20


def planned(**flags):
    return plan_service(Settings(workers=1, **flags))


@pytest.mark.parametrize("at_once", [1, 2, 7, 1000])
@pytest.mark.parametrize("memory", [512 * MIB, 1024 * MIB])
def test_all_lists_together_stay_within_the_rows_of_the_plan(memory, at_once):
    plan = planned(memory=memory)
    share = plan.memory.of_a_list(at_once)
    assert at_once * (share.bodies + share.rows) <= plan.memory.rows
    assert share.decode == plan.memory.decode


def test_parquet_is_written_where_a_large_picture_has_room_beside_it():
    assert not planned(memory=512 * MIB).writes_parquet
    assert planned(memory=1024 * MIB).writes_parquet
    idle = planned(memory=1024 * MIB, jobs=0)
    assert not idle.writes_parquet
    room = idle.memory.decode - planned(memory=1024 * MIB).memory.decode
    assert room == PARQUET_BYTES
