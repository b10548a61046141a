"""Disks that are full, limits that are reached, places that no table can be written to."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from pixmill.batch.sink import TableOptions, errors_path, open_table, parquet_part
from pixmill.batch.sink.table import open_sink
from pixmill.errors import OutputError
from tests.unit.sink_records import a_run, both_files, open_descriptors, succeeded, write_all

OPTIONS = TableOptions()


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
    monkeypatch.setattr(parquet_part, "PART_ROWS", 64)
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


def test_output_in_a_missing_folder_or_over_a_folder_is_refused(tmp_path, ending):
    with pytest.raises(OutputError, match=r"the folder .*/nowhere does not exist"):
        open_table(tmp_path / "nowhere" / f"o.{ending}", OPTIONS, None)
    (tmp_path / f"o.{ending}").mkdir()
    with pytest.raises(OutputError, match="it is a folder"):
        open_table(tmp_path / f"o.{ending}", OPTIONS, None)


def test_errors_file_over_a_folder_is_refused_and_nothing_stays_open(tmp_path, ending):
    (tmp_path / "o-errors.csv").mkdir()
    with pytest.raises(OutputError, match=r"o-errors\.csv: it is a folder"):
        open_table(tmp_path / f"o.{ending}", OPTIONS, None)
    gc.collect()
    assert not any(str(tmp_path) in path for path in open_descriptors())


def test_partial_file_that_cannot_be_made_is_refused(tmp_path, ending):
    name = f"o.{ending}.parts" if ending == "parquet" else f"o.{ending}.part"
    (tmp_path / name).symlink_to("/proc/nothing/there")
    with pytest.raises(OutputError, match=r"cannot write .*o\."):
        open_table(tmp_path / f"o.{ending}", OPTIONS, None)


@pytest.mark.parametrize("mode", [0o555, 0o000])
@pytest.mark.usefixtures("nobody")
def test_folder_without_permission_is_refused(ending, mode):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(mode)
        with pytest.raises(OutputError, match="Permission denied"):
            open_table(Path(folder) / f"o.{ending}", OPTIONS, None)
        Path(folder).chmod(0o755)


def test_files_have_the_permissions_that_the_umask_leaves(tmp_path, ending):
    before = os.umask(0o027)
    try:
        write_all(tmp_path / f"o.{ending}", [succeeded(1)])
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}


def test_output_that_is_no_regular_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "o.csv")
    with pytest.raises(OutputError, match="no regular file"):
        open_table(tmp_path / "o.csv", OPTIONS, None)


@pytest.mark.parametrize("length", [250, 300])
def test_name_too_long_for_the_file_system_is_refused(tmp_path, length):
    with pytest.raises(OutputError, match="File name too long"):
        open_sink(tmp_path / ("o" * length + ".csv"), OPTIONS, None)
