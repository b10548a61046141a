"""Lists of URLs as jobs over HTTP: the same bytes as the commands', and what is refused."""

from __future__ import annotations

import json
import random

import pytest

from pixmill.store import open_catalog
from tests.acceptance.api_lists import followed, submit, table_of, urls_of
from tests.command import LOOPBACK, run
from tests.origin import Origin, answer
from tests.pictures import png
from tests.serving import serving


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


HEADED = {"kind": "colors", "n": 2, "counts": True, "header": True}
OKLAB = {"kind": "match", "space": "oklab", "max_distance": 0.05}
CASES = [
    ({"kind": "colors"}, "colors"),
    (HEADED, "colors -n2 --counts --header"),
    ({"kind": "colors", "format": "jsonl", "alpha": "ignore"}, "colors --alpha=ignore"),
    ({"kind": "colors", "format": "parquet"}, "colors"),
    (OKLAB, "match --space=oklab --max-distance=0.05"),
    ({"kind": "match", "format": "jsonl", "summarizer": "mean"}, "match --summarizer=mean"),
    ({"kind": "ingest", "source": "crawl"}, "ingest --source=crawl"),
]


@pytest.mark.parametrize("case", CASES)
def test_a_list_becomes_the_very_table_that_the_command_makes(client, urls, folder, tmp_path, case):
    wish, order = case
    job = followed(client, submit(client, urls, reference="all", **wish))
    form = wish.get("format", "csv")
    assert (job["state"], job["progress"]) == (
        "succeeded",
        {"done": 60, "failed": 6, "total": 60},
    ), job
    table, errors = table_of(client, job)
    assert (table, errors) == by_command(tmp_path, urls, *order.split(), ending=form)
    path = job["result"]["path"]
    source = wish.get("source", "unknown")
    assert path == f"results/{job['created_at'][:10]}/{source}/all-{job['id']}.{form}"
    assert (folder / "data" / "blobs" / path).read_bytes() == table


@pytest.fixture(scope="module")
def others(service, folder):
    """Clients of keys with some scopes, by these."""
    with open_catalog(None, folder / "data") as catalog:
        made = {
            scopes: (
                scopes.replace(" ", "-"),
                catalog.keys.add(scopes.replace(" ", "-"), scopes.split())[1],
            )
            for scopes in ("jobs", "jobs match", "jobs write", "match write")
        }
    opened = {scopes: service.client(auth=auth) for scopes, auth in made.items()}
    yield opened
    for each in opened.values():
        each.close()


def test_a_list_is_the_body_too_with_what_is_asked_in_the_query(client, shop, urls):
    text = "\n".join(urls[:3])
    query = "kind=colors&n=2&source=shop"
    plain = client.post(f"/jobs?{query}", content=text, headers={"Content-Type": "text/plain"})
    bare = client.post(f"/jobs?{query}", content=text)
    rows = f"id,link\n1,{urls[0]}\n2,{urls[1]}\n3,{urls[2]}\n"
    kept = client.post(
        f"/jobs?{query}&url_column=link&keep_columns=id&header=true",
        content=rows,
        headers={"Content-Type": "text/csv; charset=utf-8"},
    )
    lines = "".join(f'{{"url": "{url}"}}\n' for url in urls[:3])
    jsonl = client.post(
        f"/jobs?{query}", content=lines, headers={"Content-Type": "application/x-ndjson"}
    )
    tables = []
    for taken in (plain, bare, jsonl, kept):
        assert taken.status_code == 202, taken.text
        assert taken.headers["location"] == taken.json()["links"]["self"]
        tables.append(table_of(client, followed(client, taken.json()))[0])
    assert tables[0] == tables[1] == tables[2]
    head, *rest = tables[3].decode().splitlines()
    assert head == "url,color_1,color_2,id"
    assert [f"{row},{number}" for number, row in enumerate(tables[0].decode().split(), 1)] == rest


