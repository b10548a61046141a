"""Lists of URLs as jobs over HTTP: the same bytes as the commands', and what is refused."""

from __future__ import annotations

import json

import pytest

from pixmill.store import open_archive, open_catalog
from tests.acceptance.api_lists import followed, submit, table_of, urls_of
from tests.command import LOOPBACK, run
from tests.origin import Origin
from tests.serving import serving

COLUMNS = "id,URL\n1,{}\n2,{}\n"


@pytest.fixture(scope="module")
def shop():
    with Origin() as running:
        yield running


@pytest.fixture(scope="module")
def urls(shop):
    return urls_of(shop)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("lists")


@pytest.fixture(scope="module")
def service(folder):
    with serving(folder, "--workers", "1", env={"PIXMILL_MEMORY": "1G"}) as running:
        yield running


@pytest.fixture
def client(service):
    with service.client() as opened:
        yield opened


def by_command(folder, urls, *order, ending="csv"):
    """The table and the errors file that a command makes of the list."""
    (folder / "urls.txt").write_text("\n".join(urls) + "\n")
    words = [*order, "-o", f"o.{ending}", "--workers=1", *LOOPBACK]
    env = {"PIXMILL_DATA": str(folder / "data")}
    done = run(words[0], "urls.txt", *words[1:], cwd=folder, env=env)
    assert done.returncode in {0, 1, 3}, done.stderr
    return (folder / f"o.{ending}").read_bytes(), (folder / "o-errors.csv").read_bytes()


@pytest.mark.parametrize(
    ("wish", "order"),
    [
        ({"kind": "colors"}, ["colors"]),
        ({"kind": "colors", "n": 2, "counts": True, "header": True}, ["colors", "-n2", "--counts", "--header"]),
        ({"kind": "colors", "format": "jsonl", "alpha": "ignore"}, ["colors", "--alpha=ignore"]),
        ({"kind": "colors", "format": "parquet"}, ["colors"]),
        ({"kind": "match", "space": "oklab", "max_distance": 0.05}, ["match", "--space=oklab", "--max-distance=0.05"]),
        ({"kind": "match", "format": "jsonl", "summarizer": "mean"}, ["match", "--summarizer=mean"]),
        ({"kind": "ingest", "source": "crawl"}, ["ingest", "--source=crawl"]),
    ],
)  # fmt: skip
def test_a_list_becomes_the_very_table_that_the_command_makes(
    client, urls, folder, tmp_path, wish, order
):
    job = followed(client, submit(client, urls, reference="all", **wish))
    form = wish.get("format", "csv")
    assert (job["state"], job["progress"]) == (
        "succeeded",
        {"done": 60, "failed": 6, "total": 60},
    ), job
    table, errors = table_of(client, job)
    assert (table, errors) == by_command(tmp_path, urls, *order, ending=form)
    path = job["result"]["path"]
    source = wish.get("source", "unknown")
    assert path == f"results/{job['created_at'][:10]}/{source}/all-{job['id']}.{form}"
    assert (folder / "data" / "blobs" / path).read_bytes() == table
