"""`pixmill transform` as a user types it: pictures in a folder, and a table that tells of them."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.acceptance.lists import FLAGS, body, listed
from tests.archives import grey_of
from tests.command import kill_group, run, start
from tests.origin import answer, hang
from tests.pictures import plain

HEADER = ["url", "line", "file", "width", "height", "bytes"]
GREY = ("--op", "grayscale", "--op", "convert png")


@pytest.fixture
def transform(tmp_path):
    """Call it with arguments to run the command; a failing one fails the test."""

    def call(*arguments, status=0, flags=FLAGS):
        done = run("transform", *arguments, *flags, cwd=tmp_path)
        assert done.returncode == status, done.stderr
        return done

    return call


def table(folder):
    text = (folder / "transformed.csv").read_bytes().decode()
    return list(csv.reader(io.StringIO(text, newline="")))


def errors(folder):
    text = (folder / "transformed-errors.csv").read_bytes().decode()
    return list(csv.reader(io.StringIO(text, newline="")))[1:]


def files(folder):
    """All files but what tells of the run, with their bytes; hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith("transformed")
    }


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_each_image_of_a_list_is_written_once_and_told_of(origin, tmp_path, transform):
    urls = [origin.serve(f"/{index}.png", body(index)) for index in range(4)]
    same = origin.serve("/other/0.png", body(0))
    bad = origin.serve("/bad.png", body(1)[:90])
    listed(tmp_path, [*urls, urls[0], same, origin.url("/missing.png"), bad])
    transform("urls.txt", "-o", "out", *GREY)
    header, *rows = table(tmp_path / "out")
    assert header == HEADER
    assert [row[0] for row in rows] == [*urls, urls[0], same]
    assert [row[1] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert rows[4][2:] == rows[0][2:]
    assert origin.hits("/0.png") == 1
    made = files(tmp_path / "out")
    assert set(made) == {row[2] for row in rows}
    assert len(made) == 5
    for number, row in enumerate(rows[:4]):
        rgb = pixels(body(number))
        grey = grey_of(rgb)
        np.testing.assert_array_equal(pixels(made[row[2]])[..., 0], grey)
        assert row[3:] == [str(rgb.shape[1]), str(rgb.shape[0]), str(len(made[row[2]]))]
        assert re.fullmatch(rf"{number}-[a-z2-7]{{16}}\.png", row[2])
    assert [(row[0], row[2]) for row in errors(tmp_path / "out")] == [
        ("7", "http_error"),
        ("8", "corrupt_image"),
    ]


def test_a_folder_keeps_its_tree(tmp_path, transform):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "a.png").write_bytes(body(1))
    (tmp_path / "in" / "sub" / "b.png").write_bytes(body(2))
    transform("in", "-o", "deep/out", "--op", "resize 8 8 force", "--op", "convert webp")
    made = files(tmp_path / "deep" / "out")
    assert set(made) == {"a.webp", "sub/b.webp"}
    assert all(pixels(data).shape == (8, 8, 3) for data in made.values())
    assert [row[2:5] for row in table(tmp_path / "deep" / "out")[1:]] == [
        ["a.webp", "8", "8"],
        ["sub/b.webp", "8", "8"],
    ]


def test_a_file_of_operations_and_other_forms_of_the_table(tmp_path, transform):
    (tmp_path / "a.png").write_bytes(body(1))
    (tmp_path / "chain").write_text("# small\nresize 8 8 force\n\nconvert jpeg\n")
    for form in ("jsonl", "parquet"):
        transform("a.png", "-o", form, "--operations", "chain", "--table", form)
    (row,) = map(json.loads, (tmp_path / "jsonl" / "transformed.jsonl").read_text().splitlines())
    assert (row["file"], row["width"], row["height"], row["format"]) == ("a.jpg", 8, 8, "jpeg")
    assert row["bytes"] == (tmp_path / "jsonl" / "a.jpg").stat().st_size
    (other,) = pq.read_table(tmp_path / "parquet" / "transformed.parquet").to_pylist()
    assert other["file"] == "a.jpg"


