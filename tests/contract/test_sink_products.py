"""What a table tells of every product, and that its formats tell the same."""

from __future__ import annotations

import csv
import io
import json

import pyarrow.parquet as pq
import pytest

from pixmill.batch.sink import StreamSink, parquet_part
from pixmill.batch.sink.parquet_file import table_schema
from pixmill.batch.sink.products import csv_names, padded_hexes
from pixmill.record import Cluster
from pixmill.told import clusters_as_json, match_as_json
from tests.unit.product_records import PRODUCTS, a_run_of, options_of, product_of
from tests.unit.sink_records import failed, write_all

OWN = {
    "colors": ["colors", "pixels"],
    "clusters": ["clusters"],
    "match": ["match", "clusters"],
    "picture": ["file"],
}
BEFORE = ["line", "url", "status", "code", "http_status", "attempts", "message"]
AFTER = ["width", "height", "format", "bytes", "md5", "extra"]


@pytest.fixture(params=PRODUCTS)
def product(request):
    return request.param


def as_jsonl(folder, records, options):
    write_all(folder / "o.jsonl", records, options)
    return [json.loads(line) for line in (folder / "o.jsonl").read_text("utf-8").splitlines()]


def as_csv(folder, records, options):
    write_all(folder / "o.csv", records, options)
    return list(csv.reader(io.StringIO((folder / "o.csv").read_bytes().decode(), newline="")))


def test_parquet_has_the_columns_of_jsonl_and_the_same_values(tmp_path, product, monkeypatch):
    monkeypatch.setattr(parquet_part, "PART_ROWS", 5)
    records, options = a_run_of(product, 23), options_of(product)
    rows = as_jsonl(tmp_path, records, options)
    write_all(tmp_path / "o.parquet", records, options)
    table = pq.read_table(tmp_path / "o.parquet")
    assert table.column_names == [*BEFORE, *OWN[product], *AFTER]
    assert table.schema.equals(table_schema(options))
    read = table.to_pylist()
    for row in read:
        row["extra"] = dict(row["extra"])
    assert read == rows


def test_every_row_has_every_key_and_a_failed_one_knows_nothing(tmp_path, product):
    rows = as_jsonl(tmp_path, [failed(1), product_of(product, 2)], options_of(product))
    keys = [*BEFORE, *OWN[product], *AFTER]
    assert [list(row) for row in rows] == [keys, keys]
    assert [key for key in keys if rows[0][key] is None] == [*OWN[product], *AFTER[:-1]]
    assert [key for key in keys if rows[1][key] is None] == ["code", "message"]


def test_a_stream_writes_what_a_file_holds(tmp_path, product):
    records, options = a_run_of(product, 9), options_of(product, header=True)
    for ending in ("csv", "jsonl"):
        stream = io.BytesIO()
        sink = StreamSink(stream, options, json=ending == "jsonl")
        for record in records:
            sink.write(record)
        sink.finish()
        write_all(tmp_path / f"o.{ending}", records, options)
        assert stream.getvalue() == (tmp_path / f"o.{ending}").read_bytes()


def test_every_csv_row_has_as_many_fields_as_the_header(tmp_path, product):
    options = options_of(product, header=True, keep_columns=("id",))
    records = [product_of(product, line, extra=(("id", "a,b"),)) for line in range(1, 21)]
    header, *rows = as_csv(tmp_path, records, options)
    assert header == ["url", *csv_names(options), "id"]
    assert {len(row) for row in rows} == {len(header)}
    assert {row[-1] for row in rows} == {"a,b"}


# Matches


def test_a_match_is_a_name_a_color_and_a_distance_and_a_miss_is_three_empty_fields(tmp_path):
    records = [product_of("match", line) for line in range(1, 41)]
    rows = as_csv(tmp_path, records, options_of("match"))
    for record, (url, name, hex_, distance) in zip(records, rows, strict=True):
        match = record.match
        assert url == record.url
        if match.found:
            assert (name, hex_) == (match.nearest.name, match.nearest.hex)
            assert float(distance) == match.nearest.distance
        else:
            assert (name, hex_, distance) == ("", "", "")
    found = [record.match.found for record in records]
    assert any(found)
    assert not all(found)


def test_a_name_that_needs_quotes_has_them(tmp_path):
    (red,) = [
        record
        for record in (product_of("match", line) for line in range(1, 100))
        if record.match.found and record.match.nearest.id == "SKU,1"
    ][:1]
    write_all(tmp_path / "o.csv", [red], options_of("match"))
    line = (tmp_path / "o.csv").read_text("utf-8")
    assert line.startswith(f'{red.url},"a ""warm"" red, ö",#C81E1E,')


def test_jsonl_tells_matches_and_clusters_in_full(tmp_path):
    records = [product_of("match", line) for line in range(1, 11)]
    for record, row in zip(records, as_jsonl(tmp_path, records, options_of("match")), strict=True):
        assert row["match"] == match_as_json(record.match)
        assert row["clusters"] == clusters_as_json(record.analysis.clusters)


# Clusters


def cluster(*rgb):
    return Cluster(tuple(map(float, rgb)), 0.5)


RED, BLUE = cluster(255, 0, 0), cluster(0, 0, 255)


@pytest.mark.parametrize(
    ("clusters", "n", "expected"),
    [
        ([RED, BLUE], 2, ["#FF0000", "#0000FF"]),
        ([RED, BLUE], 1, ["#FF0000"]),
        ([RED, BLUE], 4, ["#FF0000", "#FF0000", "#FF0000", "#0000FF"]),
        ([cluster(0.5, 1.5, 254.6)], 1, ["#0002FF"]),
        ([], 1, ["#000000"]),
        ([], 2, ["#000000", "#000BAD"]),
        ([], 3, ["#000000", "#000BAD", "#000000"]),
        ([], 5, ["#000000", "#000BAD", "#000000", "#000000", "#000000"]),
    ],
)
def test_clusters_are_padded_like_exact_colors(clusters, n, expected):
    assert padded_hexes(clusters, n) == expected


def test_a_row_of_clusters_has_n_colors(tmp_path):
    records = [product_of("clusters", line) for line in range(1, 11)]
    for record, row in zip(
        records, as_csv(tmp_path, records, options_of("clusters", n=4)), strict=True
    ):
        assert row == [record.url, *padded_hexes(record.analysis.clusters, 4)]


def test_row_groups_of_matches_end_where_those_of_colors_do(tmp_path, monkeypatch):
    """An ordinary row of a match, five clusters and all, counts as no long one."""
    monkeypatch.setattr(parquet_part, "_SURPLUS_BYTES", 1)
    monkeypatch.setattr(parquet_part, "PART_ROWS", 50)
    many = [product_of("match", line) for line in range(1, 101)]
    write_all(tmp_path / "o.parquet", many, options_of("match"))
    with pq.ParquetFile(tmp_path / "o.parquet") as file:
        assert file.num_row_groups == 2
