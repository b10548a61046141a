"""The pool with real processes: results, verdicts, and that nothing is left behind."""

from __future__ import annotations

import concurrent.futures
import hashlib
import random
import tempfile
import threading

import psutil
import pytest

from pixmill.errors import CorruptImage, InternalError, RunError
from pixmill.pool import Pool
from tests import crafted


def make_pool(function, *, workers=2, item_timeout_s=60, budget=None, **more):
    return Pool(
        function,
        workers=workers,
        item_timeout_s=item_timeout_s,
        decode_budget_bytes=budget,
        **more,
    )


def outcomes(pool, deeds):
    """What became of each deed: its result, or its error's code."""
    futures = [pool.submit(deed.encode(), None) for deed in deeds]
    errors = [future.exception(timeout=60) for future in futures]
    return [
        future.result() if error is None else error.code
        for future, error in zip(futures, errors, strict=True)
    ]


DEEDS = {
    "segfault": "decoder_crashed",
    "abort": "decoder_crashed",
    "sys_exit": "decoder_crashed",
    "os_exit": "decoder_crashed",
    "suicide": "decoder_crashed",
    "close_all": "decoder_crashed",
    "allocate": "out_of_memory",
    "item_error": "corrupt_image",
    "zero_division": "internal",
    "unpicklable": "internal",
    "unpicklable_error": "internal",
    "unpicklable_item_error": "internal",
}


def test_every_misdeed_ends_in_its_code_and_its_neighbours_are_right():
    deeds = [deed for each in DEEDS for deed in (each, f"after {each}")]
    with make_pool(crafted.misbehave, budget=2**28) as pool:
        assert outcomes(pool, deeds) == [DEEDS.get(deed, deed) for deed in deeds]


@pytest.mark.parametrize("deed", ["hang", "hang_in_c"])
def test_a_hang_is_a_timeout_and_what_waited_behind_it_goes_on(deed):
    deeds = [deed, *map(str, range(20))]
    with make_pool(crafted.misbehave, workers=1, item_timeout_s=0.5) as pool:
        assert outcomes(pool, deeds) == ["decoder_timeout", *map(str, range(20))]


def test_the_clock_of_an_item_starts_when_its_worker_begins_on_it():
    with make_pool(crafted.nap, workers=1, item_timeout_s=1.5) as pool:
        futures = [pool.submit(b"0.4", number) for number in range(6)]
        assert [future.result() for future in futures] == list(range(6))


def test_an_item_error_comes_back_as_it_was_raised():
    with make_pool(crafted.misbehave) as pool:
        error = pool.submit(b"item_error", None).exception()
    assert type(error) is CorruptImage
    assert (str(error), error.http_status, error.attempts) == ("no pixels", 200, 2)


def test_an_internal_error_carries_the_traceback_of_the_worker():
    with make_pool(crafted.misbehave) as pool:
        error = pool.submit(b"zero_division", None).exception()
    assert type(error) is InternalError
    assert str(error) == "ZeroDivisionError: division by zero"
    assert "crafted.py" in error.__notes__[0]


def test_an_argument_that_can_not_be_pickled_is_refused_at_submit():
    with make_pool(crafted.echo) as pool:
        with pytest.raises(TypeError):
            pool.submit(b"", threading.Lock())
        assert pool.submit(b"x", 1).result() == (b"x", 1)


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 5000, 300_000])
def test_a_payload_of_any_size_arrives_whole_by_buffer_and_by_file(size):
    body = random.Random(size).randbytes(size)
    want = (hashlib.md5(body).hexdigest(), size)
    with make_pool(crafted.digest, workers=1, slot_bytes=4096) as pool:
        by_buffer = pool.submit(body, size)
        with tempfile.TemporaryFile() as file:
            file.write(body)  # not flushed: submit sees to it
            by_file = pool.submit(file, size)
        assert by_buffer.result() == want
        assert by_file.result() == want, "the file was closed after submit"


def test_a_large_answer_comes_back_whole():
    body = random.Random(1).randbytes(3_000_000)
    with make_pool(crafted.echo) as pool:
        assert pool.submit(body, "x").result() == (body, "x")


def test_thousands_of_tiny_items_each_give_their_own_result():
    with make_pool(crafted.echo) as pool:
        futures = [pool.submit(b"%d" % number, number) for number in range(5000)]
        assert [f.result() for f in futures] == [(b"%d" % n, n) for n in range(5000)]


def test_submit_may_be_called_from_many_threads_and_from_callbacks():
    seen = []
    done = threading.Semaphore(0)

    def again(future):
        seen.append(future.result()[1])
        if seen[-1] < 1000:
            pool.submit(b"", seen[-1] + 1000).add_done_callback(again)
        done.release()

    def submit(start):
        for number in range(start, start + 100):
            pool.submit(b"", number).add_done_callback(again)

    with make_pool(crafted.echo) as pool:
        threads = [threading.Thread(target=submit, args=(start,)) for start in range(0, 400, 100)]
        for thread in threads:
            thread.start()
        for _ in range(800):
            assert done.acquire(timeout=30)
        for thread in threads:
            thread.join()
    assert sorted(seen) == [*range(400), *range(1000, 1400)]