def test_large_pictures_come_through_files_and_leave_nothing_behind(tmp_path, transform):
    noise = np.random.default_rng(1).integers(0, 256, (600, 600, 3), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(noise).save(written, "png")
    (tmp_path / "a.png").write_bytes(written.getvalue())
    transform("a.png", "-o", "out", "--op", "flip")
    made = files(tmp_path / "out")
    assert list(made) == ["a.png"]
    assert len(made["a.png"]) > 2**19
    np.testing.assert_array_equal(pixels(made["a.png"]), noise[::-1])


@pytest.mark.parametrize(
    ("words", "sentences"),
    [
        (["--op", "flip", "--op", "resize 64O"], ["operation 2: resize", '"64O"']),
        (["--operations", "chain"], ["chain: line 2: ", '"spin"', "chain: line 3: "]),
        ([], ["--op"]),
        (["--op", ""], ["operation 1"]),
        (["--op", "flip", "--operations", "chain"], ["give one of both"]),
        (["--operations", "missing"], ["missing can not be read"]),
        (["--operations", "."], ["can not be read"]),
        (["--operations", "binary"], ["no text of UTF-8"]),
        (["--operations", "huge"], ["8192 bytes"]),
        (["--operations", "empty"], ["--op"]),
    ],
)
def test_what_is_no_chain_is_told_and_nothing_is_written(tmp_path, transform, words, sentences):
    (tmp_path / "a.png").write_bytes(body(1))
    (tmp_path / "chain").write_text("flip\nspin 3\nblur\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "huge").write_bytes(b"#" * 9000)
    (tmp_path / "empty").write_bytes(b"")
    done = transform("a.png", "-o", "out", *words, status=2)
    assert all(sentence in done.stderr for sentence in sentences), done.stderr
    assert not (tmp_path / "out").exists()


def test_what_is_finished_is_left_alone_and_another_chain_is_refused(tmp_path, transform):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(body(1))
    transform("in", "-o", "out", *GREY)
    before = (tmp_path / "out" / "a.png").stat()
    assert "finished already" in transform("in", "-o", "out", *GREY).stderr
    after = (tmp_path / "out" / "a.png").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    done = transform("in", "-o", "out", "--op", "flip", status=1)
    assert "operations was" in done.stderr
    transform("in", "-o", "out", "--op", "flip", "--overwrite")
    np.testing.assert_array_equal(
        pixels((tmp_path / "out" / "a.png").read_bytes()), pixels(body(1))[::-1]
    )


def test_inputs_and_the_files_of_others_are_never_written_over(tmp_path, transform):
    (tmp_path / "in").mkdir()
    for name in ("in/a.png", "b.png"):
        (tmp_path / name).write_bytes(body(1))
    for words in (["in", "-o", "in"], ["in", "-o", "in/out"], ["in/a.png", "-o", "in"]):
        for more in ([], ["--overwrite"]):
            assert "choose another -o" in transform(*words, *GREY, *more, status=2).stderr
    done = transform("b.png", "-o", "in", *GREY, status=1)
    assert "holds files already" in done.stderr
    assert (tmp_path / "in" / "a.png").read_bytes() == body(1)
    assert "empty" in transform("b.png", "-o", "", *GREY, status=2).stderr
    assert "cannot write b.png" in transform("in", "-o", "b.png", *GREY, status=1).stderr


def test_failed_lines_are_done_again(origin, tmp_path, transform):
    url = origin.on("/late.png", answer(status=404), answer(body(2)))
    listed(tmp_path, [origin.serve("/0.png", body(0)), url, origin.serve("/1.png", body(1))])
    transform("urls.txt", "-o", "out", *GREY, "--strict", status=1)
    assert [row[1] for row in table(tmp_path / "out")[1:]] == ["1", "3"]
    transform("urls.txt", "-o", "out", *GREY, "--retry-failed")
    rows = table(tmp_path / "out")[1:]
    assert [row[1] for row in rows] == ["1", "2", "3"]
    assert set(files(tmp_path / "out")) == {row[2] for row in rows}


def test_a_killed_run_goes_on_and_ends_with_the_same_files(origin, tmp_path, transform):
    """The first of 40 lines are written when the last one hangs; then all of it is killed."""
    urls = [origin.url(f"/{index % 10}.png?{index}") for index in range(40)]
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    listed(tmp_path, [*urls, origin.on("/last.png", hang(), answer(body(7)))])
    order = ["transform", "urls.txt", "-o", "killed/out", *GREY, *FLAGS]
    process = start(*order, cwd=tmp_path)
    committed = tmp_path / "killed" / "out" / "transformed.csv.checkpoint"
    while not committed.exists() or json.loads(committed.read_text())["line"] == 0:
        assert process.poll() is None
        os.sched_yield()
    kill_group(process)
    (tmp_path / "killed" / "out" / ".pixmill-transform").mkdir(exist_ok=True)
    (tmp_path / "killed" / "out" / ".pixmill-transform" / "left").write_bytes(b"behind")
    done = transform("urls.txt", "-o", "killed/out", *GREY)
    assert "going on after line" in done.stderr
    transform("urls.txt", "-o", "whole/out", *GREY)
    assert files(tmp_path / "killed" / "out") == files(tmp_path / "whole" / "out")
    assert table(tmp_path / "killed" / "out") == table(tmp_path / "whole" / "out")
    assert len(table(tmp_path / "whole" / "out")) == 42


def test_a_picture_that_memory_can_not_hold_is_a_row_among_failures(tmp_path, transform):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(plain((1, 2, 3)))
    (tmp_path / "in" / "b.png").write_bytes(body(1))
    transform("in", "-o", "out", "--op", "resize 12000 9000 force", "--memory", "512M")
    assert {row[2] for row in errors(tmp_path / "out")} == {"too_many_pixels"}
    transform("in", "-o", "out2", "--op", "resize 65535 65535 force")
    assert {row[2] for row in errors(tmp_path / "out2")} == {"too_many_pixels"}


def test_a_folder_that_takes_no_file_ends_the_run_with_a_sentence(tmp_path, transform):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(body(1))
    (tmp_path / "out" / "a.png").mkdir(parents=True)
    done = transform("in", "-o", "out", *GREY, "--overwrite", status=1)
    assert "cannot write out/a.png" in done.stderr
    assert "Traceback" not in done.stderr
    (tmp_path / "out" / "a.png").rmdir()
    transform("in", "-o", "out", *GREY)
    assert set(files(tmp_path / "out")) == {"a.png"}


def test_a_full_disk_is_told_and_with_room_the_run_goes_on(tmp_path, transform):
    """Small pictures are written by this process, large ones by a worker."""
    for name, side in (("small", 100), ("large", 400)):
        (tmp_path / name).mkdir()
        noise = np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
        for number in range(4):
            Image.fromarray(noise + np.uint8(number)).save(tmp_path / name / f"{number}.png")
        disk = tmp_path / f"{name}-disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "none", str(disk)]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("mounting a small file system needs root")
        try:
            full = transform(name, "-o", f"{name}-disk/out", "--op", "flip", status=1)
            assert re.search(r"no space is left|No space left", full.stderr), full.stderr
            assert "Traceback" not in full.stderr
            subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
            transform(name, "-o", f"{name}-disk/out", "--op", "flip")
            assert sorted(files(disk / "out")) == [f"{number}.png" for number in range(4)]
        finally:
            subprocess.run(["umount", str(disk)], check=True)


def test_two_at_once_do_not_disturb_each_other(origin, tmp_path, transform):
    listed(tmp_path, [origin.on("/0.png", hang(), answer(body(0)))])
    process = start("transform", "urls.txt", "-o", "out", *GREY, *FLAGS, cwd=tmp_path)
    while not (tmp_path / "out" / "transformed.csv.checkpoint").exists():
        assert process.poll() is None, process.communicate()
        os.sched_yield()
    done = transform("urls.txt", "-o", "out", *GREY, status=1)
    assert f"is being written by process {process.pid}" in done.stderr
    kill_group(process)
    transform("urls.txt", "-o", "out", *GREY)
    assert len(files(tmp_path / "out")) == 1


def test_a_name_that_is_no_utf8_is_kept(tmp_path, transform):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / os.fsdecode(b"\xff,a.jpg")).write_bytes(body(1))
    transform("in", "-o", "out", *GREY)
    assert list(files(tmp_path / "out")) == [os.fsdecode(b"\xff,a.png")]
    assert table(tmp_path / "out")[1][2] == "\ufffd,a.png"


def test_standard_input_is_taken_and_help_tells_of_the_operations(origin, tmp_path):
    url = origin.serve("/0.png", body(0))
    done = run("transform", "-", "-o", "out", *GREY, *FLAGS, cwd=tmp_path, text=f"{url}\n")
    assert done.returncode == 0, done.stderr
    assert len(files(tmp_path / "out")) == 1
    told = run("transform", "--help", cwd=tmp_path, env={"COLUMNS": "200"}).stdout
    assert "resize WIDTH [HEIGHT] [MODE] [GRAVITY]: Resize to a width" in told
    assert "preset thumbnail" in told
