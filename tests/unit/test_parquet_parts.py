"""Parts of a Parquet table are bounded in bytes too, at the same rows whatever happens."""

import pyarrow.parquet as pq

from pixmill.batch.sink import TableOptions, open_table, parquet_part
from tests.unit.sink_records import succeeded

LONG = [succeeded(i, extra=(("k", "é" * 1000),)) for i in range(1, 11)]
SHORT = [succeeded(i) for i in range(11, 21)]


def write(output, records, *, resume_at=()):
    options, state = TableOptions(), None
    sink = open_table(output, options, None)
    for number, record in enumerate(records):
        if number in resume_at:
            state = sink.commit()
            sink.close()
            sink = open_table(output, options, state)
        sink.write(record)
    sink.finish()
    sink.publish()
    sink.close()


def group_rows(path):
    with pq.ParquetFile(path) as file:
        return [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]


def test_long_rows_end_a_part_early_and_ordinary_ones_do_not(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_part, "_SURPLUS_BYTES", 6000)  # bytes: an é is two of them
    write(tmp_path / "o.parquet", LONG + SHORT)
    assert group_rows(tmp_path / "o.parquet") == [4, 4, 12]


def test_a_resumed_table_has_the_same_bytes_however_its_parts_are_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_part, "_SURPLUS_BYTES", 6000)
    monkeypatch.setattr(parquet_part, "_PIECE_BYTES", 900)
    write(tmp_path / "whole.parquet", LONG + SHORT)
    write(tmp_path / "resumed.parquet", LONG + SHORT, resume_at=(2, 3, 8, 11, 17))
    assert (tmp_path / "resumed.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_the_size_of_pieces_does_not_show(tmp_path, monkeypatch):
    write(tmp_path / "large.parquet", SHORT)
    monkeypatch.setattr(parquet_part, "_PIECE_BYTES", 400)
    write(tmp_path / "small.parquet", SHORT)
    assert (tmp_path / "small.parquet").read_bytes() == (tmp_path / "large.parquet").read_bytes()
