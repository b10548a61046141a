"""The pool when processes are killed from outside, stopped or interrupted, and in plain scripts."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from pixmill.errors import DecoderCrashed
from pixmill.pool import Pool
from tests import crafted

PROJECT = str(Path(__file__).parents[2])


def make_pool(function, *, workers=2, item_timeout_s=60, **more):
    return Pool(
        function, workers=workers, item_timeout_s=item_timeout_s, decode_budget_bytes=None, **more
    )


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def wait_until(condition, what):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.005)


@pytest.mark.soak
@pytest.mark.parametrize("workers", [1, 3])
def test_workers_killed_100_times_from_outside_lose_nothing_and_repeat_nothing(workers, children):
    """Each kill comes at a random moment; no item is at work in three of them."""
    chance = random.Random(workers)
    answers = []
    futures = []
    with make_pool(crafted.square, workers=workers) as pool:
        for batch in range(100):
            old = futures[: max(0, batch - 1) * 6 * workers]
            for n in range(len(futures), len(futures) + 6 * workers):
                futures.append(pool.submit(b"x" * n, (n, 0.002)))
                futures[-1].add_done_callback(answers.append)
            wait_until(lambda old=old: all(f.done() for f in old), "those of two kills are done")
            time.sleep(chance.uniform(0, 0.004))
            wait_until(pool.pids, "there are workers")
            kill(chance.choice(pool.pids()))
        results = [future.result(timeout=60) for future in futures]
    assert len(results) > 100
    assert results == [(n * n, n) for n in range(len(results))]
    assert len(answers) == len(results)
    assert not children()


def test_an_item_at_work_in_one_or_two_kills_goes_again_and_its_neighbours_never_fail():
    with make_pool(crafted.nap) as pool:
        slow = pool.submit(b"0.5", "slow")
        quick = [pool.submit(b"0.01", n) for n in range(20)]
        for _ in range(2):
            time.sleep(0.2)
            for pid in pool.pids():
                kill(pid)
        assert slow.result(timeout=30) == "slow"
        assert [f.result(timeout=30) for f in quick] == list(range(20))


def test_after_two_kills_an_item_runs_with_nothing_beside_it(tmp_path):
    """It is at work in two kills; then no other item's time overlaps with its own."""
    begun = tmp_path / "begun"
    with make_pool(crafted.interval) as pool:
        slow = pool.submit(os.fsencode(begun), 2.0)
        first = [pool.submit(b"", 0.01) for _ in range(5)]
        for number in (1, 2):
            wait_until(lambda: len(pool.pids()) == 2 and begun.exists(), "both are at work")
            begun.unlink()
            for pid in pool.pids():
                kill(pid)
            first += [pool.submit(b"", 0.01) for _ in range(5 * number)]
        began, ended = slow.result(timeout=30)
        others = [f.result(timeout=30) for f in first]
    assert not [other for other in others if other[0] < ended and other[1] > began]


def test_an_item_at_work_in_three_kills_is_blamed():
    with make_pool(crafted.misbehave) as pool:
        bad = pool.submit(b"suicide", None)
        good = [pool.submit(b"%d" % n, None) for n in range(20)]
        error = bad.exception(timeout=30)
        assert [f.result(timeout=30) for f in good] == [str(n) for n in range(20)]
    assert isinstance(error, DecoderCrashed)
    assert "killed 3 times" in str(error)


def test_idle_workers_that_are_killed_are_replaced():
    with make_pool(crafted.echo) as pool:
        for number in range(10):
            assert pool.submit(b"", number).result(timeout=30) == (b"", number)
            before = set(pool.pids())
            for pid in before:
                kill(pid)
            wait_until(lambda old=before: len(set(pool.pids()) - old) == 2, "there are new workers")


def test_a_killed_fork_server_is_replaced_and_costs_nothing():
    with make_pool(crafted.square) as pool:
        futures = [pool.submit(b"", (n, 0.01)) for n in range(300)]
        servers = set()
        for _ in range(2):
            wait_until(lambda: len(pool.pids()) == 2, "both workers are there")
            servers.add(pool.fork_server_pid())
            kill(pool.fork_server_pid())
            time.sleep(0.4)
        assert [f.result(timeout=30)[0] for f in futures] == [n * n for n in range(300)]
        servers.add(pool.fork_server_pid())
    assert len(servers) == 3


