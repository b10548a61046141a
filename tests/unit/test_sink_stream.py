"""Rows to a stream that somebody reads while they come."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from pixmill.batch.sink import StreamSink, TableOptions
from pixmill.batch.sink import stream as stream_module
from pixmill.errors import OutputError

from .sink_records import a_run, failed, succeeded, write_all

OPTIONS = TableOptions()


def test_stream_gets_the_bytes_of_the_csv_table(tmp_path):
    records = a_run(3000)
    options = TableOptions(counts=True, header=True)
    write_all(tmp_path / "o.csv", records, options)
    stream = io.BytesIO()
    sink = StreamSink(stream, options)
    for record in records:
        sink.write(record)
    sink.finish()
    sink.publish()
    sink.close()
    assert stream.getvalue() == (tmp_path / "o.csv").read_bytes()


def test_stream_shows_rows_at_each_commit():
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as seen, os.fdopen(writer, "wb") as stream:
        sink = StreamSink(stream, OPTIONS)
        sink.write(succeeded(1))
        assert sink.commit() == {}
        os.set_blocking(reader, False)
        assert seen.read() == b"http://a.example/1.png,#010007,#010107,#010207\n"


def test_reader_that_went_away_is_a_sentence():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb", buffering=0) as stream:
        sink = StreamSink(stream, OPTIONS)
        sink.write(succeeded(1))
        with pytest.raises(OutputError, match="the reader of standard output went away"):
            sink.commit()
        sink.close()


def test_stream_to_a_full_device_is_a_sentence():
    with Path("/dev/full").open("wb", buffering=0) as stream:
        sink = StreamSink(stream, OPTIONS)
        sink.write(succeeded(1))
        with pytest.raises(OutputError, match="cannot write standard output: No space left"):
            sink.finish()


def test_rows_are_passed_on_by_their_size_between_commits(monkeypatch):
    """Else memory would grow with what is written between two commits."""
    monkeypatch.setattr(stream_module, "_BUFFER_CHARS", 150)  # three rows have 141, four 188
    stream = io.BytesIO()
    sink = StreamSink(stream, OPTIONS)
    passed_on = []
    for line in range(1, 10):
        sink.write(succeeded(line))
        passed_on.append(stream.getvalue().count(b"\n"))
    assert passed_on == [0, 0, 0, 4, 4, 4, 4, 8, 8]


def test_failed_records_leave_no_trace():
    stream = io.BytesIO()
    sink = StreamSink(stream, OPTIONS)
    sink.write(failed(1))
    sink.finish()
    assert stream.getvalue() == b""
