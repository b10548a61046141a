"""Files of no job and jobs without their results are found, and nobody else's files touched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pixmill.jobs.orphans import Lost, drop, find_lost
from pixmill.jobs.results import result_name
from pixmill.store import open_catalog, open_results
from pixmill.store.jobs import NewJob, Outcome, Progress, Result

LATER = datetime.now(UTC) + timedelta(hours=1)
NOBODY = "results/2026-11-20/cam-7/frame-1-00000000000000000000000000000000.png"


@pytest.fixture
def jobs(tmp_path):
    with open_catalog(None, tmp_path) as opened:
        opened.keys.add("one", ["jobs"])
        yield opened.jobs


@pytest.fixture
def results(tmp_path):
    return open_results(None, tmp_path)


def add(jobs, number=0):
    return jobs.add(NewJob(key_id=1, kind="operations", spec={"reference": f"r-{number}"}))[0]


def done(jobs, results, number=0):
    """A job that has succeeded, and its result."""
    job = add(jobs, number)
    assert jobs.claim("me", 30, ("operations",)).id == job.id
    name = result_name(job, "png")
    results.put(name, b"picture")
    outcome = Outcome(Result(name, 7, "image/png"))
    return jobs.end(job.id, "me", "succeed", outcome, Progress(1, 0, 1)), name


def found(jobs, results, before=LATER):
    return [(each.kind, each.name) for each in find_lost(jobs, results, before)]


def mend(jobs, results):
    for lost in [*find_lost(jobs, results, LATER)]:
        drop(jobs, results, lost)


def test_where_jobs_and_results_belong_together_nothing_is_found(jobs, results):
    for number in range(205):
        done(jobs, results, number)
    add(jobs)
    assert found(jobs, results) == []


def test_a_result_of_no_job_goes_and_the_others_stay(jobs, results):
    _, name = done(jobs, results)
    results.put(NOBODY, b"lost")
    assert found(jobs, results) == [("result without job", NOBODY)]
    assert found(jobs, results, datetime.now(UTC) - timedelta(minutes=1)) == []
    mend(jobs, results)
    assert {info.name for info in results.all("results")} == {name}


def test_the_table_of_errors_belongs_to_the_job_of_its_table(jobs, results):
    job, name = done(jobs, results)
    errors = name.replace(".png", "-errors.csv")
    results.put(errors, b"line,url")
    results.put(NOBODY.replace(".png", "-errors.csv"), b"line,url")
    assert found(jobs, results) == [("result without job", NOBODY.replace(".png", "-errors.csv"))]
    jobs.move(job.id, "expire")
    assert ("result without job", errors) in found(jobs, results)


def test_what_an_expired_job_left_goes(jobs, results):
    """The process was killed between the end of the job and the deletion of its result."""
    job, name = done(jobs, results)
    jobs.move(job.id, "expire")
    assert found(jobs, results) == [("result without job", name)]


def test_what_a_job_may_be_writing_is_left_alone(jobs, results):
    job = add(jobs)
    results.put(result_name(job, "png"), b"half")
    assert found(jobs, results) == []
    jobs.claim("me", 30, ("operations",))
    assert found(jobs, results) == []
    jobs.move(job.id, "cancel")
    assert len(found(jobs, results)) == 1


def test_a_result_that_has_become_a_jobs_meanwhile_stays(jobs, results):
    job = add(jobs)
    jobs.move(job.id, "cancel")
    name = result_name(job, "png")
    results.put(name, b"picture")
    (lost,) = find_lost(jobs, results, LATER)
    other, kept = done(jobs, results, 1)
    drop(jobs, results, lost._replace(job=other.id, name=kept))
    assert {info.name for info in results.all("results")} == {name, kept}


def test_a_job_whose_result_is_lost_is_told(jobs, results):
    done(jobs, results, 1)
    _, name = done(jobs, results, 2)
    results.delete(name)
    assert found(jobs, results) == [("job without result", name)]


@pytest.mark.parametrize(
    "name",
    [
        "results/mine.png",
        "results/2026-11-20/cam-7/mine.png",
        "results/2026-11-20/cam-7/deep/frame-1-00000000000000000000000000000000.png",
        "results/20261120/cam-7/frame-1-00000000000000000000000000000000.png",
        "results/2026-11-20/cam-7/frame-1-0000000000000000000000000000000.png",
        "results/2026-11-20/cam-7/frame-1-00000000000000000000000000000000",
        "results/2026-11-20/cam-7/frame-1-00000000000000000000000000000000.png.bak",
    ],
)
def test_a_file_whose_name_is_none_of_ours_is_left_alone(jobs, results, name):
    results.put(name, b"mine")
    assert found(jobs, results) == []


def add_list(jobs, results, number=0):
    """A list job that waits, its list and its folder."""
    name = f"lists/{number:064x}-{number:032x}.txt"
    results.put(name, b"http://example.org/a.png")
    spec = {"list": name, "options": {}}
    job, _ = jobs.add(NewJob(key_id=1, kind="colors", spec=spec))
    folder = results.spool / f"job-{job.id}"
    folder.mkdir()
    (folder / "table.csv").write_text("1,#000000")
    return job, name, folder


def test_lists_and_work_folders_of_no_job_go_and_the_others_stay(jobs, results):
    _, *kept = add_list(jobs, results)
    expired, *gone = add_list(jobs, results, 1)
    assert found(jobs, results) == []
    jobs.move(expired.id, "cancel")
    jobs.move(expired.id, "expire")
    stray = "lists/" + "a" * 64 + "-" + "b" * 32 + ".csv"
    results.put(stray, b"url")
    results.put("lists/mine.txt", b"url")
    (results.spool / "job-mine").mkdir()
    assert sorted(found(jobs, results)) == sorted(
        [
            ("list without job", gone[0]),
            ("list without job", stray),
            ("folder without job", str(gone[1])),
        ]
    )
    assert found(jobs, results, datetime.now(UTC) - timedelta(minutes=1)) == []
    mend(jobs, results)
    assert {info.name for info in results.all("lists")} == {kept[0], "lists/mine.txt"}
    assert {path.name for path in results.spool.iterdir()} == {kept[1].name, "job-mine"}


def test_what_has_become_a_jobs_meanwhile_stays(jobs, results):
    job, name, folder = add_list(jobs, results)
    drop(jobs, results, Lost("folder without job", str(folder), job.id))
    drop(jobs, results, Lost("list without job", name))
    assert folder.exists()
    assert [info.name for info in results.all("lists")] == [name]


def test_folders_of_killed_attempts_go(jobs, results):
    left = results.spool / "shard-0123abcd"
    left.mkdir()
    (left / "part.csv").write_text("half")
    (results.spool / "shards-of-mine").mkdir()
    assert found(jobs, results) == [("unfinished folder", str(left))]
    assert found(jobs, results, datetime.now(UTC) - timedelta(minutes=1)) == []
    mend(jobs, results)
    assert [path.name for path in results.spool.iterdir()] == ["shards-of-mine"]


def test_shards_of_no_job_go_and_the_others_stay(jobs, results):
    job = add(jobs)
    canceled, lost = add(jobs, 1), "0" * 32
    jobs.move(canceled.id, "cancel")
    ids = [job.id, canceled.id, lost]
    kept, *gone = [[f"shards/{id_}/0000000.jsonl.gz", f"parts/{id_}/0000000-a.rows"] for id_ in ids]
    mine = ["shards/mine.gz", f"parts/{lost}/deep/mine.rows"]
    for name in [*kept, *gone[0], *gone[1], *mine]:
        results.put(name, b"rows")
    told = {("shard without job", name) for names in gone for name in names}
    assert set(found(jobs, results)) == told
    assert found(jobs, results, datetime.now(UTC) - timedelta(minutes=1)) == []
    for name in kept:
        drop(jobs, results, Lost("shard without job", name, job.id))
    mend(jobs, results)
    left = {info.name for folder in ("shards", "parts") for info in results.all(folder)}
    assert left == {*kept, *mine}
