"""`pixmill ingest` as a user types it: each image once, with its grey version and its counts."""

from __future__ import annotations

import hashlib
import io
import json
import random

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pixmill.store import open_archive
from tests.acceptance.lists import body, lines_of, listed
from tests.archives import bytes_of, counts_of, grey_of, look, names_of, pixels_of, stored_images
from tests.command import LOOPBACK, run
from tests.contract.archives import new_image
from tests.origin import answer
from tests.pictures import png

FLAGS = ("--workers", "1", *LOOPBACK)


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def ingest(tmp_path, data):
    """Call it with arguments to run the command; a failing one fails the test."""

    def call(*arguments, status=0):
        done = run("ingest", *arguments, *FLAGS, cwd=tmp_path, env={"PIXMILL_DATA": str(data)})
        assert done.returncode == status, done.stderr
        return done

    return call


def md5(data):
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def urls_of(origin, number):
    return [origin.serve(f"/{index}.png", body(index)) for index in range(number)]


def test_every_image_stands_once_with_its_grey_version_its_facts_and_its_counts(
    origin, tmp_path, data, ingest
):
    urls = urls_of(origin, 5)
    same = origin.serve("/same.png", body(2))  # another URL of the same bytes
    missing, broken = origin.url("/missing.png"), origin.serve("/broken.png", body(0)[:90])
    listed(tmp_path, [*urls, urls[0], same, missing, broken, "ftp://nowhere/"])
    ingest("urls.txt")
    rows = [line.rstrip("\n") for line in lines_of(tmp_path / "urls.txt-ingest.csv")]
    assert rows == [
        *(f"{url},{md5(body(index))},success" for index, url in enumerate(urls)),
        f"{urls[0]},{md5(body(0))},duplicate",
        f"{same},{md5(body(2))},duplicate",
    ]
    with open_archive(None, None, None, data) as archive:
        codes = {"http_error": 1, "corrupt_image": 1, "invalid_url": 1}
        assert counts_of(archive) == (5, 2, 3, codes)
        stored = {each.image.md5: each.image for each in stored_images(archive)}
        assert stored.keys() == {md5(body(index)) for index in range(5)}
        assert len(names_of(archive)) == 10
        for index in range(5):
            image = stored[md5(body(index))]
            rgb = np.asarray(Image.open(io.BytesIO(body(index))).convert("RGB"))
            assert image.sha256 == hashlib.sha256(body(index)).hexdigest()
            assert (image.height, image.width) == rgb.shape[:2]
            assert (image.format, image.bytes) == ("png", len(body(index)))
            assert image.color is not None
            assert len(image.colors) == 5
            assert bytes_of(archive, image.blobs.original) == body(index)
            np.testing.assert_array_equal(
                pixels_of(bytes_of(archive, image.blobs.grey)), grey_of(rgb)
            )
        captures = archive.arrivals(10, md5=md5(body(0)))
        assert [(each.source, each.outcome.result) for each in captures] in (
            [(urls[0], "duplicate"), (urls[0], "success")],
            [(urls[0], "success"), (urls[0], "duplicate")],  # of one millisecond
        )
        assert [each.source for each in archive.arrivals(10, code="http_error")] == [missing]


def test_a_finished_list_is_taken_in_again_without_downloads_and_counts_as_duplicates(
    origin, tmp_path, data, ingest
):
    confirmed = []

    async def reply(exchange):
        if exchange.request.headers.get("if-none-match") == '"1"':
            confirmed.append(exchange.request.path)
            await answer(status=304, headers={"ETag": '"1"'})(exchange)
        else:
            await answer(body(1), headers={"ETag": '"1"'})(exchange)

    listed(tmp_path, [origin.on("/a.png", reply)])
    ingest("urls.txt")
    before = look(data)
    ingest("urls.txt")
    after = look(data)
    assert confirmed == ["/a.png"]
    assert after.images == before.images
    assert (before.counts, after.counts) == ((1, 0, 0, {}), (1, 1, 0, {}))
    assert (tmp_path / "urls.txt-ingest.csv").read_text().endswith(",duplicate\n")


def test_what_the_archive_dropped_is_fetched_anew_though_it_is_unchanged(
    origin, tmp_path, data, ingest
):
    url = origin.serve("/a.png", body(1), headers={"ETag": '"1"', "Cache-Control": "max-age=600"})
    listed(tmp_path, [url])
    ingest("urls.txt")
    with open_archive(None, None, None, data) as archive:
        assert archive.delete(md5(body(1)))
    ingest("urls.txt")
    assert origin.hits("/a.png") == 2
    assert look(data).images.keys() == {md5(body(1))}
    assert look(data).counts == (2, 0, 0, {})


