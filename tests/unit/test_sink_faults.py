"""Full disks, files that cannot be written, states that do not fit, readers that go away."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pixmill.batch.sink import StreamSink, TableOptions, errors_path, open_table, parquet
from pixmill.batch.sink.table import open_sink
from pixmill.errors import OutputError, ResumeRefused

from .sink_records import a_run, both_files, failed, succeeded, write_all

ENDINGS = ["csv", "jsonl", "parquet"]
OPTIONS = TableOptions()


def open_descriptors() -> set[str]:
    links = Path("/proc/self/fd").iterdir()
    return {str(link.readlink()) for link in links if link.is_symlink()}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("ending", ENDINGS)
def test_full_disk_is_a_sentence_and_with_room_the_run_resumes(tmp_path, small_disk, ending):
    records = a_run(900)
    write_all(tmp_path / f"whole.{ending}", records)
    output = small_disk / f"o.{ending}"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(40_000))
    sink = open_table(output, OPTIONS, None)
    done = 0
    with pytest.raises(OutputError) as caught:  # noqa: PT012 - which call it is depends on the format
        while True:
            for record in records[done : done + 30]:
                sink.write(record)
            state = json.dumps(sink.commit())
            done += 30
    sink.close()
    assert not any(str(small_disk) in path for path in open_descriptors())
    sentence = str(caught.value)
    assert str(output) in sentence or str(errors_path(output)) in sentence
    assert "no space is left on its disk" in sentence
    assert "run the same command again to resume" in sentence
    assert 0 < done < len(records)
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    with contextlib.closing(open_table(output, OPTIONS, json.loads(state))) as sink:
        for record in records[done:]:
            sink.write(record)
        sink.finish()
        sink.publish()
    assert both_files(output) == both_files(tmp_path / f"whole.{ending}")


def test_full_disk_while_joining_leaves_the_commit_and_no_descriptor(
    tmp_path, small_disk, monkeypatch
):
    monkeypatch.setattr(parquet, "PART_ROWS", 64)
    records = a_run(500)
    write_all(tmp_path / "whole.parquet", records)
    output = small_disk / "o.parquet"
    sink = open_table(output, OPTIONS, None)
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    for record in records:
        sink.write(record)
    state = sink.commit()
    used = sum(path.stat().st_blocks * 512 for path in small_disk.rglob("*") if path.is_file())
    subprocess.run(
        ["mount", "-o", f"remount,size={used // 1024 + 8}k", str(small_disk)], check=True
    )
    with pytest.raises(OutputError, match="no space is left"):
        sink.finish()
    sink.close()
    gc.collect()  # whatever the writer's destructor has to say, it says here
    assert not any(str(small_disk) in path for path in open_descriptors())
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    with contextlib.closing(open_table(output, OPTIONS, state)) as sink:
        sink.finish()
        sink.publish()
    assert both_files(output) == both_files(tmp_path / "whole.parquet")


@pytest.mark.parametrize("ending", ENDINGS)
def test_file_size_limit_is_a_sentence_and_the_commit_stands(tmp_path, ending):
    program = """
        import json, resource, sys
        from pathlib import Path
        from pixmill.batch.sink import TableOptions, open_table
        from pixmill.errors import OutputError
        from tests.unit.sink_records import a_run
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        sink = open_table(Path(sys.argv[1]), TableOptions(), None)
        done = 0
        try:
            while True:
                for record in a_run(900)[done : done + 10]:
                    sink.write(record)
                state = sink.commit()
                done += 10
        except OutputError as error:
            print(json.dumps([done, state, str(error)]))
        finally:
            sink.close()
    """
    output = tmp_path / f"o.{ending}"
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(output)],
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    done, state, sentence = json.loads(child.stdout)
    assert "it has reached the file-size limit" in sentence
    assert done > 0
    records = a_run(900)
    write_all(tmp_path / f"whole.{ending}", records)
    with contextlib.closing(open_table(output, OPTIONS, state)) as sink:
        for record in records[done:]:
            sink.write(record)
        sink.finish()
        sink.publish()
    assert both_files(output) == both_files(tmp_path / f"whole.{ending}")


@pytest.mark.parametrize("ending", ENDINGS)
def test_output_in_a_missing_folder_or_over_a_folder_is_refused(tmp_path, ending):
    with pytest.raises(OutputError, match=r"the folder .*/nowhere does not exist"):
        open_table(tmp_path / "nowhere" / f"o.{ending}", OPTIONS, None)
    (tmp_path / f"o.{ending}").mkdir()
    with pytest.raises(OutputError, match="it is a folder"):
        open_table(tmp_path / f"o.{ending}", OPTIONS, None)


@pytest.mark.parametrize("ending", ENDINGS)
def test_errors_file_over_a_folder_is_refused_and_nothing_stays_open(tmp_path, ending):
    (tmp_path / "o-errors.csv").mkdir()
    with pytest.raises(OutputError, match=r"o-errors\.csv: it is a folder"):
        open_table(tmp_path / f"o.{ending}", OPTIONS, None)
    gc.collect()
    assert not any(str(tmp_path) in path for path in open_descriptors())


def test_output_that_is_no_regular_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "o.csv")
    with pytest.raises(OutputError, match="no regular file"):
        open_table(tmp_path / "o.csv", OPTIONS, None)


@pytest.mark.parametrize("ending", ENDINGS)
def test_partial_file_that_cannot_be_made_is_refused(tmp_path, ending):
    name = f"o.{ending}.parts" if ending == "parquet" else f"o.{ending}.part"
    (tmp_path / name).symlink_to("/proc/nothing/there")
    with pytest.raises(OutputError, match=r"cannot write .*o\."):
        open_table(tmp_path / f"o.{ending}", OPTIONS, None)


@pytest.mark.parametrize("length", [250, 300])
def test_name_too_long_for_the_file_system_is_refused(tmp_path, length):
    with pytest.raises(OutputError, match="File name too long"):
        open_sink(tmp_path / ("o" * length + ".csv"), OPTIONS, None)


@pytest.fixture
def nobody():
    """Give up root's rights, where the test has them, since root may write anywhere."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("mode", [0o555, 0o000])