def test_the_job_tells_what_was_asked(client, urls):
    job = submit(client, urls[:2], kind="colors", source="shop")
    assert job["options"] == {
        "format": "csv", "header": False, "url_column": None, "keep_columns": [],
        "n": 3, "counts": False, "alpha": "visible",
    }  # fmt: skip
    assert (job["kind"], job["source"], job["reference"]) == ("colors", "shop", None)
    assert "operations" not in job
    job = followed(client, job)
    answer = client.get(job["links"]["result"])
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert len(answer.content) == job["result"]["bytes"]


def test_the_same_request_again_is_the_same_job_by_what_the_list_holds(client, urls, folder):
    headers = {"Idempotency-Key": "list-1"}
    wish = {"kind": "colors", "urls": urls[:3]}
    first = client.post("/jobs", json=wish, headers=headers)
    again = client.post("/jobs", json={**wish, "n": 3, "header": False}, headers=headers)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]
    for other in ({**wish, "urls": urls[:2]}, {**wish, "n": 4}, {**wish, "kind": "match"}):
        answer = client.post("/jobs", json=other, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert followed(client, first.json())["state"] == "succeeded"
    lists = folder / "data" / "blobs" / "lists"
    number = len(list(lists.iterdir()))
    client.delete(f"/jobs/{first.json()['id']}").raise_for_status()
    assert len(list(lists.iterdir())) == number - 1
    assert client.post("/jobs", json=wish, headers=headers).json()["state"] == "expired"
    assert len(list(lists.iterdir())) == number - 1


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({}, "Please specify a kind: one of colors, match, ingest"),
        ({"kind": "operations"}, "Please specify a kind: one of colors, match, ingest"),
        ({"kind": "colors", "n": 0}, "Invalid number of colours, it is 1 to 256"),
        ({"kind": "colors", "n": "9" * 99}, "Invalid number of colours, it is 1 to 256"),
        ({"kind": "colors", "n": [1]}, "Invalid n"),
        ({"kind": "colors", "counts": "yes"}, "Invalid counts: it is one of false, true"),
        ({"kind": "colors", "alpha": "x"}, "Invalid alpha: it is one of visible, ignore"),
        ({"kind": "colors", "format": "xml"}, "Invalid format: it is one of csv, jsonl, parquet"),
        ({"kind": "colors", "palette": "css"}, "Jobs of the kind colors have no palette"),
        ({"kind": "match", "n": 3}, "Jobs of the kind match have no n"),
        ({"kind": "match", "palette": "none"}, "Invalid palette"),
        ({"kind": "match", "max_distance": -1}, "Invalid max distance"),
        ({"kind": "match", "space": 7}, "Invalid space: it is one of srgb, lab, oklab, ciede2000"),
        ({"kind": "match", "palette": "\ud800"}, "Invalid palette"),
        ({"kind": "ingest", "alpha": "ignore"}, "Jobs of the kind ingest have no alpha"),
        ({"kind": "colors", "url_column": "x"}, "Url_column needs a CSV, TSV, JSONL or Parquet"),
        ({"kind": "colors", "source": "../x"}, "Invalid source: letters, digits, dots"),
        ({"kind": "colors", "urls": []}, "The list has no URL"),
        ({"kind": "colors", "urls": "http://a"}, 'The body is a JSON object with a list "urls"'),
        ({"kind": "colors", "urls": [1]}, "Each of urls is a text of one line"),
        ({"kind": "colors", "urls": ["a\nb"]}, "Each of urls is a text of one line"),
        ({"kind": "colors", "urls": ["\ud800"]}, "Each of urls is a text of one line"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_a_sentence(client, urls, wish, sentence):
    body = json.dumps({"urls": urls[:1], **wish})
    answer = client.post("/jobs", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert answer.json()["errors"][0].startswith(sentence)
    assert "/" not in answer.json()["errors"][0]


@pytest.mark.parametrize(
    ("body", "kind", "refusal"),
    [
        (b"", "text/plain", (400, "The list has no URL")),
        (b"\n \n", "text/plain", (400, "The list has no URL")),
        (b"url\n", "text/csv", (400, "The list has no URL")),
        (b"\x89PNG\0\0", "text/plain", (400, "The list looks like binary data")),
        (b"\xff\xfea\0", "text/csv", (400, "The list is UTF-16 text")),
        (b"[" * 9999, "application/json", (400, "The body is no JSON")),
        (b"[]", "application/json", (400, "The body is a JSON object")),
        (b" " * 2**20 + b"{}", "application/json", (413, "A list within JSON")),
        (b"a=b", "application/x-www-form-urlencoded", (415, "Please send the list as one of")),
    ],
)  # fmt: skip
def test_what_is_no_list_is_refused(client, folder, body, kind, refusal):
    headers = {"Content-Type": kind}
    answer = client.post("/jobs?kind=colors", content=body, headers=headers)
    status, words = refusal
    assert answer.status_code == status
    assert answer.json()["errors"][0].startswith(words)
    assert not list((folder / "data" / "blobs" / "tmp").glob("*.list.*"))


def test_a_list_of_bad_urls_alone_succeeds_with_none(client):
    bad = ["file:///etc/passwd", "/etc/passwd", "nonsense", "http://[", "http://10.0.0.1/a.png"]
    job = followed(client, submit(client, bad, kind="colors"))
    assert (job["state"], job["progress"]["failed"]) == ("succeeded", 5)
    table, errors = table_of(client, job)
    assert table == b""
    codes = [row.split(b",")[2].decode() for row in errors.splitlines()[1:]]
    assert codes == ["invalid_url"] * 4 + ["blocked_address"]


def test_scopes_are_those_of_the_work(others, urls):
    for scopes, kind, status in [
        ("jobs", "colors", 202),
        ("jobs", "match", 403),
        ("jobs", "ingest", 403),
        ("jobs match", "match", 202),
        ("jobs match", "ingest", 403),
        ("jobs write", "ingest", 202),
        ("match write", "colors", 403),
    ]:
        answer = others[scopes].post("/jobs", json={"kind": kind, "urls": urls[:1]})
        assert answer.status_code == status, (scopes, kind, answer.text)


def test_a_job_of_another_key_is_not_there(client, others, urls):
    job = followed(client, submit(client, urls[:2], kind="colors"))
    for name in ("self", "events", "result", "errors"):
        assert others["jobs"].get(job["links"][name]).status_code == 404
    assert others["jobs"].post(f"/jobs/{job['id']}/retry").status_code == 404


@pytest.mark.usefixtures("urls")
def test_what_failed_is_tried_again_and_merged_in(client, shop):
    shop.on("/late.png", answer(b"", 404), answer(png(random.Random(1))))
    urls = [shop.url(path) for path in ("/0.png", "/late.png", "/missing.png", "/1.png")]
    job = followed(client, submit(client, urls, kind="colors"))
    assert job["progress"] == {"done": 4, "failed": 2, "total": 4}
    before = table_of(client, job)[0].splitlines()
    assert client.post(f"/jobs/{job['id']}/retry").raise_for_status().json()["state"] == "queued"
    job = followed(client, client.get(job["links"]["self"]).json())
    assert (job["state"], job["progress"]) == ("succeeded", {"done": 4, "failed": 1, "total": 4})
    table, errors = table_of(client, job)
    rows = table.splitlines()
    assert [rows[0], rows[2]] == before
    assert rows[1].startswith(urls[1].encode())
    assert errors.count(b"\n") == 2
    whole = followed(client, submit(client, urls[:1], kind="colors"))
    assert client.post(f"/jobs/{whole['id']}/retry").status_code == 409


def test_a_result_that_is_dropped_leaves_nothing(client, folder, urls):
    job = followed(client, submit(client, urls, kind="colors", reference="gone"))
    blobs = folder / "data" / "blobs"
    assert [path for path in blobs.rglob("*") if job["id"] in path.name]
    client.delete(job["links"]["self"]).raise_for_status()
    assert not [path for path in blobs.rglob("*") if job["id"] in path.name]
    assert client.get(f"/jobs/{job['id']}/errors").status_code == 404


def test_a_list_that_is_too_long_is_refused(tmp_path, urls):
    env = {"PIXMILL_MAX_LIST": "1K", "PIXMILL_JOBS": "0"}
    with serving(tmp_path, env=env) as small, small.client() as client:
        refused = client.post("/jobs?kind=colors", content="\n".join(urls))
        assert (refused.status_code, refused.json()["code"]) == (413, "too_many_bytes")
