"""What every sink promises: order, any commit a place to go on from, publishing, refusals, closing.

Tables of every ending and, where rows matter, of every product; the stream where it makes the same
promise. Kills and disks have files of their own.
"""

from __future__ import annotations

import contextlib
import io
import json

import pytest

from pixmill.batch.sink import StreamSink, TableOptions, errors_path, open_table, parquet_part
from pixmill.batch.source import SourceOptions, open_source
from pixmill.errors import ResumeRefused
from tests.unit.product_records import PRODUCTS, a_run_of, options_of
from tests.unit.sink_records import (
    a_run,
    both_files,
    failed,
    open_descriptors,
    succeeded,
    write_all,
)

OPTIONS = TableOptions()
RECORDS = a_run(13)
LONG = [make(99, "http://a.example/" + "x" * 300_000) for make in (succeeded, failed)]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(parquet_part, "PART_ROWS", 5)


@pytest.fixture(params=PRODUCTS)
def product(request):
    """What a table tells of its images: records to write, and the options that go with them."""
    return a_run_of(request.param, 13), options_of(request.param)


def urls_in(path):
    return [item.url for item in open_source([path], SourceOptions()).items()]


def begun(output, records=RECORDS):
    """A table with some records that are committed; gives the state as a checkpoint keeps it."""
    with contextlib.closing(open_table(output, OPTIONS, None)) as sink:
        for record in records:
            sink.write(record)
        return json.loads(json.dumps(sink.commit()))


def test_rows_stand_in_the_order_in_which_they_were_written(tmp_path, ending, product):
    records, options = product
    output = tmp_path / f"o.{ending}"
    backwards = records[::-1]
    write_all(output, backwards, options)
    rows = [record.url for record in backwards if ending != "csv" or record.failure is None]
    assert urls_in(output) == rows
    assert urls_in(errors_path(output)) == [r.url for r in backwards if r.failure is not None]


def test_a_stream_keeps_the_order_and_publishes_by_passing_on(product):
    records, options = product
    stream = io.BytesIO()
    sink = StreamSink(stream, options)
    for record in records[::-1]:
        sink.write(record)
    assert sink.finish() == sink.commit() == {}
    sink.publish()
    sink.publish()
    rows = stream.getvalue().decode().splitlines()
    assert [row.split(",")[0] for row in rows] == [r.url for r in records[::-1] if not r.failure]


@pytest.mark.parametrize("lost", [[], RECORDS[:6], LONG], ids=["nothing", "rows", "long rows"])
def test_any_commit_is_a_place_to_go_on_from_with_the_same_bytes(tmp_path, ending, product, lost):
    """`lost` is written after the commit; long rows reach the disk at once and must go from it."""
    records, options = product
    write_all(tmp_path / f"whole.{ending}", records, options)
    for at in range(len(records) + 1):
        output = tmp_path / f"{at}.{ending}"
        with contextlib.closing(open_table(output, options, None)) as sink:
            for record in records[:at]:
                sink.write(record)
            state = json.loads(json.dumps(sink.commit()))
            for record in lost:
                sink.write(record)
        with contextlib.closing(open_table(output, options, state)) as sink:
            for record in records[at:]:
                sink.write(record)
            sink.finish()
            sink.publish()
        assert both_files(output) == both_files(tmp_path / f"whole.{ending}"), at


def test_a_table_resumed_after_each_record_has_the_same_bytes(tmp_path, ending, product):
    records, options = product
    write_all(tmp_path / f"whole.{ending}", records, options)
    output, state = tmp_path / f"o.{ending}", None
    for record in records:
        with contextlib.closing(open_table(output, options, state)) as sink:
            sink.write(record)
            state = sink.commit()
    with contextlib.closing(open_table(output, options, state)) as sink:
        sink.finish()
        sink.publish()
    assert both_files(output) == both_files(tmp_path / f"whole.{ending}")


def test_a_commit_without_news_says_the_same_again(tmp_path, ending):
    with contextlib.closing(open_table(tmp_path / f"o.{ending}", OPTIONS, None)) as sink:
        for record in RECORDS:
            sink.write(record)
        state = sink.commit()
        assert sink.commit() == sink.commit() == state