@pytest.mark.usefixtures("nobody")
def test_folder_without_permission_is_refused(ending, mode):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(mode)
        with pytest.raises(OutputError, match="Permission denied"):
            open_table(Path(folder) / f"o.{ending}", OPTIONS, None)
        Path(folder).chmod(0o755)


def test_a_partial_file_shorter_than_committed_is_refused_and_left_alone(tmp_path):
    output = tmp_path / "o.csv"
    with contextlib.closing(open_table(output, OPTIONS, None)) as sink:
        sink.write(succeeded(1))
        state = sink.commit()
    partial = tmp_path / "o.csv.part"
    partial.write_bytes(partial.read_bytes()[:-1])
    with pytest.raises(ResumeRefused, match=r"o\.csv\.part has 46 bytes, fewer than the 47"):
        open_table(output, OPTIONS, state)
    assert len(partial.read_bytes()) == 46
    partial.unlink()
    with pytest.raises(ResumeRefused, match=r"o\.csv\.part is gone"):
        open_table(output, OPTIONS, state)


def test_parts_that_are_missing_or_altered_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "PART_ROWS", 2)
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


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("state", [{}, {"table": {}}, {"table": {"bytes": "1"}, "errors": {}}])
def test_a_damaged_state_is_refused(tmp_path, ending, state):
    with pytest.raises(ResumeRefused, match="the checkpoint is damaged"):
        open_table(tmp_path / f"o.{ending}", OPTIONS, state)


@pytest.mark.parametrize("ending", ENDINGS)
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


@pytest.mark.parametrize("ending", ENDINGS)
def test_starting_anew_forgets_what_an_older_run_left(tmp_path, ending):
    output = tmp_path / f"o.{ending}"
    with contextlib.closing(open_table(output, OPTIONS, None)) as sink:
        for record in a_run(9):
            sink.write(record)
        sink.commit()
    write_all(output, [failed(3)])
    write_all(tmp_path / f"p.{ending}", [failed(3)])
    assert both_files(output) == both_files(tmp_path / f"p.{ending}")


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


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_finished_sink_takes_no_records_and_an_unfinished_one_is_not_published(tmp_path, ending):
    with contextlib.closing(open_table(tmp_path / f"o.{ending}", OPTIONS, None)) as sink:
        with pytest.raises(RuntimeError):
            sink.publish()
        sink.finish()
        with pytest.raises(RuntimeError):
            sink.write(succeeded(1))


@pytest.mark.parametrize("ending", ENDINGS)
def test_files_have_the_permissions_that_the_umask_leaves(tmp_path, ending):
    before = os.umask(0o027)
    try:
        write_all(tmp_path / f"o.{ending}", [succeeded(1)])
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}


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