def test_only_greys_are_kept_on_demand(tmp_path, data, ingest):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(body(1))
    ingest("in", "--no-originals", "--source", "cam-7")
    with open_archive(None, None, None, data) as archive:
        (stored,) = stored_images(archive)
        assert stored.image.blobs.original is None
        assert len(names_of(archive)) == 1
        (capture,) = archive.arrivals(10)
        assert (capture.source, capture.reference) == ("cam-7", "in/a.png")


def test_a_large_grey_goes_by_a_file_and_leaves_none_behind(tmp_path, data, ingest):
    noise = np.random.default_rng(1).integers(0, 256, (900, 900, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    ingest("noise.png")
    with open_archive(None, None, None, data) as archive:
        (stored,) = stored_images(archive)
        grey = bytes_of(archive, stored.image.blobs.grey)
        assert len(grey) > 512 * 1024
        np.testing.assert_array_equal(pixels_of(grey), grey_of(noise))
        assert [path.name for path in archive.blobs.spool.iterdir()] == []


def test_failed_lines_are_tried_again_and_counted_as_what_they_are(origin, tmp_path, data, ingest):
    urls = urls_of(origin, 2)
    late = origin.on("/late.png", answer(status=404), answer(body(7)))
    listed(tmp_path, [urls[0], late, urls[1]])
    ingest("urls.txt")
    ingest("urls.txt", "--retry-failed")
    rows = [line.rstrip("\n").split(",") for line in lines_of(tmp_path / "urls.txt-ingest.csv")]
    assert rows == [
        [urls[0], md5(body(0)), "success"],
        [late, md5(body(7)), "success"],
        [urls[1], md5(body(1)), "success"],
    ]
    assert look(data).counts == (3, 0, 1, {"http_error": 1})


def test_jsonl_and_parquet_tell_what_became_of_each(origin, tmp_path, ingest):
    urls = urls_of(origin, 1)
    listed(tmp_path, [urls[0], origin.url("/missing.png")])
    ingest("urls.txt", "-o", "o.jsonl")
    first, second = map(json.loads, (tmp_path / "o.jsonl").read_text().splitlines())
    assert (first["md5"], first["arrival"]) == (md5(body(0)), "success")
    assert (second["md5"], second["arrival"], second["code"]) == (None, None, "http_error")
    ingest("urls.txt", "-o", "p.parquet")
    rows = pq.read_table(tmp_path / "p.parquet").to_pylist()
    assert [row["arrival"] for row in rows] == ["duplicate", None]


def test_another_file_with_the_same_md5_fails_and_harms_nothing(origin, tmp_path, data, ingest):
    file = png(random.Random(1))
    with open_archive(None, None, None, data) as archive:
        standing = new_image(archive, md5=md5(file), sha256="0" * 64)
        before = names_of(archive)
    listed(tmp_path, [origin.serve("/a.png", file)])
    ingest("urls.txt")
    with open_archive(None, None, None, data) as archive:
        assert archive.find(md5(file)).image.sha256 == standing.sha256
        assert names_of(archive) == before
        assert counts_of(archive)[2:] == (1, {"md5_collision": 1})
    assert "md5_collision" in (tmp_path / "urls.txt-ingest-errors.csv").read_text()


def test_in_little_memory_with_one_worker(tmp_path, ingest):
    (tmp_path / "a.png").write_bytes(body(1))
    ingest("a.png", "--memory", "512M")


def test_without_an_input_it_says_what_is_missing(ingest):
    assert "name an INPUT" in ingest(status=2).stderr


def test_a_later_run_with_originals_completes_images_that_were_kept_without(
    origin, tmp_path, data, ingest
):
    """Also those that their origin calls unchanged, which are then downloaded anew."""

    async def reply(exchange):
        if exchange.request.headers.get("if-none-match") == '"1"':
            await answer(status=304, headers={"ETag": '"1"'})(exchange)
        else:
            await answer(body(1), headers={"ETag": '"1"'})(exchange)

    listed(tmp_path, [origin.on("/a.png", reply), *urls_of(origin, 1)])
    ingest("urls.txt", "--no-originals")
    ingest("urls.txt", "--overwrite")
    with open_archive(None, None, None, data) as archive:
        stored = {each.image.md5: each.image.blobs for each in stored_images(archive)}
        for index in (0, 1):
            assert bytes_of(archive, stored[md5(body(index))].original) == body(index)
        assert len(names_of(archive)) == 4
        assert counts_of(archive) == (2, 2, 0, {})
