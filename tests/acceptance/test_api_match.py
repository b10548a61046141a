"""One answer by every door: the library, the command and the API give the same for the same bytes.

The pictures are drawn by the tests, and what their color is called is plain to see.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import pixmill
from pixmill.told import match_as_json
from tests import command
from tests.acceptance.api_pictures import PAPERS, PICTURES, invisible, square
from tests.pictures import png_of
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from tests.origin import Origin

SUMMARIZERS = ("kmeans", "mean", "background")
DOORS = ("GET by URL", "POST of the body", "POST of a form")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(tmp_path_factory.mktemp("api")) as service, service.client() as client:
        yield client


@pytest.fixture(scope="module")
def told_by_command(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    """What `pixmill match --json` says of each picture by each summarizer."""
    folder = tmp_path_factory.mktemp("command")
    for name, (data, _) in PICTURES.items():
        (folder / name).with_suffix(".img").write_bytes(data)
    told: dict[tuple[str, str], Any] = {}
    for summarizer in SUMMARIZERS:
        files = [f"{name}.img" for name in PICTURES]
        done = command.run(
            "match", "--json", "--summarizer", summarizer, *files,
            cwd=folder, env={"PIXMILL_DATA": str(folder / "data")},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        for name, line in zip(PICTURES, done.stdout.splitlines(), strict=True):
            told[name, summarizer] = json.loads(line)["match"]
    return told


def ask(api: httpx.Client, origin: Origin, door: str, data: bytes, **query: str) -> httpx.Response:
    """Match a picture through one of the doors."""
    if door == "GET by URL":
        url = origin.serve("/picture", data)
        return api.get("/colours/match", params={"url": url, **query})
    if door == "POST of the body":
        return api.post("/colours/match", content=data, params=query)
    return api.post("/colours/match", files={"image": ("../../x", data)}, params=query)


@pytest.mark.parametrize("summarizer", SUMMARIZERS)
@pytest.mark.parametrize("name", PICTURES)
def test_library_command_and_api_give_one_answer(
    name: str, summarizer: str, api: httpx.Client, origin: Origin, told_by_command: dict[Any, Any]
) -> None:
    data, names = PICTURES[name]
    by_library = match_as_json(pixmill.match(data, summarizer=summarizer))
    assert by_library["nearest"]["name"] == names[summarizer]
    assert told_by_command[name, summarizer] == by_library
    for door in DOORS:
        answer = ask(api, origin, door, data, summariser=summarizer)
        body = answer.json()
        assert (answer.status_code, body["match"]) == (200, by_library), door
        assert (body["colour"], body["distance"]) == (
            names[summarizer],
            by_library["nearest"]["distance"],
        )
        assert body["clusters"][0] == by_library["color"]
        assert body["image"]["bytes"] == len(data)


@pytest.mark.parametrize(("name", "rgb"), PAPERS.items())
def test_paper_is_its_own_color(name: str, rgb: tuple[int, int, int], api: httpx.Client) -> None:
    """The grain moves the color by no more than two steps of 255."""
    body = api.post("/colours/match", content=PICTURES[name][0]).json()
    found = bytes.fromhex(body["match"]["color"]["hex"][1:])
    assert all(abs(is_ - was) <= 2 for is_, was in zip(found, rgb, strict=True))


def test_the_mean_of_the_square_is_between_its_colors(api: httpx.Client) -> None:
    """A black square on white is black, its ground is white, and only its mean is neither."""
    found = {
        summarizer: api.post(
            "/colours/match", content=square(), params={"summariser": summarizer}
        ).json()["match"]["color"]
        for summarizer in SUMMARIZERS
    }
    assert found["kmeans"]["hex"] == "#000000"
    assert found["background"]["hex"] == "#FFFFFF"
    # 480 * 480 of 500 * 500 pixels are black: 255 * (1 - 0.9216) = 19.99
    assert found["mean"] == {"hex": "#141414", "share": 1.0}


def test_both_spellings_of_path_and_parameters_say_the_same(
    api: httpx.Client, origin: Origin
) -> None:
    url = origin.serve("/noise", PICTURES["noise"][0])
    british = {"url": url, "colour_space": "oklab", "summariser": "mean"}
    american = {"url": url, "color_space": "oklab", "summarizer": "mean"}
    answers = [
        api.get(path, params=query)
        for path in ("/colours/match", "/colors/match")
        for query in (british, american)
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].json()["match"]["metric"] == "oklab"


def test_without_parameters_it_is_srgb_kmeans_and_css(api: httpx.Client) -> None:
    """Also where they are there but empty, as forms of pages send them."""
    query = {"colour_space": "", "max_distance": "", "summariser": "", "palette": ""}
    data = PICTURES["noise"][0]
    answers = [api.post("/colours/match", content=data, params=p) for p in ({}, query)]
    assert answers[0].json() == answers[1].json()
    match = answers[0].json()["match"]
    assert (match["metric"], match["summarizer"], match["palette"]) == ("srgb", "kmeans", "css")
    assert match["max_distance"] == 0.2


@pytest.mark.parametrize(
    ("space", "tolerance"), [("srgb", 0.2), ("lab", 10), ("oklab", 0.1), ("ciede2000", 10)]
)
def test_each_space_has_its_own_tolerance_and_equals_the_library(
    space: str, tolerance: float, api: httpx.Client
) -> None:
    data = PICTURES["salmon"][0]
    body = api.post("/colours/match", content=data, params={"colour_space": space}).json()
    assert body["match"] == match_as_json(pixmill.match(data, space=space))
    assert body["match"]["max_distance"] == tolerance
    assert body["match"]["margin"] == pytest.approx(
        body["match"]["runner_up"]["distance"] - body["distance"]
    )


@pytest.mark.parametrize("door", DOORS)
def test_beyond_the_tolerance_is_404_and_tells_the_nearest(
    door: str, api: httpx.Client, origin: Origin
) -> None:
    data = png_of([(34, 33, 35)] * 4, 2)
    answer = ask(api, origin, door, data)
    body = answer.json()
    assert answer.status_code == 404
    assert (body["errors"], body["code"]) == (["No colour found within 0.2 units"], "no_match")
    assert body["match"] == match_as_json(pixmill.match(data))
    assert body["match"]["nearest"]["name"] == "black"
    assert 0.2 < body["match"]["nearest"]["distance"] < 0.25
    near = ask(api, origin, door, data, max_distance="0.25")
    assert (near.status_code, near.json()["colour"]) == (200, "black")


@pytest.mark.parametrize(
    ("tolerance", "told"), [("0", "0"), ("-0", "0"), ("0.05", "0.05"), ("1e-3", "0.001")]
)
def test_the_tolerance_is_told_as_a_number(tolerance: str, told: str, api: httpx.Client) -> None:
    answer = api.post(
        "/colours/match", content=PICTURES["noise"][0], params={"max_distance": tolerance}
    )
    assert answer.json()["errors"] == [f"No colour found within {told} units"]


@pytest.mark.parametrize("door", DOORS)
def test_a_picture_without_a_visible_pixel_has_no_color(
    door: str, api: httpx.Client, origin: Origin
) -> None:
    body = ask(api, origin, door, invisible()).json()
    assert body["errors"] == ["The image has no visible pixel"]
    assert (body["code"], body["clusters"]) == ("no_match", [])
    assert (body["match"]["found"], body["match"]["nearest"]) == (False, None)


def test_top_and_dominant_equal_the_library(api: httpx.Client, origin: Origin) -> None:
    """Exact colors and clusters by URL and by upload, as many as were asked for."""
    data = PICTURES["noise"][0]
    url = origin.serve("/noise", data)
    top = [{"hex": c.hex, "count": c.count, "share": c.share} for c in pixmill.top_colors(data, 4)]
    dominant = [{"hex": c.hex, "share": c.share} for c in pixmill.dominant_colors(data, 4)]
    for path, colors in (("/colors/top", top), ("/colors/dominant", dominant)):
        by_url = api.get(path, params={"url": url, "n": "4"})
        by_upload = api.post(path, content=data, params={"n": "4"})
        assert by_url.json()["colors"] == by_upload.json()["colors"] == colors
        assert by_url.json()["image"] == by_upload.json()["image"]


def test_transparent_pixels_count_where_asked_for(api: httpx.Client) -> None:
    data = invisible(4)
    seen = api.post("/colors/top", content=data, params={"n": "1"}).json()
    ignored = api.post("/colors/top", content=data, params={"n": "1", "alpha": "ignore"}).json()
    assert (seen["pixels"], seen["colors"][0]["count"]) == (0, 0)
    assert (ignored["pixels"], ignored["colors"][0]) == (
        16,
        {"hex": "#000000", "count": 16, "share": 1.0},
    )


def test_a_file_name_is_never_a_path(api: httpx.Client, tmp_path: Path) -> None:
    """Names that climb, are absolute, hold nulls or are very long change nothing and are told."""
    target = tmp_path / "picture.png"
    data = PICTURES["black"][0]
    for name in ("../../../x.png", str(target), "a\0b", "x" * 4000, "<img src=x>", "%2e%2e/x"):
        answer = api.post("/colours/match", files={"image": (name, data)})
        assert (answer.status_code, answer.json()["colour"]) == (200, "black")
        assert name not in answer.text
    assert not target.exists()
