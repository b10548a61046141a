"""What a row is, in CSV, in the errors file, in JSONL and in Parquet."""

from __future__ import annotations

import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.batch.durable import utf8
from pixmill.batch.sink import parquet_part
from pixmill.batch.sink.parquet_file import table_schema
from pixmill.batch.sink.parquet_part import part_rows
from pixmill.batch.sink.rows import (
    TableOptions,
    csv_header,
    csv_row,
    csv_start,
    errors_row,
    errors_start,
    json_row,
    json_start,
)
from pixmill.batch.sink.table import open_sink, open_table
from pixmill.errors import UsageError
from pixmill.record import Analysis, Color, Failure, Record

from .sink_records import failed, succeeded, write_all

ANY_TEXT = st.text(
    st.one_of(st.sampled_from("\",\n\r;'=+ \t\0\u2028\ud800\udc80\udfff😀"), st.characters()),
    max_size=12,
)
JSON_KEYS = [
    "line",
    "url",
    "status",
    "code",
    "http_status",
    "attempts",
    "message",
    "colors",
    "pixels",
    "width",
    "height",
    "format",
    "bytes",
    "md5",
    "extra",
]


def whole(text: str) -> str:
    """The text as UTF-8 can hold it."""
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)


def read_csv(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(utf8(text).decode(), newline="")))


def test_csv_row_is_url_and_colors():
    assert (
        csv_row(succeeded(10), TableOptions())
        == "http://a.example/10.png,#0A0007,#0A0107,#0A0207\n"
    )


def test_csv_row_with_counts_and_kept_columns_in_that_order():
    record = succeeded(10, n=2, extra=(("id", "7"), ("label", "a,b")))
    assert (
        csv_row(record, TableOptions(counts=True))
        == 'http://a.example/10.png,#0A0007,#0A0107,900,899,7,"a,b"\n'
    )


def test_csv_leaves_failed_records_out():
    assert csv_row(failed(3), TableOptions(counts=True)) == ""


@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("http://a/ b;c'd", "http://a/ b;c'd"),
        ("http://a/,", '"http://a/,"'),
        ('http://a/"', '"http://a/"""'),
        ("http://a/\n", '"http://a/\n"'),
        ("http://a/\r", '"http://a/\r"'),
        ("=1+1", "=1+1"),
        ("", ""),
    ],
)
def test_csv_quotes_only_comma_quote_and_line_ends(url, field):
    assert csv_row(succeeded(1, url), TableOptions()) == f"{field},#010007,#010107,#010207\n"


def test_header_names_every_column():
    options = TableOptions(2, counts=True, header=True, keep_columns=("id", "a,b"))
    assert csv_header(options) == 'url,color_1,color_2,count_1,count_2,id,"a,b"\n'
    assert csv_header(TableOptions(3, header=True)) == "url,color_1,color_2,color_3\n"
    assert csv_header(TableOptions(3)) == ""


@given(ANY_TEXT, ANY_TEXT)
def test_any_url_and_kept_value_comes_back_through_a_csv_reader(url, value):
    row = csv_row(succeeded(1, url, extra=(("k", value),)), TableOptions())
    assert read_csv(row) == [[whole(url), "#010007", "#010107", "#010207", whole(value)]]
    assert row.startswith(csv_start(url))


@given(ANY_TEXT, ANY_TEXT)
def test_any_failure_comes_back_from_the_errors_file(url, message):
    record = Record(9, url, failure=Failure("dns_failed", message), attempts=3)
    row = errors_row(record)
    assert read_csv(row) == [["9", whole(url), "dns_failed", "", "3", whole(message)]]
    assert row.startswith(errors_start(9, url))


def test_errors_file_has_a_row_of_six_for_a_failure_and_none_for_a_success():
    assert errors_row(failed(4)) == (
        '4,http://a.example/4.png,http_error,404,2,"the server said: ""no"",\nfor now"\n'
    )
    assert errors_row(succeeded(4)) == ""


def test_json_row_of_a_success():
    record = succeeded(1, "http://ä/😀", n=1, extra=(("id", "7"),))
    assert json_row(record, TableOptions()) == (
        '{"line":1,"url":"http://ä/😀","status":"ok","code":null,"http_status":200,"attempts":1,'
        '"message":null,"colors":[{"hex":"#010007","count":900,"share":0.2197265625}],'
        '"pixels":4096,"width":64,"height":32,"format":"png","bytes":321,'
        '"md5":"00000000000000000000000000000001","extra":{"id":"7"}}\n'
    )


