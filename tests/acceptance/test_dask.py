"""The example of Dask: the rows of the command, whatever the scheduler, also after a kill."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from ipaddress import ip_network
from pathlib import Path

import pytest

from pixmill.batch import RunOptions, run
from tests import command
from tests.acceptance.lists import FLAGS, listed
from tests.origin import answer, closed_port, hang
from tests.pictures import plain

PROGRAM = Path(__file__).parents[2] / "examples" / "dask" / "colors.py"
SETTINGS = {"PIXMILL_ALLOW_NETWORKS": "127.0.0.0/8,::1/128", "PIXMILL_RETRIES": "0"}


@pytest.fixture
def urls(origin):
    """Good ones, bad ones of several kinds, and repeats of both, also far apart."""
    origin.serve("/text", b"this is no picture")
    origin.serve("/cut.png", b"\x89PNG\r\n\x1a\n")
    good = [origin.url(f"/{number}.png") for number in range(10)]
    bad = [
        origin.url("/gone.png"),
        origin.url("/text"),
        origin.url("/cut.png"),
        f"http://127.0.0.1:{closed_port()}/a.png",
        "http://10.0.0.1/private.png",
        "nonsense, with a comma",
        "",
    ]
    return [*good, *bad, *good[:3], *bad[:3], good[0], good[0], bad[0], *good]


def begin(source, output, *flags):
    return subprocess.Popen(
        [sys.executable, PROGRAM, source, "-o", output, *flags],
        cwd=source.parent, env=command.environment(SETTINGS), start_new_session=True,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process):
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors


def by_the_command(source, output):
    done = command.run("colors", source, "-o", output, *FLAGS, "--retries", "0", cwd=source.parent)
    assert done.returncode == 0, done.stderr
    return files(output)


def files(output):
    errors = output.with_name(f"{output.stem}-errors.csv")
    return output.read_bytes(), errors.read_bytes()


@pytest.mark.parametrize(
    ("ending", "flags"),
    [
        (".csv", ("--lines", "12", "--at-once", "2")),
        (".jsonl", ("--lines", "20", "--scheduler", "processes", "--at-once", "2")),
        (".csv", ()),
    ],
    ids=["threads", "processes", "one partition"],
)
def test_the_table_is_the_one_of_the_command(urls, tmp_path, ending, flags):
    source = listed(tmp_path, urls)
    wanted = by_the_command(source, tmp_path / f"command{ending}")
    assert wanted[0].count(b"\n") >= 20
    assert wanted[1].count(b"\n") > 10
    finish(begin(source, tmp_path / f"dask{ending}", *flags))
    assert files(tmp_path / f"dask{ending}") == wanted
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_an_empty_list_becomes_an_empty_table(tmp_path):
    source = listed(tmp_path, [])
    wanted = by_the_command(source, tmp_path / "command.csv")
    finish(begin(source, tmp_path / "dask.csv"))
    assert files(tmp_path / "dask.csv") == wanted


def test_after_a_kill_the_partitions_that_were_done_are_not_done_again(origin, urls, tmp_path):
    source = listed(tmp_path, [*urls, origin.url("/slow.png")])
    origin.on("/slow.png", hang(), answer(b"no picture"))
    flags = ("--lines", str(len(urls) - 1), "--at-once", "2")  # one is blank
    process = begin(source, tmp_path / "dask.csv", *flags)
    while not (origin.hits("/slow.png") and list(tmp_path.glob("*.parts/0000000.csv"))):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = origin.hits("/0.png")
    finish(begin(source, tmp_path / "dask.csv", *flags))
    assert origin.hits("/0.png") == before
    assert files(tmp_path / "dask.csv") == by_the_command(source, tmp_path / "command.csv")


def test_a_list_that_is_not_there_is_one_sentence(tmp_path):
    process = begin(tmp_path / "urls.txt", tmp_path / "dask.csv")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.count("\n") == 1


def colors_in_a_child(url, answers):
    options = RunOptions(workers=1, allow_networks=(ip_network("127.0.0.0/8"),))
    (record,) = run([url], options)
    answers.put(record.analysis and record.analysis.colors[0].hex)


def test_a_run_begins_its_processes_in_a_daemonic_one_too(origin):
    url = origin.serve("/plain.png", plain((1, 2, 3)))
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.SimpleQueue()
    child = spawn.Process(target=colors_in_a_child, args=(url, answers), daemon=True)
    child.start()
    assert answers.get() == "#010203"
    child.join()
