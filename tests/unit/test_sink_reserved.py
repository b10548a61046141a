"""What a Parquet table takes of the memory cap is looked at before anything is written."""

from __future__ import annotations

import pytest

from pixmill.batch.job import Job, run_job
from pixmill.batch.memory import PARQUET_BYTES, least_memory
from pixmill.batch.sink import TableOptions
from pixmill.batch.source import SourceOptions, open_source
from pixmill.cli.order import Order
from pixmill.cli.run_options import run_options
from pixmill.errors import UsageError
from pixmill.settings import load_settings


class Unasked:
    """A watcher that no run may begin before."""

    def started(self, run, progress, resumed_line):
        pytest.fail("the run began")

    def seen(self, record):
        pytest.fail("a record was seen")

    def tick(self):
        pytest.fail("time passed")


def test_a_cap_too_small_for_parquet_alone_is_refused_and_nothing_is_written(tmp_path):
    cap = 400 * 2**20
    assert least_memory(1) <= cap < least_memory(1, PARQUET_BYTES)
    source, output = tmp_path / "l.txt", tmp_path / "out" / "x.parquet"
    source.write_text("http://a.example/\n")
    output.parent.mkdir()
    order = Order(inputs=(str(source),), output=str(output))
    job = Job(
        source=open_source([source], SourceOptions()),
        output=output,
        table=TableOptions(),
        run=run_options(order, load_settings(memory="400M"), wants_md5=True),
        bearing={},
    )
    with pytest.raises(UsageError, match=r"1 worker needs a memory cap of at least 504M; 400M is"):
        run_job(job, Unasked())
    assert list(output.parent.iterdir()) == []
