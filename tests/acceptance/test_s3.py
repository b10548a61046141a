"""Images in S3, their rows in PostgreSQL: `ingest`, the service, `doctor`, and what is refused."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from pixmill.settings import load_settings
from pixmill.store import open_archive, where
from pixmill.store.blobs import GREYS
from tests.acceptance.api_lists import followed, submit, table_of
from tests.archives import digest_of, names_of, pixels_of, stored_images
from tests.command import run, start
from tests.pictures import png
from tests.serving import serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.origin import Origin
    from tests.s3_server import Bucket

INGEST = ("ingest", "pictures", "-o", "out.csv", "--workers", "1")
SERVE = ("serve", "--port", "0", "--workers", "1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    for number in range(5):
        (tmp_path / "pictures" / f"{number}.png").write_bytes(png(random.Random(number)))
    return tmp_path


def opened(bucket: Bucket, folder: Path, catalog: str):
    flags = {**bucket.settings, "catalog": catalog, "data": folder / "data"}
    return open_archive(*where(load_settings(**flags)))


def test_what_is_ingested_into_s3_is_served_from_there(
    folder: Path, s3_bucket: Bucket, postgres: str, origin: Origin
) -> None:
    env = {**s3_bucket.environment, "PIXMILL_CATALOG": postgres}
    env["PIXMILL_DATA"] = str(folder / "data")
    assert run("migrate", cwd=folder, env=env).returncode == 0
    done = run(*INGEST, cwd=folder, env=env)
    assert done.returncode == 0, done.stderr
    with opened(s3_bucket, folder, postgres) as archive:
        images = [each.image for each in stored_images(archive)]
        assert len(images) == 5
        assert len(names_of(archive)) == 10
    assert not list(folder.glob("data/**/*.png"))
    with serving(folder, "--workers", "1", env=env) as service, service.client() as client:
        assert client.get("/readyz").status_code == 200
        for image in images:
            grey = client.get(f"/image/{image.md5}")
            assert grey.status_code == 200
            assert pixels_of(grey.content).shape == (image.height, image.width)
            original = client.get(f"/images/{image.md5}/original")
            assert len(original.content) == image.bytes
            part = client.get(f"/images/{image.md5}/original", headers={"Range": "bytes=2-9"})
            assert part.content == original.content[2:10]
        sent = client.post("/images", content=png(random.Random(99)))
        assert sent.status_code == 201, sent.text
        md5 = sent.json()["md5"]
        rendered = client.get(f"/images/{md5}/render", params={"op": "resize 8"})
        assert rendered.status_code == 200, rendered.text
        job = client.post(f"/images/{md5}/operations", json={"operations": ["grayscale"]}).json()
        assert followed(client, job)["state"] == "succeeded"
        assert client.get(f"/jobs/{job['id']}/result").status_code == 200
        urls = [origin.serve("/one.png", png(random.Random(7)))]
        listed = followed(client, submit(client, urls, kind="colors"))
        table, errors = table_of(client, listed)
        assert table.startswith(origin.url("/one.png").encode())
        assert errors.count(b"\n") == 1
        assert client.delete(f"/images/{md5}").status_code == 204
        assert client.get(f"/image/{md5}").status_code == 404
    with opened(s3_bucket, folder, postgres) as archive:
        assert len(names_of(archive)) == 10
        assert len(list(archive.blobs.all("results"))) == 3
        assert len(list(archive.blobs.all("lists"))) == 1
        archive.blobs.put(f"{GREYS}/2026-11-20/1031/{'f' * 32}-01234567.png", b"stray")
    told = run("doctor", "--store", "--older-than", "0", cwd=folder, env=env)
    assert told.returncode == 1
    assert "1 file without row: run with --mend" in told.stdout
    mended = run("doctor", "--store", "--mend", "--older-than", "0", cwd=folder, env=env)
    assert mended.returncode == 0, mended.stdout
    whole = run("doctor", "--store", "--older-than", "0", cwd=folder, env=env)
    assert "rows and files belong together" in whole.stdout


@pytest.mark.parametrize("order", [INGEST, SERVE])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"PIXMILL_BLOBS": "s3://no-such-bucket"}, "there is no such bucket"),
        ({"PIXMILL_S3_SECRET_KEY": "hush-hush"}, "its keys are refused"),
        ({"PIXMILL_S3_ENDPOINT": "http://127.0.0.1:1"}, "http://127.0.0.1:1 can not be reached"),
    ],
)
def test_a_place_that_is_wrong_is_one_sentence_at_the_start(
    folder: Path, s3_bucket: Bucket, order: tuple[str, ...], changes: dict[str, str], said: str
) -> None:
    env = {**s3_bucket.environment, "PIXMILL_DATA": str(folder / "data"), **changes}
    done = run(*order, cwd=folder, env=env)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "hush" not in done.stderr


@pytest.mark.parametrize("order", [("backup", "x.tar"), ("restore", "x.tar")])
def test_a_backup_of_s3_is_refused_with_the_way_to_go(folder: Path, order: tuple[str, ...]) -> None:
    (folder / "x.tar").write_bytes(b"")
    env = {"PIXMILL_BLOBS": "s3://bucket/x", "PIXMILL_DATA": str(folder / "data")}
    done = run(*order, cwd=folder, env=env)
    assert done.returncode == 2
    assert "the files of images are in s3://bucket/x, not in a folder" in done.stderr


def test_an_ingest_that_s3_left_ends_with_a_sentence_and_goes_on_by_the_same_command(
    folder: Path, own_s3_bucket: Bucket
) -> None:
    env = {**own_s3_bucket.environment, "PIXMILL_DATA": str(folder / "data")}
    assert run(*INGEST, cwd=folder, env=env).returncode == 0
    for number in range(5, 9):
        (folder / "pictures" / f"{number}.png").write_bytes(png(random.Random(number)))
    again = (*INGEST, "--overwrite")
    own_s3_bucket.server.stop()
    done = run(*again, cwd=folder, env=env)
    assert done.returncode == 1
    assert "can not be reached" in done.stderr
    own_s3_bucket.server.start()
    assert run(*again, cwd=folder, env=env).returncode == 0
    flags = {**own_s3_bucket.settings, "data": folder / "data"}
    with open_archive(*where(load_settings(**flags))) as archive:
        stored = [each.image for each in stored_images(archive)]
        assert len(stored) == 9
        assert names_of(archive) == {name for image in stored for name in image.blobs}


@pytest.mark.parametrize("fault", ["away", "restarted", "hung"])
def test_what_befalls_s3_in_the_middle_of_an_ingest_costs_no_image(
    folder: Path, own_s3_bucket: Bucket, fault: str
) -> None:
    server = own_s3_bucket.server
    for number in range(60):
        (folder / "pictures" / f"{number}.png").write_bytes(png(random.Random(number)))
    env = {**own_s3_bucket.environment, "PIXMILL_DATA": str(folder / "data")}
    running = start(*INGEST, cwd=folder, env=env)
    while not server.has_objects(10):
        assert running.poll() is None
        time.sleep(0.01)
    if fault == "hung":
        with server.hanging():
            time.sleep(1)
    else:
        server.stop()
    if fault == "restarted":
        server.start()
    _, said = running.communicate(timeout=100)
    if fault == "away":
        assert running.returncode == 1
        assert f"{server.url} can not be reached" in said
        assert "pixmill doctor --store --mend" in said
        server.start()
        done = run(*INGEST, cwd=folder, env=env)
        assert done.returncode == 0, done.stderr
        run("doctor", "--store", "--mend", "--older-than", "0", cwd=folder, env=env)
    else:
        assert running.returncode == 0, said
    assert (folder / "out.csv").read_text(encoding="utf-8").count(",success\n") == 60
    flags = {**own_s3_bucket.settings, "data": folder / "data"}
    with open_archive(*where(load_settings(**flags))) as archive:
        stored = [each.image for each in stored_images(archive)]
        assert len(stored) == 60
        assert names_of(archive) == {name for image in stored for name in image.blobs}
        for image in stored:
            assert digest_of(archive, image.blobs.original) == image.sha256


def test_a_service_whose_s3_goes_says_so_and_serves_again_when_it_is_back(
    folder: Path, own_s3_bucket: Bucket
) -> None:
    env = {**own_s3_bucket.environment, "PIXMILL_DATA": str(folder / "data")}
    assert run(*INGEST, cwd=folder, env=env).returncode == 0
    with serving(folder, "--workers", "1", env=env) as service, service.client() as client:
        md5 = client.get("/images").json()["images"][0]["md5"]
        own_s3_bucket.server.stop()
        refused = client.get(f"/image/{md5}")
        assert refused.status_code == 503
        assert refused.json()["code"] == "overloaded"
        assert client.post("/images", content=png(random.Random(98))).status_code == 503
        unready = client.get("/readyz")
        assert (unready.status_code, unready.json()["missing"]) == (503, ["archive"])
        own_s3_bucket.server.start()
        assert client.get("/readyz").status_code == 200
        assert client.get(f"/image/{md5}").status_code == 200
        assert client.post("/images", content=png(random.Random(98))).status_code == 201
