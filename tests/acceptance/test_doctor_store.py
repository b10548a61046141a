"""`pixmill doctor --store` as an operator types it."""

from __future__ import annotations

import json
import os

import pytest

from pixmill.store import open_archive, open_catalog, open_results
from pixmill.store.jobs import NewJob, Outcome, Progress, Result
from tests.archives import names_of
from tests.command import run
from tests.contract.archives import image, new_image, put_blobs


@pytest.fixture
def doctor(tmp_path):
    def call(*arguments):
        env = {"PIXMILL_DATA": str(tmp_path / "data")}
        return run("doctor", *arguments, cwd=tmp_path, env=env)

    return call


@pytest.fixture
def archive(tmp_path):
    with open_archive(None, None, None, tmp_path / "data") as opened:
        yield opened


def test_an_archive_that_is_whole_is_well(archive, doctor):
    new_image(archive)
    done = doctor("--store", "--older-than", "0")
    assert (done.returncode, done.stdout) == (0, "rows and files belong together\n")


def test_orphans_are_told_and_only_mended_on_demand(archive, doctor):
    one, gone = new_image(archive, 1), new_image(archive, 2)
    stray = put_blobs(archive, image(3).md5)
    archive.blobs.delete(gone.blobs.grey)
    assert doctor("--store").returncode == 1  # the row is told, the young files are not
    told = doctor("--store", "--older-than", "0")
    assert told.returncode == 1
    for name in (*stray, gone.blobs.grey):
        assert name in told.stdout
    assert told.stdout.splitlines()[-1] == (
        "2 files without row, 1 row without file: run with --mend to mend"
    )
    assert names_of(archive) == {*one.blobs, gone.blobs.original, *stray}
    mended = doctor("--store", "--mend", "--older-than", "0", "--json")
    assert mended.returncode == 0
    rows = [json.loads(line) for line in mended.stdout.splitlines()]
    assert {row["kind"] for row in rows} == {"file without row", "row without file"}
    assert all(row["mended"] for row in rows)
    assert names_of(archive) == set(one.blobs)
    assert doctor("--store", "--older-than", "0").returncode == 0


def test_mending_alone_is_a_mistake(doctor):
    done = doctor("--mend")
    assert done.returncode == 2
    assert "--mend goes with --store" in done.stderr


def test_results_are_told_and_those_of_no_job_are_dropped_once_they_are_a_day_old(
    archive, doctor, tmp_path
):
    results = open_results(None, tmp_path / "data")
    nobody = "results/2026-11-20/cam-7/frame-1-00000000000000000000000000000000.png"
    results.put(nobody, b"lost")
    with open_catalog(None, tmp_path / "data") as catalog:
        catalog.keys.add("one", ["jobs"])
        job, _ = catalog.jobs.add(NewJob(key_id=1, kind="operations", spec={}))
        catalog.jobs.claim("me", 30, ["operations"])
        gone = Outcome(Result(nobody.replace("0" * 32, job.id), 7, "image/png"))
        catalog.jobs.end(job.id, "me", "succeed", gone, Progress(1, 0, 1))
    young = doctor("--store")
    assert young.stdout.splitlines()[-1] == "1 job without result: have the work done again"
    path = tmp_path / "data" / "blobs" / nobody
    os.utime(path, (path.stat().st_mtime - 86_500,) * 2)
    old = doctor("--store")
    assert (old.returncode, old.stdout.splitlines()) == (
        1,
        [
            f"result without job  {nobody}",
            f"job without result  {gone.result.name}",
            f"1 result without job: run with --mend to mend; {young.stdout.splitlines()[-1]}",
        ],
    )
    mended = doctor("--store", "--mend", "--json")
    assert mended.returncode == 1  # the job is as it was
    rows = [json.loads(line) for line in mended.stdout.splitlines()]
    assert [(row["job"], row["mended"]) for row in rows] == [("0" * 32, True), (job.id, False)]
    assert not path.exists()
    with open_catalog(None, tmp_path / "data") as catalog:
        catalog.jobs.move(job.id, "expire")
    assert doctor("--store", "--older-than", "0").returncode == 0
