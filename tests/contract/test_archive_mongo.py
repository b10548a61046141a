"""What is MongoDB's own: documents that others read, kills between two steps, chunks without file."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import gridfs
import pymongo
import pytest
from bson import ObjectId

from pixmill.errors import OutputError, UsageError
from pixmill.store.archive import Outcome, capture_key
from pixmill.store.mongo.archive import open_mongo
from pixmill.store.opening import utc_now
from pixmill.store.orphans import find_orphans, mend
from tests.archives import names_of, stored_images
from tests.contract.archives import capture, image, new_image, put_blobs
from tests.contract.catalogs import START

PROJECT = Path(__file__).parents[2]
LATER = datetime.now(UTC) + timedelta(hours=1)
BATCH = 20
SIZES = [
    pytest.param((400, 4), id="few"),
    pytest.param((3000, 60), id="many", marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
]


def start():
    return START


@pytest.fixture
def archive(mongod, tmp_path):
    """An empty archive whose clock stands still."""
    with open_mongo(mongod, tmp_path / "spool", start) as opened:
        yield opened


@pytest.fixture
def raw(mongod):
    """The same database, as any client of MongoDB sees it."""
    with pymongo.MongoClient(mongod, tz_aware=True) as client:
        yield client.get_default_database()


def process(*told, **options):
    order = [sys.executable, "-m", __name__, *map(str, told)]
    return subprocess.Popen(order, cwd=PROJECT, text=True, stdout=subprocess.PIPE, **options)


def test_an_image_is_a_document_by_its_md5_that_names_its_files(archive, raw):
    one = image(7, blobs=put_blobs(archive, image(7).md5))
    archive.add([capture(one, key=b"k" * 16)])
    files = gridfs.GridFS(raw, "greys"), gridfs.GridFS(raw, "originals")
    (document,) = raw.images.find()
    assert document == {
        "_id": one.md5,
        "image_id": ObjectId(document["image_id"]),
        "original_id": ObjectId(document["original_id"]),
        "insert_time": START,
        "width": 3,
        "height": 2,
        "sha256": one.sha256,
        "bytes": 70,
        "format": "png",
        "colors": [{"hex": "#FF0000", "count": 4, "share": 1.0}],
        "color": "#FF0000",
        "arrived_at": START,
        "origin": b"k" * 16,
        "blobs": {"original": one.blobs.original, "grey": one.blobs.grey},
    }
    grey, original = files[0].get(document["image_id"]), files[1].get(document["original_id"])
    assert (grey.read(), original.read()) == (b"grey", b"original")
    assert f"greys/{grey.filename}" == one.blobs.grey


def test_each_minute_is_one_document_by_its_beginning(archive, raw):
    new_image(archive)
    archive.add([capture(code="http_error"), capture(code="http_error"), capture(image())])
    (document,) = raw.insert_logs.find()
    counts = {"success": 1, "fail": 2, "duplicate": 1, "codes": {"http_error": 2}}
    assert document == {"_id": START, "interval": START, **counts}


def test_an_arrival_is_a_document_by_its_key(archive, raw):
    fail = capture(code="timeout", key=b"f" * 16, source="http://a/", reference="x")
    archive.add([fail])
    (document,) = raw.arrivals.find({}, {"order": 0})
    told = {"source": "http://a/", "reference": "x", "result": "fail", "code": "timeout"}
    assert document == {"_id": b"f" * 16, "arrived_at": START, **told}


def test_what_is_told_is_in_the_journal(archive, raw):
    raw.command("profile", 2)
    new_image(archive)
    archive.delete(image().md5)
    raw.command("profile", 0)
    told = [
        each["command"] for each in raw.system.profile.find({"op": {"$in": ["insert", "command"]}})
    ]
    concerns = [
        each["writeConcern"] for each in told if "insert" in each or "findAndModify" in each
    ]
    assert len(concerns) == 7  # four of the blobs, the image, the arrival, and its end
    assert all(each == {"w": "majority", "j": True} for each in concerns)


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
        done = run_until_killed(mongod, tmp_path, number, done, max(stop, done), rng)
    last = process("add", mongod, tmp_path, number, done)
    assert last.communicate(timeout=100)[0].endswith(f"{batches - 1}\n")
    assert last.returncode == 0
    expected = {key_of(n): outcome_of(n) for n in range(number)}
    found = {d["_id"]: Outcome(d["result"], d.get("code")) for d in raw.arrivals.find()}
    assert found == expected
    with open_mongo(mongod, tmp_path, utc_now) as archive:
        images = [stored.image for stored in stored_images(archive)]
        assert len(images) == len({each.md5 for each in images}) == 37
        for orphan in list(find_orphans(archive, LATER)):
            assert orphan.kind == "file without row"
            mend(archive, orphan)
        assert names_of(archive) == {name for each in images for name in each.blobs}
    results = [outcome.result for outcome in expected.values()]
    for name in ("success", "duplicate", "fail"):
        counted = sum(document[name] for document in raw.insert_logs.find())
        assert results.count(name) - kills * BATCH <= counted <= results.count(name)


def run_until_killed(url, spool, number, begin, stop, rng):
    """Kill a process in the batch behind `stop`; return the first batch it did not tell of."""
    with process("add", url, spool, number, begin) as running:
        for line in running.stdout:
            if int(line) >= stop:
                break
        time.sleep(rng.uniform(0, 0.1))
        running.kill()
        return max([int(line) for line in (line, *running.stdout)]) + 1


def key_of(number):
    return capture_key("kills", number)


def image_at(number):
    """None for each seventh, and of the others 37 different ones."""
    return None if number % 7 == 3 else image(number * number % 73)


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
        outcomes = archive.add(captures)
        assert outcomes == [outcome_of(n) for n in range(batch * BATCH, (batch + 1) * BATCH)]
        print(batch, flush=True)  # noqa: T201


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


def test_chunks_that_a_killed_delete_left_are_listed_too(archive, raw):
    one, other = new_image(archive, 1), new_image(archive, 2)
    raw["originals.files"].delete_one({"filename": one.blobs.original.partition("/")[2]})
    assert len(names_of(archive)) == 4
    for orphan in list(find_orphans(archive, LATER)):
        mend(archive, orphan)
    assert archive.find(one.md5) is None  # lacks its original, and may come again
    assert names_of(archive) == set(other.blobs)
    assert raw["originals.chunks"].count_documents({}) == 1


def test_a_blob_that_is_named_like_leftovers_is_no_leftover(archive, raw):
    (id_,) = (raw["greys.files"].insert_one({"length": 0}).inserted_id for _ in range(1))
    raw["greys.chunks"].insert_one({"files_id": id_, "n": 0, "data": b"theirs"})
    assert not archive.blobs.delete(f"greys/unfinished/{id_}")
    assert raw["greys.chunks"].count_documents({}) == 1


def test_a_name_that_stands_is_refused_and_its_blob_stays_whole(archive):
    for name, content in (("greys/x/1.png", b""), ("greys/x/2.png", bytes(600_000))):
        archive.blobs.put(name, content)
        with pytest.raises(OutputError, match="duplicate key"):
            archive.blobs.put(name, content)
        with archive.blobs.open(name) as blob:
            assert blob.read(0, blob.size) == content


def test_a_put_that_the_server_refuses_leaves_nothing(archive, raw, tmp_path):
    raw.command("collMod", "greys.files", validator={"never": 1})
    path = tmp_path / "large.png"
    path.write_bytes(bytes(600_000))
    with pytest.raises(OutputError, match="validation"):
        archive.blobs.put("greys/x/1.png", path)
    assert raw["greys.chunks"].count_documents({}) == 0
    assert path.exists()


def test_a_file_that_is_not_there_is_told(archive, raw, tmp_path):
    with pytest.raises(OutputError, match="missing.png can not be used: No such file"):
        archive.blobs.put("greys/x/1.png", tmp_path / "missing.png")
    assert names_of(archive) == set()


def test_a_blob_that_is_deleted_while_it_is_read_is_told(archive):
    archive.blobs.put("greys/x/1.png", bytes(600_000))
    with archive.blobs.open("greys/x/1.png") as blob:
        assert len(blob.read(0, 300_000)) == 300_000
        archive.blobs.delete("greys/x/1.png")
        with pytest.raises(OutputError, match="was deleted while it was read"):
            blob.read(300_000, 1)


def test_what_a_killed_process_left_in_the_spool_goes(archive):
    left = Path(archive.blobs.spool, "grey.png")
    left.write_bytes(b"half")
    assert list(archive.blobs.stale_files(datetime.now(UTC) - timedelta(hours=1))) == []
    (orphan,) = find_orphans(archive, LATER)
    mend(archive, orphan)
    assert not left.exists()


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


def test_images_that_others_made_are_left_alone(raw, mongod, tmp_path):
    raw.images.insert_one({"_id": "0" * 32, "image_id": ObjectId()})
    with pytest.raises(OutputError, match="images that pixmill did not make"):
        open_mongo(mongod, tmp_path, utc_now)
    assert raw.list_collection_names() == ["images"]


def test_without_a_path_the_database_is_called_pixmill(mongo_server, tmp_path):
    with pymongo.MongoClient(mongo_server) as client:
        assert "pixmill" not in client.list_database_names()
        with open_mongo(mongo_server, tmp_path, utc_now):
            assert "pixmill" in client.list_database_names()
        client.drop_database("pixmill")


def test_a_server_that_does_not_answer_is_told_without_its_password(tmp_path):
    url = "mongodb://me:hidden@127.0.0.1:9/shop?serverSelectionTimeoutMS=200"
    with pytest.raises(OutputError, match="can not be used: .*refused") as caught:
        open_mongo(url, tmp_path, utc_now)
    assert str(caught.value).startswith("the archive mongodb://127.0.0.1:9/shop can not be used")
    assert "hidden" not in str(caught.value)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize(
    "url",
    ["mongodb://", "mongodb://me:hid/den@h/x", "mongodb://me:hid@den@h/x", "mongodb://h:hidden/x"],
)
def test_a_text_that_is_no_url_is_refused_and_not_told(tmp_path, url):
    with pytest.raises(UsageError, match="the archive's URL is none") as caught:
        open_mongo(url, tmp_path, utc_now)
    assert "hid" not in str(caught.value)


def main():
    work, url, spool, *told = sys.argv[1:]
    if work == "count":
        print("ready", flush=True)  # noqa: T201
        sys.stdin.read()
    with open_mongo(url, Path(spool), start if work == "count" else utc_now) as archive:
        if work == "count":
            for _ in range(int(told[0])):
                archive.add([capture(code="timeout")])
        elif work == "add":
            add_all(archive, *map(int, told))
        else:
            archive.blobs.put(told[0], Path(told[1]))


if __name__ == "__main__":
    main()
