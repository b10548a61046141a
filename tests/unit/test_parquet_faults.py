"""Parts that are gone or altered, a folder of parts with other files in it, a missing extra."""

from __future__ import annotations

import contextlib
import gc
import subprocess
import sys
import textwrap

import pyarrow.parquet as pq
import pytest

from pixmill.batch.sink import TableOptions, open_table, parquet_part
from pixmill.errors import ResumeRefused

from .sink_records import a_run, open_descriptors, succeeded

OPTIONS = TableOptions()


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
