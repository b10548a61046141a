"""Merged Parquet tables have the row groups that a run would have cut, whatever their rows hold."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pixmill.batch.sink import TableOptions, parquet_part
from pixmill.batch.sink.merge import merge
from pixmill.errors import ResumeRefused

from .product_records import a_run_of, options_of
from .sink_records import a_run, failed, item_of, succeeded, with_a_damaged_page, write_all
from .test_merge import OPTIONS, again, check, damage_retried_error_missing

KEPT = TableOptions(keep_columns=("k",))


def group_rows(path):
    with pq.ParquetFile(path) as file:
        return [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]


def long_and_short(count):
    """Every fourth row has a long URL, every third a long kept value, every second fails."""
    for line in range(1, count + 1):
        url = f"http://a.example/{'u' * 900 * (line % 4 == 0)}{line}"
        extra = (("k", "é\n" * 300 * (line % 3 == 0)),)
        yield (succeeded if line % 2 else failed)(line, url, extra=extra)


@pytest.mark.parametrize("fates", ["all", "none", "some"])
def test_long_rows_end_row_groups_where_a_run_would_have_ended_them(tmp_path, monkeypatch, fates):
    monkeypatch.setattr(parquet_part, "_SURPLUS_BYTES", 3000)
    records = list(long_and_short(40))
    healed = {"all": [True] * 40, "none": [False] * 40, "some": [i % 3 > 0 for i in range(40)]}
    check(tmp_path, "parquet", records, healed[fates], KEPT)
    rows = group_rows(tmp_path / "o.parquet")
    assert max(rows) < parquet_part.part_rows(3)
    assert len(set(rows)) > 1


def test_a_row_that_was_tried_again_moves_the_row_groups_after_it(tmp_path, monkeypatch):
    """A failure's message is part of its row, and may have been what ended a row group."""
    monkeypatch.setattr(parquet_part, "_SURPLUS_BYTES", 1000)
    records = [succeeded(line, "http://a.example/" + "u" * 400) for line in range(1, 30)]
    long = failed(3)
    records[2] = replace(long, failure=replace(long.failure, message="no" * 900))
    write_all(tmp_path / "before.parquet", records)
    check(tmp_path, "parquet", records, [True] * len(records))
    assert group_rows(tmp_path / "before.parquet")[0] == 3
    assert group_rows(tmp_path / "o.parquet")[0] > 3


def test_many_pages_and_long_rows_of_the_real_sizes_merge_to_the_same_bytes(tmp_path):
    """Pages end by rows and by bytes, and must not show how the rows were gathered."""
    value = "0123456789" * 900
    records = [
        (failed if line % 100 == 0 else succeeded)(line, extra=(("k", f"{line}{value}"),))
        for line in range(1, 2501)
    ]
    check(tmp_path, "parquet", records, [True] * len(records), KEPT)
    assert len(group_rows(tmp_path / "o.parquet")) > 2


def test_matches_that_were_tried_again_end_row_groups_where_a_run_would_have(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_part, "_SURPLUS_BYTES", 300)
    monkeypatch.setattr(parquet_part, "_ROW_BYTES", 100)
    monkeypatch.setattr(parquet_part, "_PIECE_BYTES", 2000)
    options = options_of("match", keep_columns=("k",))
    records = [replace(each, extra=(("k", "é" * 200),)) for each in a_run_of("match", 40)]
    check(tmp_path, "parquet", records, [i % 4 > 0 for i in range(40)], options)
    assert 2 < len(group_rows(tmp_path / "o.parquet")) < 40


@pytest.mark.parametrize(
    "damage",
    ["no Parquet", "other columns", "fewer rows", "a null", "other status", "a page", "gone"],
)
def test_a_parquet_table_that_does_not_fit_is_refused(tmp_path, damage):
    records = a_run(9)
    output, retried = tmp_path / "o.parquet", tmp_path / "again.parquet"
    write_all(output, records, OPTIONS)
    write_all(retried, [again(r, True) for r in records if r.failure], OPTIONS)
    if damage == "no Parquet":
        retried.write_bytes(b"PAR1 but not really")
    elif damage == "other columns":
        pq.write_table(pa.table({"line": [1]}), output)
    elif damage == "fewer rows":
        pq.write_table(pq.read_table(output).slice(1), output)
    elif damage == "a null":
        table = pq.read_table(output)
        extra = pa.nulls(table.num_rows, table.schema.field("extra").type)
        pq.write_table(table.drop("extra").append_column("extra", extra), output)
    elif damage == "other status":
        write_all(retried, [again(r, False) for r in records if r.failure], OPTIONS)
        damage_retried_error_missing(output, retried)
    elif damage == "a page":
        output.write_bytes(with_a_damaged_page(output.read_bytes()))
    else:
        output.unlink()
    with pytest.raises(ResumeRefused, match=r"does not fit|cannot read"):
        merge(output, OPTIONS, map(item_of, records), retried)
    assert not list(tmp_path.glob("*.part"))
