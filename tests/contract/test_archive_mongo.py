"""What is MongoDB's own: documents that others read, files in GridFS, a server and its URL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import gridfs
import pymongo
import pytest
from bson import ObjectId

from pixmill.errors import OutputError, UsageError
from pixmill.store.mongo.archive import open_mongo
from pixmill.store.opening import utc_now
from pixmill.store.orphans import find_orphans, mend
from tests.archives import names_of
from tests.contract.archives import capture, image, new_image, put_blobs
from tests.contract.catalogs import START

WRITES = {"insert", "findAndModify"}
LATER = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture
def archive(mongod, tmp_path):
    """An empty archive whose clock stands still."""
    with open_mongo(mongod, tmp_path / "spool", lambda: START) as opened:
        yield opened


@pytest.fixture
def raw(mongod):
    """The same database, as any client of MongoDB sees it."""
    with pymongo.MongoClient(mongod, tz_aware=True) as client:
        yield client.get_default_database()


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


@pytest.mark.parametrize(
    ("options", "concern"),
    [("", {"w": "majority", "j": True}), ("?w=1&Journal=false", {"w": 1, "j": False})],
)
def test_what_is_told_is_in_the_journal_unless_the_url_wants_less(
    mongod, raw, tmp_path, options, concern
):
    with open_mongo(mongod + options, tmp_path, utc_now) as archive:
        raw.command("profile", 2)
        new_image(archive)
        archive.delete(image().md5)
        raw.command("profile", 0)
    whole = {"$in": ["insert", "command"]}  # of other writes the profile shows a part
    told = [each["command"] for each in raw.system.profile.find({"op": whole})]
    concerns = [each.get("writeConcern") for each in told if each.keys() & WRITES]
    # Of four documents of blobs, of the image, of its arrival, and of its end.
    assert concerns == [concern] * 7


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
    id_ = raw["greys.files"].insert_one({"length": 6}).inserted_id
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
    with pytest.raises(OutputError, match=r"missing\.png can not be used: No such file"):
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
    left = Path(archive.blobs.spool, "grey-0123456789abcdef.png")
    left.write_bytes(b"half")
    assert list(archive.blobs.stale_files(datetime.now(UTC) - timedelta(hours=1))) == []
    (orphan,) = find_orphans(archive, LATER)
    mend(archive, orphan)
    assert not left.exists()


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


@pytest.mark.parametrize("password", ["hidden", "#hidden", "%2Fhidden"])
def test_a_server_that_does_not_answer_is_told_without_its_password(tmp_path, password):
    url = f"mongodb://me:{password}@127.0.0.1:9/shop?serverSelectionTimeoutMS=200"
    with pytest.raises(OutputError, match=r"can not be used: .*refused") as caught:
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
