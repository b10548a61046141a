"""The archive on MongoDB, where no transaction orders anything: kills between steps, and races."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pymongo
import pytest

from pixmill.store.archive import Outcome, capture_key
from pixmill.store.mongo.archive import open_mongo
from pixmill.store.opening import utc_now
from pixmill.store.orphans import find_orphans, mend
from tests.archives import names_of, stored_images
from tests.contract.archives import capture, image, put_blobs
from tests.contract.catalogs import START, race

PROJECT = Path(__file__).parents[2]
LATER = datetime.now(UTC) + timedelta(hours=1)
BATCH = 20
SIZES = [
    pytest.param((400, 4), id="few"),
    pytest.param((3000, 60), id="many", marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
]


@pytest.fixture
def archive(mongod, tmp_path):
    """An empty archive."""
    with open_mongo(mongod, tmp_path / "spool", utc_now) as opened:
        yield opened


@pytest.fixture
def raw(mongod):
    """The same database, as any client of MongoDB sees it."""
    with pymongo.MongoClient(mongod, tz_aware=True) as client:
        yield client.get_default_database()


def process(*told, **options):
    order = [sys.executable, "-m", __name__, *map(str, told)]
    return subprocess.Popen(order, cwd=PROJECT, text=True, stdout=subprocess.PIPE, **options)


@pytest.mark.soak
def test_processes_that_open_and_count_at_once_make_one_document_of_a_minute(mongod, raw, tmp_path):
    running = [process("count", mongod, tmp_path, 25, stdin=subprocess.PIPE) for _ in range(8)]
    for each in running:
        assert each.stdout.readline() == "ready\n"
    for each in running:
        each.stdin.close()
    assert [each.wait(100) for each in running] == [0] * 8
    for each in running:
        each.stdout.close()
    (document,) = raw.insert_logs.find()
    assert (document["fail"], document["codes"]) == (200, {"timeout": 200})
    assert document["interval"] == START


@pytest.mark.parametrize("again", ["without bytes", "with bytes"])
def test_killed_behind_its_image_a_capture_comes_again_as_its_success(archive, raw, again):
    key = capture_key("run", 1)
    one = image(blobs=put_blobs(archive, image().md5))
    archive.add([capture(one, key=key)])
    raw.arrivals.delete_many({})  # as if it had never come to that
    raw.insert_logs.delete_many({})
    blobs = put_blobs(archive, one.md5) if again == "with bytes" else None
    outcomes = archive.add([capture(image(blobs=blobs), key=key), capture(image())])
    assert outcomes == [Outcome("success"), Outcome("duplicate")]
    assert names_of(archive) == set(one.blobs)
    (document,) = raw.insert_logs.find()
    assert (document["success"], document["duplicate"]) == (1, 1)


def test_killed_behind_its_arrival_a_capture_is_told_again_but_never_counted(archive, raw):
    captures = [capture(image(blobs=put_blobs(archive, image().md5))), capture(code="timeout")]
    told = archive.add(captures)
    raw.insert_logs.delete_many({})
    new = capture(code="http_error")
    assert archive.add([*captures, new]) == [*told, Outcome("fail", "http_error")]
    (document,) = raw.insert_logs.find()
    assert (document["success"], document["fail"]) == (0, 1)
    assert raw.arrivals.count_documents({}) == 3


def test_a_capture_is_told_again_also_where_its_image_was_dropped_since(archive):
    key, one = capture_key("run", 1), image(blobs=put_blobs(archive, image().md5))
    told = archive.add([capture(one, key=key)])
    archive.delete(one.md5)
    again = image(blobs=put_blobs(archive, one.md5))
    assert (
        archive.add([capture(image(), key=key)]) == archive.add([capture(again, key=key)]) == told
    )
    assert archive.find(one.md5) is None
    assert names_of(archive) == set()


def test_whoever_races_with_the_same_captures_is_told_the_same_and_counts_once(archive, raw):
    def captures():
        images = [image(n, blobs=put_blobs(archive, image(n).md5)) for n in range(20)]
        return [capture(one, key=key_of(n)) for n, one in enumerate(images)]

    attempts = [partial(archive.add, captures()) for _ in range(6)]
    assert race(*attempts) == [[Outcome("success")] * 20] * 6
    assert sum(document["success"] for document in raw.insert_logs.find()) == 20
    assert len(names_of(archive)) == 40


@pytest.mark.parametrize("size", SIZES)
def test_kills_at_any_moment_lose_and_double_nothing_but_counts_in_hand(
    mongod, raw, tmp_path, size
):
    number, kills = size
    rng = random.Random(number)
    batches = number // BATCH
    stops = sorted(rng.sample(range(batches - 1), kills))
    done = 0
    for stop in stops:
        told = (mongod, tmp_path, number, done)
        done = run_until_killed(told, stop, rng.uniform(0, 0.05))
    with process("add", mongod, tmp_path, number, done) as last:
        last.communicate()
    assert last.returncode == 0
    expected = {key_of(n): outcome_of(n) for n in range(number)}
    found = {d["_id"]: Outcome(d["result"], d.get("code")) for d in raw.arrivals.find()}
    assert found == expected
    with open_mongo(mongod, tmp_path, utc_now) as archive:
        images = [stored.image for stored in stored_images(archive)]
        wanted = {one.md5 for one in map(image_at, range(number)) if one}
        assert sorted(each.md5 for each in images) == sorted(wanted)
        for orphan in list(find_orphans(archive, LATER)):
            assert orphan.kind == "file without row"
            mend(archive, orphan)
        assert names_of(archive) == {name for each in images for name in each.blobs}
    results = [outcome.result for outcome in expected.values()]
    for name in ("success", "duplicate", "fail"):
        counted = sum(document[name] for document in raw.insert_logs.find())
        assert results.count(name) - kills * BATCH <= counted <= results.count(name)


def run_until_killed(told, stop, pause_s):
    """Kill a process while it adds the batch `stop`; return the first batch it did not tell of."""
    done = told[-1]
    with process("add", *told) as running:
        for line in running.stdout:
            word, batch = line.split()
            done = int(batch) + (word == "added")
            if done >= stop:
                break
        time.sleep(pause_s)
        running.kill()
        return done + sum(line.startswith("added") for line in running.stdout)


def key_of(number):
    return capture_key("kills", number)


def image_at(number):
    """None for each seventh; of the others, each comes twice in a row and some again much later."""
    return None if number % 7 == 3 else image(number // 2 if number % 5 else number // 40)


def outcome_of(number):
    one = image_at(number)
    if one is None:
        return Outcome("fail", "timeout")
    earlier = any(image_at(each) == one for each in range(number))
    return Outcome("duplicate" if earlier else "success")


def add_all(archive, number, begin):
    """Add so many captures from a batch on, and tell of each batch."""
    for batch in range(begin, number // BATCH):
        captures = [made(archive, n) for n in range(batch * BATCH, (batch + 1) * BATCH)]
        print("adds", batch, flush=True)  # noqa: T201
        outcomes = archive.add(captures)
        assert outcomes == [outcome_of(n) for n in range(batch * BATCH, (batch + 1) * BATCH)]
        print("added", batch, flush=True)  # noqa: T201


def made(archive, number):
    one = image_at(number)
    if one is None:
        return capture(code="timeout", key=key_of(number))
    if not archive.known([one.md5]):
        large = bytes(300_000)  # in more than one chunk
        names = put_blobs(archive, one.md5, original=large)
        return capture(image(int(one.md5, 16), blobs=names), key=key_of(number))
    return capture(one, key=key_of(number))


def test_a_killed_put_leaves_chunks_that_are_listed_and_can_be_deleted(
    archive, raw, mongod, tmp_path
):
    name, pipe = "greys/x/large.png", tmp_path / "pipe"
    os.mkfifo(pipe)
    running = process("put", mongod, tmp_path, name, pipe)
    with pipe.open("wb") as half:
        half.write(bytes(20 * 255 * 1024))
        while not raw["greys.chunks"].count_documents({}):
            time.sleep(0.01)
        running.kill()
        running.communicate()
    assert archive.blobs.open(name) is None
    assert raw["greys.files"].count_documents({}) == 0
    (left,) = archive.blobs.all("greys")
    assert left.bytes == 16 * 255 * 1024
    assert abs(datetime.now(UTC) - left.written_at) < timedelta(minutes=5)
    assert list(find_orphans(archive, left.written_at)) == []  # it may be in somebody's hand
    (orphan,) = find_orphans(archive, LATER)
    mend(archive, orphan)
    assert raw["greys.chunks"].count_documents({}) == 0
    assert not archive.blobs.delete(orphan.name)


def test_whoever_adds_and_drops_at_once_no_image_lacks_its_blobs(archive):
    def add(seed):
        rng = random.Random(seed)
        for _ in range(30):
            one = image(rng.randrange(4))
            names = put_blobs(archive, one.md5)
            archive.add([capture(image(int(one.md5, 16), blobs=names)), capture(one)])

    def drop(seed):
        rng = random.Random(seed)
        for turn in range(60):
            archive.delete(image(rng.randrange(4)).md5) if turn % 2 else archive.forget(LATER)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4) for work in (add, drop)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(find_orphans(archive, LATER)) == []


def test_an_image_that_comes_again_while_old_ones_are_forgotten_stays(archive):
    archive.add([capture(image(n, blobs=put_blobs(archive, image(n).md5))) for n in range(100)])
    before = datetime.now(UTC) + timedelta(milliseconds=1)
    time.sleep(0.01)

    def come_again():
        numbers = range(99, -1, -1)  # towards whoever forgets them
        return {n for n in numbers if archive.add([capture(image(n))])[0].result == "duplicate"}

    forgotten, stayed = race(partial(archive.forget, before), come_again)
    assert forgotten + len(stayed) == 100
    assert {stored.image.md5 for stored in stored_images(archive)} == {image(n).md5 for n in stayed}


def main():
    work, url, spool, *told = sys.argv[1:]
    if work == "count":
        print("ready", flush=True)  # noqa: T201
        sys.stdin.read()
    with open_mongo(url, Path(spool), (lambda: START) if work == "count" else utc_now) as archive:
        if work == "count":
            for _ in range(int(told[0])):
                archive.add([capture(code="timeout")])
        elif work == "add":
            add_all(archive, *map(int, told))
        else:
            archive.blobs.put(told[0], Path(told[1]))


if __name__ == "__main__":
    main()