def run_script(text, *, how="file", folder=None, **more):
    """Start a script of its own; the caller waits for it."""
    text = textwrap.dedent(text)
    arguments = ["-c", text]
    if how == "file":
        script = folder / "script.py"
        script.write_text(text)
        arguments = [str(script)]
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONPATH": f"{PROJECT}/src{os.pathsep}{PROJECT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


UNGUARDED = """
    print("once", flush=True)
    from pixmill.pool import Pool
    from tests import crafted
    pool = Pool(crafted.echo, workers=2, item_timeout_s=9, decode_budget_bytes=None)
    print([pool.submit(b"x", n).result()[1] for n in range(5)], flush=True)
"""


@pytest.mark.parametrize("how", ["file", "command"])
@pytest.mark.parametrize("ending", ["pool.close()", ""])
def test_a_script_without_a_main_guard_works_also_if_it_never_closes(how, ending, tmp_path):
    process = run_script(UNGUARDED + "    " + ending, how=how, folder=tmp_path)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "once\n[0, 1, 2, 3, 4]\n", "")


def test_a_function_of_an_unguarded_script_is_refused(tmp_path):
    script = """
        from pixmill.pool import Pool
        def mine(view, argument): ...
        Pool(mine, workers=1, item_timeout_s=9, decode_budget_bytes=None)
    """
    process = run_script(script, folder=tmp_path)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "UsageError: mine() is defined in the script itself" in err


BUSY = """
    import time
    from pixmill.pool import Pool
    from tests import crafted
    with Pool(crafted.misbehave, workers=2, item_timeout_s=99, decode_budget_bytes=None) as pool:
        futures = [pool.submit(b"x", None) for _ in range(4)]
        assert [f.result() for f in futures] == ["x"] * 4
        hangs = [pool.submit(b"hang_in_c", None) for _ in range(3)]
        time.sleep(0.1)
        print("ready", flush=True)
        hangs[0].result()
"""


def family(pid):
    return psutil.Process(pid).children(recursive=True)


def test_when_the_parent_is_killed_nothing_lives_on_not_even_a_hang(tmp_path):
    process = run_script(BUSY, folder=tmp_path)
    assert process.stdout.readline() == "ready\n"
    children = family(process.pid)
    assert len(children) == 3
    process.kill()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive
    process.communicate()


def test_when_fork_server_and_parent_are_killed_nothing_lives_on(tmp_path):
    process = run_script(BUSY, folder=tmp_path)
    assert process.stdout.readline() == "ready\n"
    children = family(process.pid)
    server = psutil.Process(process.pid).children()
    assert len(server) == 1
    process.send_signal(signal.SIGSTOP)  # so that it can not start another
    server[0].kill()
    process.kill()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive
    process.communicate()


def test_control_c_reaches_only_the_parent(tmp_path):
    """The whole group gets SIGINT; the parent alone prints a traceback, and all processes end."""
    process = run_script(BUSY, folder=tmp_path, start_new_session=True)
    assert process.stdout.readline() == "ready\n"
    children = family(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert err.count("Traceback") == 1
    assert err.strip().endswith("KeyboardInterrupt")
    assert not psutil.wait_procs(children, timeout=20)[1]


SIGNALED = """
    import os, signal, time
    from pixmill.pool import Pool
    from tests import crafted
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    with Pool(crafted.nap, workers=2, item_timeout_s=99, decode_budget_bytes=None) as pool:
        early = [pool.submit(b"0", n) for n in range(2)]
        for pause in range(8):  # while the fork server is starting, at any stage of it
            os.killpg(0, signal.SIGINT)
            time.sleep(0.01 * pause)
        futures = early + [pool.submit(b"0.1", n) for n in range(2, 10)]
        pool.submit(b"0", None).result()
        os.killpg(0, signal.SIGTERM)
        print([f.result() for f in futures], flush=True)
"""


def test_a_parent_that_finishes_its_work_after_a_signal_to_all_keeps_its_workers(tmp_path):
    process = run_script(SIGNALED, folder=tmp_path, start_new_session=True)
    out, err = process.communicate(timeout=60)
    assert (out, err) == (f"{list(range(10))}\n", "")


STOPPED = """
    from pixmill.pool import Pool
    from tests import crafted
    with Pool(crafted.await_file, workers=1, item_timeout_s=3, decode_budget_bytes=None) as pool:
        print(pool.submit(b"", "go").exception(), flush=True)
"""


def test_time_during_which_all_stood_still_is_not_counted_against_an_item(tmp_path):
    process = run_script(STOPPED, how="command", start_new_session=True, cwd=tmp_path)
    wait_until((tmp_path / "begun").exists, "the item is begun")
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(4.5)
    os.killpg(process.pid, signal.SIGCONT)
    time.sleep(1)
    (tmp_path / "go").touch()
    out, err = process.communicate(timeout=60)
    assert (out, err) == ("None\n", "")