def test_nothing_but_the_published_files_is_left_and_publishing_again_is_harmless(tmp_path, ending):
    output = tmp_path / f"o.{ending}"
    with contextlib.closing(open_table(output, OPTIONS, None)) as sink:
        for record in RECORDS:
            sink.write(record)
        state = json.loads(json.dumps(sink.finish()))
        assert not output.exists()
        assert not errors_path(output).exists()
        sink.publish()
        published = both_files(output)
        sink.publish()
    with contextlib.closing(open_table(output, OPTIONS, state)) as sink:
        sink.publish()
    assert both_files(output) == published
    assert set(tmp_path.iterdir()) == {output, errors_path(output)}


@pytest.mark.parametrize("change", ["shorter", "gone"])
def test_a_partial_file_that_is_shorter_or_gone_is_refused_and_left_alone(tmp_path, ending, change):
    """The files that grow: those of the last commit, not the whole parts before them."""
    output = tmp_path / f"o.{ending}"
    table = "o.parquet.parts/tail-00002.jsonl" if ending == "parquet" else f"o.{ending}.part"
    for name in (table, "o-errors.csv.part"):
        state = begun(output)
        partial = tmp_path / name
        cut = partial.read_bytes()[:-1]
        if change == "shorter":
            partial.write_bytes(cut)
        else:
            partial.unlink()
        with pytest.raises(ResumeRefused, match=rf"{name} (has|is gone)"):
            open_table(output, OPTIONS, state)
        assert not partial.exists() if change == "gone" else partial.read_bytes() == cut


def test_closing_releases_every_descriptor_and_may_be_done_again(tmp_path, ending):
    sink = open_table(tmp_path / f"o.{ending}", OPTIONS, None)
    for record in RECORDS:
        sink.write(record)
    assert any(str(tmp_path) in path for path in open_descriptors())
    sink.close()
    sink.close()
    assert not any(str(tmp_path) in path for path in open_descriptors())


def test_closing_a_stream_leaves_it_open_and_what_was_not_passed_on_unsaid():
    stream = io.BytesIO()
    sink = StreamSink(stream, OPTIONS)
    sink.write(succeeded(1))
    sink.close()
    sink.close()
    assert (stream.closed, stream.getvalue()) == (False, b"")


@pytest.mark.parametrize("state", [{}, {"table": {}}, {"table": {"bytes": "1"}, "errors": {}}])
def test_a_damaged_state_is_refused(tmp_path, ending, state):
    with pytest.raises(ResumeRefused, match="the checkpoint is damaged"):
        open_table(tmp_path / f"o.{ending}", OPTIONS, state)


def test_a_finished_state_whose_files_changed_is_refused(tmp_path, ending):
    output = tmp_path / f"o.{ending}"
    with contextlib.closing(open_table(output, OPTIONS, None)) as sink:
        sink.write(succeeded(1))
        state = sink.finish()
        sink.publish()
    open_table(output, OPTIONS, state).publish()
    output.write_bytes(output.read_bytes() + b"\n")
    with pytest.raises(ResumeRefused, match="was finished with"):
        open_table(output, OPTIONS, state)


def test_starting_anew_forgets_what_an_older_run_left(tmp_path, ending):
    output = tmp_path / f"o.{ending}"
    with contextlib.closing(open_table(output, OPTIONS, None)) as sink:
        for record in a_run(9):
            sink.write(record)
        sink.commit()
    write_all(output, [failed(3)])
    write_all(tmp_path / f"p.{ending}", [failed(3)])
    assert both_files(output) == both_files(tmp_path / f"p.{ending}")


def test_a_finished_sink_takes_no_records_and_an_unfinished_one_is_not_published(tmp_path, ending):
    with contextlib.closing(open_table(tmp_path / f"o.{ending}", OPTIONS, None)) as sink:
        with pytest.raises(RuntimeError):
            sink.publish()
        sink.finish()
        with pytest.raises(RuntimeError):
            sink.write(succeeded(1))
