"""A whole cluster at work, as `deploy/compose.yaml` starts it: a list, cameras, an archive."""

from __future__ import annotations

import io
import json
import os
import random
import time
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from pixmill.store import open_archive
from tests.acceptance.lists import listed
from tests.acceptance.test_cameras import EXPECTED, begin, finish, results
from tests.archives import counts_of, grey_of, pixels_of, stored_images
from tests.cluster import Cluster
from tests.command import kill_group, run, start
from tests.origin import answer, delayed
from tests.pictures import png
from tests.serving import serving

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

SHORT = os.environ.get("PIXMILL_SOAK") == "short"
LINES = 600 if SHORT else 5000
ARRIVALS = 800 if SHORT else 2000
IMAGES = 100 if SHORT else 500
KILLS = 3 if SHORT else 8
IN_HAND = 20  # more images than a killed worker may have been storing


def serve_images(origin, number, reply=answer):
    """Put so many distinct images on the origin; gives them by URL."""
    images = {f"/image{at}.png": png(random.Random(at)) for at in range(number)}
    for path, image in images.items():
        origin.on(path, reply(image))
    return {origin.url(path): image for path, image in images.items()}


def ended(command):
    said, errors = command.communicate(timeout=600)
    assert command.returncode == 0, said + errors


def test_a_list_and_cameras_go_through_a_cluster_over_s3(
    rabbit, postgres, s3_bucket, origin, tmp_path
):
    urls = list(serve_images(origin, 200))
    missing = origin.url("/missing.png")
    lines = [missing if n % 10 == 9 else f"{urls[n % 200]}?{n}" for n in range(LINES)]
    path = listed(tmp_path, lines)
    env = {
        **s3_bucket.environment,
        "PIXMILL_SHARD_LINES": "125",
        "PIXMILL_JOB_LEASE": "30",
    }
    with Cluster(rabbit.url, postgres, tmp_path, **env) as cluster:
        one = run("colors", path, "-o", "one.csv", cwd=tmp_path, env=cluster.alone, timeout_s=300)
        assert one.returncode == 0, one.stderr
        cluster.start("w0", "w1")
        with serving(tmp_path, env=cluster.env) as service, cluster.shares() as shares:
            cameras = begin(service.url, service.credential[1], tmp_path / "out", "one")
            command = start("colors", path, "-o", "many.csv", cwd=tmp_path, env=cluster.env)
            try:
                ended(command)
                finish(cameras)
            except BaseException:
                kill_group(command)
                cameras.kill()
                cameras.communicate()
                raise
        assert results(tmp_path / "out") == EXPECTED
        print("lines by worker:", dict(shares))  # noqa: T201  for who runs it by hand
        assert set(shares) == {"w0", "w1"}
        assert shares.total() == LINES
        for name in ("{}.csv", "{}-errors.csv"):
            one, many = (tmp_path / name.format(word) for word in ("one", "many"))
            assert many.read_bytes() == one.read_bytes()
    assert not (tmp_path / "nas").exists()


@pytest.mark.parametrize("engine", ["postgres", "mongodb"])
def test_an_ingest_is_shared_by_four_workers_that_are_killed(
    rabbit, postgres, mongod, *, origin, tmp_path, engine
):
    rng = random.Random(engine)
    eighth, tenth = ARRIVALS * 8 // 10, ARRIVALS // 10
    urls = list(serve_images(origin, eighth, lambda body: delayed(0.2, answer(body))))
    urls += [urls[rng.randrange(eighth)] for _ in range(tenth)]
    urls += [origin.url(f"/missing{at}.png") for at in range(tenth)]
    rng.shuffle(urls)
    env = {"PIXMILL_PER_HOST": "8", "PIXMILL_SHARD_LINES": "10"}
    env |= {"PIXMILL_ARCHIVE": mongod} if engine == "mongodb" else {}
    names = [f"w{number}" for number in range(4)]
    with Cluster(rabbit.url, postgres, tmp_path, **env) as cluster, cluster.shares() as shares:
        cluster.start(*names)
        words = ["ingest", listed(tmp_path, urls), "-o", "out.jsonl"]
        command = start(*words, cwd=tmp_path, env=cluster.env)
        try:
            for _ in range(KILLS):
                time.sleep(rng.uniform(0.5, 2.5))
                assert command.poll() is None, "it ended before the kills"
                name = rng.choice(names)
                cluster.kill(name)
                cluster.launch(name)
            ended(command)
        except BaseException:
            kill_group(command)
            raise
    print("lines by worker:", dict(shares))  # noqa: T201  for who runs it by hand
    assert set(shares) == set(names)
    assert shares.total() == ARRIVALS
    assert min(shares.values()) >= ARRIVALS // 10
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["line"] for row in rows] == list(range(1, ARRIVALS + 1))
    arrivals = Counter(row["arrival"] or "fail" for row in rows)
    assert arrivals == {"success": eighth, "duplicate": tenth, "fail": tenth}
    archive_url = mongod if engine == "mongodb" else None
    with open_archive(archive_url, postgres, tmp_path / "nas", tmp_path) as archive:
        stored = [each.image.md5 for each in stored_images(archive)]
        assert len(stored) == len(set(stored)) == eighth
        counts = counts_of(archive)
    print("counts:", counts, "arrivals:", dict(arrivals))  # noqa: T201
    if engine == "postgres":
        assert counts[:3] == (eighth, tenth, tenth)
    assert abs(sum(counts[:3]) - ARRIVALS) <= KILLS * IN_HAND


@pytest.mark.parametrize("place", ["postgres and s3", "gridfs"])
def test_what_a_cluster_archived_is_read_back(
    rabbit, postgres, mongod, *, s3_bucket, origin, tmp_path, place
):
    images = serve_images(origin, IMAGES)
    env = {"PIXMILL_ARCHIVE": mongod} if place == "gridfs" else s3_bucket.environment
    with Cluster(rabbit.url, postgres, tmp_path, **env) as cluster:
        cluster.start("w0", "w1")
        words = ["ingest", listed(tmp_path, images), "-o", "out.jsonl"]
        done = run(*words, cwd=tmp_path, env=cluster.env, timeout_s=300)
        assert done.returncode == 0, done.stderr
        rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
        assert len(rows) == IMAGES
        with serving(tmp_path, env=cluster.env) as service, service.client() as client:
            for row in rows:
                got = client.get(f"/image/{row['md5']}")
                assert got.status_code == 200, got.text
                rgb = np.asarray(Image.open(io.BytesIO(images[row["url"]])))
                np.testing.assert_array_equal(pixels_of(got.content), grey_of(rgb))