def test_two_pools_in_two_threads_do_not_disturb_each_other():
    results = {}

    def run(name, deeds):
        with make_pool(crafted.misbehave) as pool:
            results[name] = outcomes(pool, deeds)

    plans = {"bad": ["segfault", "a"] * 10, "good": ["b"] * 50}
    threads = [threading.Thread(target=run, args=plan) for plan in plans.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {"bad": ["decoder_crashed", "a"] * 10, "good": ["b"] * 50}


def test_items_begin_in_the_order_of_submission():
    with make_pool(crafted.interval, workers=1) as pool:
        began = [f.result()[0] for f in [pool.submit(b"", 0.001) for _ in range(50)]]
    assert began == sorted(began)


def test_an_item_does_not_wait_behind_a_slow_one_while_another_worker_is_idle():
    """Each worker holds one item ahead; the one behind the slow item is taken back."""
    with make_pool(crafted.nap) as pool:
        warm = [pool.submit(b"0.2", -1) for _ in range(2)]
        concurrent.futures.wait(warm)
        slow = pool.submit(b"30", "slow")
        quick = [pool.submit(b"0", number) for number in range(20)]
        assert [future.result(timeout=20) for future in quick] == list(range(20))
        assert not slow.done()
        pool.close(cancel=True)


def test_a_future_cancelled_while_it_waits_is_never_run():
    with make_pool(crafted.nap, workers=1) as pool:
        first = [pool.submit(b"0.3", number) for number in range(2)]
        waiting = [pool.submit(b"0.01", number) for number in range(10)]
        assert all(future.cancel() for future in waiting[::2])
        assert [future.result() for future in first + waiting[1::2]] == [0, 1, 1, 3, 5, 7, 9]


def test_close_waits_for_every_item():
    pool = make_pool(crafted.nap)
    futures = [pool.submit(b"0.05", number) for number in range(10)]
    pool.close()
    assert all(future.done() for future in futures)
    assert [future.result() for future in futures] == list(range(10))


def test_close_with_cancel_ends_running_and_waiting_items_at_once():
    pool = make_pool(crafted.nap, workers=1)
    assert pool.submit(b"0", "first").result() == "first"
    futures = [pool.submit(b"600", number) for number in range(5)]
    pids = pool.pids()
    pool.close(cancel=True)
    pool.close()
    assert all(future.done() for future in futures)
    for future in futures:
        with pytest.raises(concurrent.futures.CancelledError):
            future.result()
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_closed_pool_refuses_items():
    pool = make_pool(crafted.echo)
    pool.close()
    with pytest.raises(RunError, match="closed"):
        pool.submit(b"", None)


def test_workers_inherit_nothing_that_they_should_not_have():
    with make_pool(crafted.surroundings, workers=4, preload=["colorsys"]) as pool:
        found = [pool.submit(b"x", None) for _ in range(20)][-1].result()
    descriptors = found.pop("descriptors")
    # Standard streams, orders, answers, slots and a mapping of them, memory figures, this listing.
    assert len(descriptors) <= 9, descriptors
    assert found == {"core": 0, "ignored": [True, True], "read_only": True, "preloaded": True}


def test_a_payload_can_not_be_written_to():
    with make_pool(crafted.write_view) as pool:
        error = pool.submit(b"x", None).exception()
    assert "read-only" in str(error)


def test_a_worker_whose_function_keeps_the_payload_is_replaced():
    with make_pool(crafted.keep_view, workers=1) as pool:
        pids = [pool.submit(b"abc", None).result() for _ in range(3)]
    assert len(set(pids)) == 3


def test_what_a_worker_prints_does_not_reach_standard_output(capfd):
    with make_pool(crafted.misbehave) as pool:
        assert pool.submit(b"print", None).result() == "print"
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("module", "why"),
    [("no_such_module_at_all", "ModuleNotFoundError"), ("antigravity_exit", "SystemExit")],
)
def test_a_module_that_can_not_be_preloaded_ends_every_future(module, why, tmp_path, monkeypatch):
    (tmp_path / "antigravity_exit.py").write_text("import sys\nsys.exit('no')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with make_pool(crafted.echo, preload=[module]) as pool:
        futures = [pool.submit(b"", None) for _ in range(5)]
        assert all(isinstance(future.exception(timeout=30), RunError) for future in futures)
        with pytest.raises(RunError, match=why):
            pool.submit(b"", None)


def test_workers_that_die_at_once_again_and_again_end_every_future(tmp_path, monkeypatch):
    """The fork server itself dies in a preloaded module, as a broken library would make it."""
    (tmp_path / "deadly.py").write_text("import os\nos._exit(9)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with make_pool(crafted.echo, workers=1, preload=["deadly"]) as pool:
        error = pool.submit(b"", None).exception(timeout=60)
    assert isinstance(error, RunError)
    assert "as soon as they are started" in str(error)