def test_json_row_of_a_failure_has_the_same_keys():
    row = json.loads(json_row(failed(2), TableOptions()))
    assert list(row) == JSON_KEYS
    assert row["status"] == "failed"
    assert json_row(failed(2), TableOptions()).startswith(json_start(2, row["url"], failed=True))
    assert row["code"] == "http_error"
    assert [key for key in row if row[key] is None] == JSON_KEYS[7:14]


@given(ANY_TEXT, ANY_TEXT)
def test_any_text_comes_back_from_one_json_line(url, value):
    row = json_row(succeeded(1, url, extra=((value, value),)), TableOptions())
    data = utf8(row)
    assert data.index(b"\n") == len(data) - 1
    read = json.loads(data)
    assert read["url"] == whole(url)
    assert read["extra"] == {whole(value): whole(value)}
    assert row.startswith(json_start(1, url, failed=False))


@given(st.integers(1, 2**40), st.integers(1, 2**40))
def test_json_shares_read_back_to_the_same_double(count, pixels):
    share = min(count, pixels) / max(count, pixels)
    analysis = Analysis((Color((0, 0, 0), "#000000", 1, share),), 1, 1, 1, "png", 1)
    row = json.loads(json_row(Record(1, "u", analysis), TableOptions()))
    assert row["colors"][0]["share"] == share


def test_parquet_has_the_columns_of_jsonl_and_the_same_values(tmp_path):
    records = [succeeded(1, "http://ä/\ud800", extra=(("id", "7"),)), failed(5), succeeded(6, n=2)]
    write_all(tmp_path / "o.parquet", records)
    write_all(tmp_path / "o.jsonl", records)
    table = pq.read_table(tmp_path / "o.parquet")
    assert table.column_names == JSON_KEYS
    assert table.schema.equals(table_schema(TableOptions()))
    rows = table.to_pylist()
    for row in rows:
        row["extra"] = dict(row["extra"])
    assert rows == [json.loads(row) for row in (tmp_path / "o.jsonl").read_bytes().splitlines()]


def test_parquet_types_are_those_documented():
    schema = table_schema(TableOptions())
    assert schema.field("line").type == pa.int64()
    assert schema.field("http_status").type == pa.int32()
    assert schema.field("extra").type == pa.map_(pa.string(), pa.string())
    assert schema.field("colors").type == pa.list_(
        pa.struct([("hex", pa.string()), ("count", pa.int64()), ("share", pa.float64())])
    )


def test_row_groups_are_cut_by_rows_and_smaller_for_many_colors(tmp_path, monkeypatch):
    assert [part_rows(n) for n in (1, 3, 16, 64, 256)] == [65_536, 65_536, 65_536, 16_384, 4_096]
    monkeypatch.setattr(parquet_part, "PART_ROWS", 8)
    for n, groups in ((3, [8, 2]), (32, [4, 4, 2])):
        output = tmp_path / f"{n}.parquet"
        write_all(output, [succeeded(line, n=n) for line in range(1, 11)], TableOptions(n))
        with pq.ParquetFile(output) as file:
            counts = [file.metadata.row_group(i).num_rows for i in range(len(groups))]
            assert (counts, file.num_row_groups) == (groups, len(groups))


def test_an_empty_run_gives_an_empty_table_and_the_errors_header(tmp_path):
    for ending in ("csv", "jsonl", "parquet"):
        write_all(tmp_path / f"o.{ending}", [])
    assert (tmp_path / "o.csv").read_bytes() == b""
    assert (tmp_path / "o.jsonl").read_bytes() == b""
    assert pq.read_table(tmp_path / "o.parquet").num_rows == 0
    errors = (tmp_path / "o-errors.csv").read_bytes()
    assert errors == b"line,url,code,http_status,attempts,message\n"


def test_table_of_csv_is_utf8_without_bom_and_with_line_feeds(tmp_path):
    write_all(tmp_path / "o.csv", [succeeded(1, "http://ä/")], TableOptions(header=True))
    assert (tmp_path / "o.csv").read_bytes() == (
        "url,color_1,color_2,color_3\nhttp://ä/,#010007,#010107,#010207\n".encode()
    )


def test_ending_picks_the_format_in_either_case(tmp_path):
    with pytest.raises(UsageError, match=r"ends in \.csv, \.jsonl or \.parquet, not in \.txt"):
        open_table(tmp_path / "o.txt", TableOptions(), None)
    with pytest.raises(UsageError, match="not in nothing"):
        open_sink(tmp_path / "o", TableOptions(), None)
    write_all(tmp_path / "O.CSV", [succeeded(1)])
    assert (tmp_path / "O-errors.csv").exists()
