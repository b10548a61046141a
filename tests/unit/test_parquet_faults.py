"""Parts that are gone or altered, a folder of parts with other files in it, a missing extra."""

from __future__ import annotations

import contextlib
import gc
import resource
import subprocess
import sys
import textwrap

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pixmill.batch.sink import TableOptions, open_table, parquet_part
from pixmill.batch.sink.parquet_file import (
    read_part,
    table_schema,
    table_writer,
    to_batch,
    write_group,
)
from pixmill.batch.sink.rows import json_row
from pixmill.errors import OutputError, ResumeRefused

from .sink_records import a_run, open_descriptors, succeeded, with_a_damaged_page

OPTIONS = TableOptions()
SCHEMA = table_schema(OPTIONS)
ROWS = 40


def test_parts_that_are_missing_or_altered_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_part, "PART_ROWS", 2)
    output = tmp_path / "o.parquet"
    with contextlib.closing(open_table(output, OPTIONS, None)) as sink:
        for record in a_run(5):
            sink.write(record)
        state = sink.commit()
    folder = tmp_path / "o.parquet.parts"
    assert {path.name for path in folder.iterdir()} == {
        "part-00000.parquet",
        "part-00001.parquet",
        "tail-00000.jsonl",
        "tail-00001.jsonl",
        "tail-00002.jsonl",
    }
    part = folder / "part-00001.parquet"
    whole = part.read_bytes()
    part.write_bytes(whole[:-9])
    with (
        contextlib.closing(open_table(output, OPTIONS, state)) as sink,
        pytest.raises(ResumeRefused, match=r"part-00001\.parquet was changed"),
    ):
        sink.finish()
    gc.collect()
    part.unlink()
    with pytest.raises(ResumeRefused, match=r"part-00001\.parquet is gone"):
        open_table(output, OPTIONS, state)
    part.write_bytes(whole)
    tail = folder / "tail-00002.jsonl"
    tail.write_bytes(b"x" * tail.stat().st_size)
    with pytest.raises(ResumeRefused, match=r"tail-00002\.jsonl was changed"):
        open_table(output, OPTIONS, state)
    assert not any(str(folder) in path for path in open_descriptors())


def damaged_copies(whole):
    """Give the file with a bit changed in many places, and in each that may tell the rows."""
    numbers_of_rows = {at for at, byte in enumerate(whole) if byte == 2 * ROWS}  # as Thrift has it
    for place in {*range(0, len(whole), 7)} | numbers_of_rows:
        yield whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :]


def read_or_refused(part):
    try:
        return read_part(part, SCHEMA)
    except ResumeRefused as refusal:
        return str(refusal)


def test_a_damaged_part_is_never_read_as_other_rows(tmp_path):
    part = tmp_path / "part-00000.parquet"
    batch = to_batch([json_row(record, TableOptions()) for record in a_run(ROWS)], SCHEMA)
    with table_writer(part, SCHEMA) as writer:
        write_group(writer, pa.Table.from_batches([batch]))
    written, refusals, copies = read_part(part, SCHEMA), [], list(damaged_copies(part.read_bytes()))
    for damaged in copies:
        part.write_bytes(damaged)
        answer = read_or_refused(part)
        if isinstance(answer, str):
            refusals.append(answer)
        else:  # a bit that bears on no row, as in statistics, may change unseen
            assert answer.equals(written)
    assert all(f"{part} was changed" in text and "\n" not in text for text in refusals)
    assert len(refusals) > len(copies) // 2


@pytest.mark.parametrize("damage", ["a folder", "a loop", "a page"])
def test_a_part_that_can_not_be_read_is_not_called_one_that_can_not_be_written(
    tmp_path, monkeypatch, damage
):
    monkeypatch.setattr(parquet_part, "PART_ROWS", 8)
    output = tmp_path / "o.parquet"
    part = tmp_path / "o.parquet.parts" / "part-00000.parquet"
    with contextlib.closing(open_table(output, OPTIONS, None)) as sink:
        for record in a_run(9):
            sink.write(record)
        sink.commit()
        if damage == "a page":
            part.write_bytes(with_a_damaged_page(part.read_bytes()))
        else:
            part.unlink()
            part.mkdir() if damage == "a folder" else part.symlink_to(part)
        with pytest.raises(ResumeRefused, match=r"part-00000\.parquet was changed.*--overwrite"):
            sink.finish()
    assert not output.exists()


def test_a_process_without_descriptors_does_not_call_a_good_part_changed(tmp_path):
    path = tmp_path / "part.parquet"
    with table_writer(path, SCHEMA) as writer:
        write_group(writer, SCHEMA.empty_table())
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with pytest.raises(OutputError, match="Too many open files; running again resumes"):
            read_part(path, SCHEMA)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert read_part(path, SCHEMA).num_rows == 0


def test_files_in_the_folder_of_parts_that_are_not_its_own_are_spared(tmp_path):
    mine = tmp_path / "o.parquet.parts" / "notes.txt"
    mine.parent.mkdir()
    mine.write_text("keep")
    sink = open_table(tmp_path / "o.parquet", OPTIONS, None)
    sink.write(succeeded(1))
    sink.finish()
    sink.publish()
    assert mine.read_text() == "keep"
    assert pq.read_table(tmp_path / "o.parquet").num_rows == 1


def test_missing_pyarrow_is_one_sentence(tmp_path):
    program = """
        import sys
        sys.modules["pyarrow"] = None
        from pathlib import Path
        from pixmill.batch.sink import TableOptions, open_table
        from pixmill.errors import MissingExtra
        try:
            open_table(Path(sys.argv[1]), TableOptions(), None)
        except MissingExtra as error:
            print(error)
    """
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "o.parquet")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert child.stdout == "writing Parquet needs an extra: pip install 'pixmill[parquet]'\n"
    assert list(tmp_path.iterdir()) == []
