"""Files that outlive a kill, and the lock on an output."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.batch.durable import AppendFile, OutputLock, utf8, write_atomically
from pixmill.errors import OutputError, OutputLocked, ResumeRefused

from .kills import Killed, Killer


@given(st.text(st.characters(codec="utf-8")))
def test_utf8_of_valid_text_is_its_encoding(text):
    assert utf8(text) == text.encode()


def test_utf8_replaces_each_lone_surrogate():
    assert utf8("a\ud800b\udc80\udfff😀").decode() == "a\ufffdb\ufffd\ufffd😀"


def test_write_atomically_leaves_old_or_new_at_every_step(tmp_path):
    path = tmp_path / "c"
    path.write_bytes(b"old")
    killer = Killer()
    seen = []
    for at in range(4):
        with contextlib.suppress(Killed), killer.watching(tmp_path, at):
            write_atomically(path, b"new")
        seen.append(path.read_bytes())
    assert seen == [b"old", b"old", b"old", b"new"]
    write_atomically(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert list(tmp_path.iterdir()) == [path]


def test_write_atomically_keeps_the_old_bytes_where_it_fails(tmp_path):
    path = tmp_path / "c"
    path.mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        write_atomically(path, b"new")
    with pytest.raises(OutputError, match="does not exist"):
        write_atomically(tmp_path / "nowhere" / "c", b"new")


def test_append_file_is_cut_back_to_what_was_synced(tmp_path):
    path = tmp_path / "f"
    file = AppendFile(path)
    file.append("ä\n")
    assert file.sync() == 3
    file.append("x" * 300_000)
    file.close()
    file.close()
    assert path.stat().st_size == 300_003
    file = AppendFile(path, 3)
    assert path.read_bytes() == "ä\n".encode()
    file.append("b")
    assert file.sync() == 4
    file.close()
    assert path.read_bytes() == "ä\nb".encode()


def test_append_file_does_not_write_what_is_pending_when_closed(tmp_path):
    file = AppendFile(tmp_path / "f")
    file.append("pending")
    file.close()
    assert (tmp_path / "f").read_bytes() == b""


def test_append_file_holds_back_little(tmp_path):
    file = AppendFile(tmp_path / "f")
    for _ in range(1000):
        file.append("x" * 1000)
    assert (tmp_path / "f").stat().st_size > 700_000
    file.close()


def test_append_file_refuses_a_shorter_file_and_leaves_it(tmp_path):
    (tmp_path / "f").write_bytes(b"ab")
    with pytest.raises(ResumeRefused, match="fewer than the 3"):
        AppendFile(tmp_path / "f", 3)
    assert (tmp_path / "f").read_bytes() == b"ab"


HOLDER = """
    import sys
    from pathlib import Path
    from pixmill.batch.durable import OutputLock
    from pixmill.errors import OutputLocked
    try:
        with OutputLock(Path(sys.argv[1])):
            print("held", flush=True)
            sys.stdin.read()
    except OutputLocked as error:
        print(error, flush=True)
"""


def holder(output):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), str(output)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_second_process_is_refused_and_told_who_holds_the_lock(tmp_path):
    output = tmp_path / "o.csv"
    with holder(output) as first:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(OutputLocked) as caught, OutputLock(output):
            pass
        assert str(caught.value) == (
            f"{output} is being written by process {first.pid}; "
            "wait for it or choose another output"
        )
        first.communicate()
    assert list(tmp_path.iterdir()) == []
    with OutputLock(output), holder(output) as second:
        assert f"process {os.getpid()};" in second.communicate()[0]
    assert list(tmp_path.iterdir()) == []


def test_a_killed_holder_leaves_no_lock(tmp_path):
    output = tmp_path / "o.csv"
    with holder(output) as first:
        assert first.stdout.readline() == "held\n"
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert (tmp_path / ".o.pixmill-lock").exists()
        with OutputLock(output):
            assert (tmp_path / ".o.pixmill-lock").read_text() == f"{os.getpid()}\n"
    assert list(tmp_path.iterdir()) == []


def test_the_lock_is_of_the_file_that_bears_the_name(tmp_path):
    """A holder that goes takes the name with it: whoever waited at the old file starts over."""
    output = tmp_path / "o.csv"
    with OutputLock(output):
        (tmp_path / ".o.pixmill-lock").rename(tmp_path / "aside")
        with OutputLock(output):
            assert not (tmp_path / ".o.pixmill-lock").samefile(tmp_path / "aside")
            with pytest.raises(OutputLocked), OutputLock(output):
                pass


def test_two_processes_never_hold_the_lock_at_once(tmp_path):
    """Many short holders, each adding one to a number read and written without any other guard."""
    program = """
        import sys
        from pathlib import Path
        from pixmill.batch.durable import OutputLock
        from pixmill.errors import OutputLocked
        number = Path(sys.argv[1]) / "number"
        done = 0
        while done < 200:
            try:
                with OutputLock(Path(sys.argv[1]) / "o.csv"):
                    number.write_text(str(int(number.read_text()) + 1))
                    done += 1
            except OutputLocked:
                pass
    """
    (tmp_path / "number").write_text("0")
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    children = [subprocess.Popen(command) for _ in range(2)]
    assert [child.wait() for child in children] == [0, 0]
    assert (tmp_path / "number").read_text() == "400"


def test_a_lock_that_cannot_be_made_is_a_sentence(tmp_path):
    with (
        pytest.raises(OutputError, match=r"the folder .*nowhere does not exist"),
        OutputLock(tmp_path / "nowhere" / "o.csv"),
    ):
        pass
