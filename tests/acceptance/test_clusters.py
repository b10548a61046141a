"""`pixmill colors --method clusters`: a palette of each picture in place of its exact colors."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

import pixmill
from pixmill.cli.app import app
from pixmill.told import clusters_as_json
from tests.acceptance.api_pictures import invisible
from tests.acceptance.lists import FLAGS, body, lines_of, listed
from tests.command import run
from tests.origin import answer
from tests.pictures import plain

if TYPE_CHECKING:
    from pathlib import Path

    from tests.origin import Origin

CLUSTERS = ("--method", "clusters")


def hexes(data: bytes, n: int) -> list[str]:
    """What the library finds, padded by hand."""
    found = [cluster.hex for cluster in pixmill.dominant_colors(data, n)]
    return [found[0]] * (n - len(found)) + found


def test_a_table_has_n_colors_a_row_padded_like_exact_ones(origin: Origin, tmp_path: Path) -> None:
    origin.serve("/plain.png", plain((1, 2, 3)))
    origin.serve("/none.png", invisible())
    urls = [origin.url(path) for path in ("/0.png", "/plain.png", "/none.png", "/gone.png")]
    flags = [*CLUSTERS, "-n", "4", "--header", *FLAGS]
    done = run("colors", listed(tmp_path, urls), *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert list(csv.reader(lines_of(tmp_path / "urls.txt-colors.csv"))) == [
        ["url", "color_1", "color_2", "color_3", "color_4"],
        [urls[0], *hexes(body(0), 4)],
        [urls[1], "#010203", "#010203", "#010203", "#010203"],
        [urls[2], "#000000", "#000BAD", "#000000", "#000000"],
    ]
    assert "http_error" in (tmp_path / "urls.txt-colors-errors.csv").read_text()


def test_jsonl_and_parquet_tell_clusters_with_their_shares(origin: Origin, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    origin.serve("/none.png", invisible())
    path = listed(tmp_path, [origin.url(p) for p in ("/0.png", "/none.png", "/gone.png")])
    for name in ("o.jsonl", "p.parquet"):
        done = run("colors", path, *CLUSTERS, "-o", name, *FLAGS, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert rows[0]["clusters"] == clusters_as_json(pixmill.dominant_colors(body(0), 3))
    assert [row["clusters"] for row in rows[1:]] == [[], None]
    assert not {"colors", "pixels", "match"} & rows[0].keys()
    table = pq.read_table(tmp_path / "p.parquet").to_pylist()
    assert [{**row, "extra": dict(row["extra"])} for row in table] == rows


@pytest.mark.parametrize(
    "more", [["--counts"], ["--alpha", "ignore"], ["-n", "0"], ["-n", "257"]], ids=" ".join
)
def test_what_clusters_do_not_have_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    listed(tmp_path, [])
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["colors", "urls.txt", *CLUSTERS, *more])
    assert done.exit_code == 2, done.stderr
    assert more[0] in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["urls.txt"]


def test_a_refusal_is_a_sentence_and_no_traceback(tmp_path: Path) -> None:
    done = run("colors", listed(tmp_path, []), *CLUSTERS, "--counts", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "pixmill: --counts and --alpha ignore are of exact colors, not of clusters\n"
    )


def test_exact_colors_and_clusters_go_into_tables_of_their_own(
    origin: Origin, tmp_path: Path
) -> None:
    """They have one name by default, so the one is not gone on with as the other."""
    order = ["colors", str(listed(tmp_path, [origin.url("/0.png")])), *FLAGS]
    assert run(*order, cwd=tmp_path).returncode == 0
    before = (tmp_path / "urls.txt-colors.csv").read_bytes()
    done = run(*order, *CLUSTERS, cwd=tmp_path)
    assert done.returncode == 1
    assert "product was 'colors', now 'clusters'" in done.stderr
    assert (tmp_path / "urls.txt-colors.csv").read_bytes() == before
    assert run(*order, *CLUSTERS, "--overwrite", cwd=tmp_path).returncode == 0
    assert (tmp_path / "urls.txt-colors.csv").read_bytes() != before


def test_a_cache_keeps_clusters_and_exact_colors_apart(origin: Origin, tmp_path: Path) -> None:
    url = origin.serve("/kept.png", body(2), headers={"Cache-Control": "max-age=3600"})
    listed(tmp_path, [url])
    order = ["colors", "urls.txt", "--cache", "kept", *FLAGS]
    for name, method in (("e1", ()), ("c1", CLUSTERS), ("e2", ()), ("c2", CLUSTERS)):
        done = run(*order, "-o", f"{name}.csv", *method, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert origin.hits("/kept.png") == 2
    text = {name: (tmp_path / f"{name}.csv").read_text() for name in ("e1", "e2", "c1", "c2")}
    assert text["e1"] == text["e2"] == ",".join(
        [url, *(color.hex for color in pixmill.top_colors(body(2)))]
    ) + "\n"  # fmt: skip
    assert text["c1"] == text["c2"] == ",".join([url, *hexes(body(2), 3)]) + "\n"
    assert text["c1"] != text["e1"]


def test_retry_failed_mends_a_table_of_clusters(origin: Origin, tmp_path: Path) -> None:
    origin.on("/late.png", answer(status=404), answer(body(1)))
    listed(tmp_path, [origin.url(path) for path in ("/0.png", "/late.png", "/2.png")])
    order = ["colors", "urls.txt", *CLUSTERS, "-o", "o.parquet", *FLAGS]
    assert run(*order, cwd=tmp_path).returncode == 0
    assert run(*order, "--retry-failed", cwd=tmp_path).returncode == 0
    order[order.index("o.parquet")] = "whole.parquet"
    assert run(*order, cwd=tmp_path).returncode == 0
    assert (tmp_path / "o.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
