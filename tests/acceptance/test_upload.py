"""`pixmill upload` against the real service: kept, worked on, fetched; also when that is killed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal

import numpy as np
import pytest
from PIL import Image

from pixmill.store import open_catalog
from tests.acceptance.lists import body
from tests.archives import grey_of
from tests.command import kill_group, run, start
from tests.services import free_port
from tests.serving import serving

GREY = ("--op", "grayscale", "--op", "convert png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def service(folder):
    with serving(folder) as running:
        yield running


@pytest.fixture
def key(service):
    return service.credential[1]


@pytest.fixture
def upload(tmp_path, service, key):
    """Call it with arguments to run the command; another exit status fails the test."""

    def call(*arguments, status=0, env=None):
        words = ("upload", *arguments, "--server", service.url)
        done = run(*words, cwd=tmp_path, env={"PIXMILL_KEY": key} if env is None else env)
        assert done.returncode == status, done.stderr
        assert key not in done.stdout + done.stderr
        return done

    return call


def picture(seed):
    rgb = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(rgb).save(written, "png")
    return rgb, written.getvalue()


def md5(data):
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def told(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def number_of_jobs(folder):
    with open_catalog(None, folder / "data") as catalog:
        return len(catalog.jobs.page(10_000))


def job_of(folder, row):
    with open_catalog(None, folder / "data") as catalog:
        return catalog.jobs.find(row["job"])


def test_files_and_folders_are_kept(tmp_path, upload, service):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name, seed in (("in/a.png", 1), ("in/sub/b.png", 2), ("c.dat", 3)):
        (tmp_path / name).write_bytes(picture(seed)[1])
    (tmp_path / "in" / ".hidden.png").write_bytes(b"x")
    done = upload("in", "c.dat", "--source", "cam-7", "--reference", "x")
    assert done.stdout.splitlines() == [
        f"in/a.png  stored  {md5(picture(1)[1])}",
        f"in/sub/b.png  stored  {md5(picture(2)[1])}",
        f"c.dat  stored  {md5(picture(3)[1])}",
    ]
    assert "duplicate" in upload("c.dat").stdout
    with service.client() as client:
        seen = client.get(f"/images/{md5(picture(1)[1])}").json()
        original = client.get(seen["links"]["original"]).content
    assert original == picture(1)[1]
    assert [(each["source"], each["reference"]) for each in seen["arrivals"]] == [("cam-7", "x")]


def test_operations_are_carried_out_and_results_saved(tmp_path, upload):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    expected = {}
    for name, seed in (("a.jpg", 11), ("sub/b.png", 12)):
        rgb, data = picture(seed)
        (tmp_path / "in" / name).write_bytes(data)
        expected[name] = grey_of(rgb)
    done = upload("in", *GREY, "-o", "out")
    lines = [line.split("  ") for line in done.stdout.splitlines()]
    assert [(line[0], line[1], line[3]) for line in lines] == [
        ("in/a.jpg", "succeeded", "out/a.png"),
        ("in/sub/b.png", "succeeded", "out/sub/b.png"),
    ]
    for name, saved in (("a.jpg", "a.png"), ("sub/b.png", "sub/b.png")):
        pixels = np.asarray(Image.open(tmp_path / "out" / saved).convert("L"))
        np.testing.assert_array_equal(pixels, expected[name])
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) == 2


def test_the_same_command_again_is_the_same_job_and_another_is_not(tmp_path, upload, folder):
    (tmp_path / "a.png").write_bytes(picture(21)[1])
    words = ("a.png", *GREY, "--wait", "--json", "--source", "cam-1", "--reference", "f")
    (first,) = told(upload(*words))
    before = number_of_jobs(folder)
    (second,) = told(upload(*words))
    assert first["state"] == second["state"] == "succeeded"
    assert first["job"] == second["job"]
    assert (first["arrival"], second["arrival"]) == ("success", "duplicate")
    assert number_of_jobs(folder) == before
    (tmp_path / "chain").write_text("grayscale mean\n\nconvert png # the same\n")
    (same,) = told(upload("a.png", "--operations", "chain", *words[5:]))
    assert same["job"] == first["job"]
    others = [(*words[:-1], "g"), (words[0], "--op", "flip", *words[5:])]
    assert len({told(upload(*other))[0]["job"] for other in others} | {first["job"]}) == 3


def test_a_job_whose_result_is_gone_is_made_anew_and_one_that_failed_is_done_again(
    tmp_path, upload, folder, service
):
    (tmp_path / "a.png").write_bytes(body(41))
    words = ("a.png", "--op", "flip", "-o", "got", "--json")
    (first,) = told(upload(*words))
    made = [first["job"]]
    with service.client() as client:
        for _ in range(2):
            assert client.delete(f"/jobs/{made[-1]}").json()["state"] == "expired"
            (again,) = told(upload(*words))
            assert (again["state"], again["result"]) == ("succeeded", "got/a.png")
            assert again["job"] not in made
            made.append(again["job"])
        assert told(upload(*words))[0]["job"] == made[-1]
    (tmp_path / "b.png").write_bytes(body(42))
    words = ("b.png", "--op", "resize 60000 60000 force", "--wait", "--json")
    (failed,) = told(upload(*words, status=1))
    before = job_of(folder, failed)
    (again,) = told(upload(*words, status=1))
    assert (again["job"], again["code"]) == (failed["job"], "too_many_pixels")
    assert job_of(folder, failed).started_at > before.finished_at


def test_each_failure_is_told_and_the_others_are_done(tmp_path, upload):
    (tmp_path / "good.png").write_bytes(picture(31)[1])
    (tmp_path / "text.png").write_bytes(b"no image")
    (tmp_path / "empty.png").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    names = ("text.png", "empty.png", "missing.png", "pipe", "good.png")
    done = upload(*names, *GREY, "--wait", "--json", status=1)
    rows = told(done)
    assert [row["file"] for row in rows] == list(names)
    assert [row["code"] for row in rows] == [
        "unsupported_format", "invalid_request", "invalid_request", "invalid_request", None,
    ]  # fmt: skip
    assert rows[4]["state"] == "succeeded"
    done = upload(*names, status=1)
    assert len(done.stdout.splitlines()) == 1
    assert "missing.png: invalid_request (the file can not be read" in done.stderr


def test_a_job_that_fails_is_a_failure(tmp_path, upload):
    (tmp_path / "a.png").write_bytes(picture(32)[1])
    (row,) = told(upload("a.png", "--op", "resize 60000 60000 force", "--wait", "--json", status=1))
    assert (row["state"], row["code"]) == ("failed", "too_many_pixels")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--op", "spin"], "operation 1"),
        (["--wait"], "--wait"),
        (["-o", "out"], "-o"),
        (["--key", "a b"], "one word"),
        (["--source", "a b"], "--source"),
        (["--source", "\udcff"], "--source"),
        (["--reference", ".x"], "--reference"),
        (["--key-file", "missing"], "--key-file missing"),
        (["--key-file", "empty"], "holds no key"),
        (["--key", "x", "--key-file", "empty"], "one of both"),
        (["-o", ".", *GREY], "choose another -o"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(tmp_path, upload, words, sentence):
    (tmp_path / "a.png").write_bytes(body(1))
    (tmp_path / "empty").write_bytes(b"")
    assert sentence in upload("a.png", *words, status=2).stderr


@pytest.mark.parametrize("server", ["", "ftp://x", "http://u:p@h/", "http://h/?x", "http://:x"])
def test_what_is_no_address_is_refused(tmp_path, server):
    done = run("upload", "a", "--server", server, "--key", "k", cwd=tmp_path)
    assert (done.returncode, "--server: " in done.stderr) == (2, True), done.stderr


def test_the_key_comes_from_a_file_the_variable_or_a_flag(tmp_path, upload, key):
    (tmp_path / "a.png").write_bytes(picture(41)[1])
    (tmp_path / "key").write_text(f"{key}\n")
    upload("a.png", "--key-file", "key", env={})
    upload("a.png", "--key", key, env={"PIXMILL_KEY": "another"})
    assert "a key is needed" in upload("a.png", env={}, status=2).stderr
    done = upload("a.png", env={"PIXMILL_KEY": "pm_wrong_secret"}, status=1)
    assert "unauthorized" in done.stderr
    assert "pm_wrong_secret" not in done.stderr


def test_a_service_that_is_killed_and_started_again_is_waited_for(tmp_path):
    port, names = str(free_port()), [f"{number}.png" for number in range(12)]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(picture(50 + number)[1])
    idle = {"PIXMILL_JOBS": "0"}
    with serving(tmp_path, "--port", port, env=idle) as first:
        key = first.credential[1]
        words = ("upload", *names, "--server", first.url, *GREY, "-o", "out", "--json")
        process = start(*words, cwd=tmp_path, env={"PIXMILL_KEY": key})
        with first.client() as client:  # they wait for a service that does no jobs
            while len(client.get("/jobs").json()["jobs"]) < len(names):
                assert process.poll() is None, process.communicate()
        first.stop(signal.SIGKILL)
    with serving(tmp_path, "--port", port):
        out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["file"] for row in rows] == names
    assert {row["state"] for row in rows} == {"succeeded"}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)


def test_a_killed_upload_is_done_by_the_same_command(tmp_path, folder, service, key, upload):
    for number in range(8):
        (tmp_path / f"{number}.png").write_bytes(picture(80 + number)[1])
    names = [f"{number}.png" for number in range(8)]
    before = number_of_jobs(folder)
    words = ("upload", *names, "--server", service.url, *GREY, "-o", "out")
    process = start(*words, cwd=tmp_path, env={"PIXMILL_KEY": key})
    while number_of_jobs(folder) == before:
        assert process.poll() is None, process.communicate()
    kill_group(process)
    upload(*names, *GREY, "-o", "out")
    assert number_of_jobs(folder) == before + len(names)
    saved = [path.name for path in (tmp_path / "out").iterdir() if path.suffix == ".png"]
    assert sorted(saved) == names
