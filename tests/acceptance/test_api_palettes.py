"""Palettes over HTTP: kept, read in every format, matched with their ids."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pixmill.color.palette import Entry, Palette
from pixmill.color.palette_files import FORMATS, read_palette, write_palette
from tests.pictures import plain
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

OURS = Palette(
    "ours",
    (
        Entry("brick", (178, 34, 34), id="4711", synonyms=("house red",)),
        Entry("Möwe, grau", (190, 195, 200), id="0815"),
        Entry("sea", (0, 105, 148)),
    ),
)
UNKNOWN = {"errors": ["There is no such palette"], "code": "not_found"}
_numbers = iter(range(10**6))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(tmp_path_factory.mktemp("api")) as service, service.client() as client:
        yield client


@pytest.fixture
def place() -> str:
    """The path of a palette that no other test has."""
    return f"/palettes/palette{next(_numbers)}"


def document(*colors: tuple[str, str]) -> bytes:
    return json.dumps([{"name": name, "hex": value} for name, value in colors]).encode()


def names(api: httpx.Client) -> dict[str, dict[str, Any]]:
    answer = api.get("/palettes")
    assert answer.status_code == 200
    return {palette["name"]: palette for palette in answer.json()["palettes"]}


def matched(api: httpx.Client, place: str, rgb: tuple[int, int, int], **query: str) -> Any:
    """What a palette calls a color."""
    query = {"palette": place.rpartition("/")[2], "max_distance": "9", **query}
    answer = api.post("/colours/match", content=plain(rgb), params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["match"]["nearest"]


def test_css_is_always_there_and_can_not_be_changed(api: httpx.Client) -> None:
    assert next(iter(names(api))) == "css"
    assert names(api)["css"] == {"name": "css", "entries": 139, "built_in": True}
    before = api.get("/palettes/css").content
    assert read_palette(before, "css").entries == Palette.css().entries
    answer = api.put("/palettes/css", content=document(("red", "#FF0000")))
    assert answer.status_code == 400
    assert answer.json()["errors"] == ["the palette css is built in; choose another name"]
    assert api.delete("/palettes/css").status_code == 404
    assert api.get("/palettes/css").content == before


def test_a_palette_is_kept_read_and_dropped(api: httpx.Client, place: str) -> None:
    assert (api.get(place).status_code, api.get(place).json()) == (404, UNKNOWN)
    made = api.put(place, content=write_palette(OURS, "json"))
    assert made.status_code == 200
    told = made.json()
    assert (told["name"], told["entries"], told["built_in"]) == (place[10:], 3, False)
    assert made.headers["etag"] == f'"{told["revision"]}"'
    assert names(api)[place[10:]] == told
    assert read_palette(api.get(place).content, "ours").entries == OURS.entries
    dropped = api.delete(place)
    assert (dropped.status_code, dropped.content) == (204, b"")
    assert (api.get(place).status_code, api.delete(place).json()) == (404, UNKNOWN)
    assert place[10:] not in names(api)
    answer = api.post("/colours/match", content=plain((0, 0, 0)), params={"palette": place[10:]})
    assert answer.json()["errors"] == ["Invalid palette"]


@pytest.mark.parametrize("out", FORMATS)
@pytest.mark.parametrize("into", FORMATS)
def test_every_format_goes_in_and_every_format_comes_out(
    into: str, out: str, api: httpx.Client, place: str
) -> None:
    """Said or guessed; colors and names are the same in all, the rest as far as a format goes."""
    sent = write_palette(OURS, into)
    for query in ({"format": into}, {}, {"format": ""}):
        assert api.put(place, content=sent, params=query).json()["entries"] == 3
        got = api.get(place, params={"format": out})
        assert got.status_code == 200
        there = read_palette(got.content, "ours", out).entries
        assert [(e.name, e.rgb) for e in there] == [(e.name, e.rgb) for e in OURS.entries]
        if into in {"json", "csv"} and out in {"json", "csv"}:
            assert [entry.id for entry in there] == [entry.id for entry in OURS.entries]


def test_media_types_are_those_of_the_formats(api: httpx.Client) -> None:
    types = {form: api.get("/palettes/css", params={"format": form}) for form in FORMATS}
    assert {form: answer.headers["content-type"] for form, answer in types.items()} == {
        "json": "application/json",
        "csv": "text/csv; charset=utf-8",
        "gpl": "text/plain; charset=utf-8",
        "ase": "application/octet-stream",
    }
    answer = api.get("/palettes/css", params={"format": "png"})
    assert answer.json()["errors"] == ["The format is one of json, csv, gpl, ase"]


@pytest.mark.parametrize(
    "name",
    ["a b", "%00", ".hidden", "x.json", "x.CSV", "%1b[2J", "é", "a" * 101, "a%5cb"],
)
def test_an_unfit_name_is_refused(name: str, api: httpx.Client) -> None:
    before = names(api)
    answer = api.put(f"/palettes/{name}", content=document(("red", "#FF0000")))
    assert answer.status_code in {400, 404, 405}
    assert all(sentence.isprintable() for sentence in answer.json()["errors"])
    assert names(api) == before
    assert api.get(f"/palettes/{name}").status_code in {400, 404}
    assert api.delete(f"/palettes/{name}").status_code in {400, 404, 405}


def test_a_name_may_be_as_long_as_the_catalog_takes(api: httpx.Client) -> None:
    place = "/palettes/" + "a" * 100
    assert api.put(place, content=document(("red", "#FF0000"))).status_code == 200
    assert api.delete(place).status_code == 204


@pytest.mark.parametrize(
    ("data", "query"),
    [
        (b"", {}),
        (b"[", {}),
        (b"{}", {}),
        (b"[]", {}),
        (b"null", {"format": "json"}),
        (b'[{"name": "a"}]', {}),
        (b'[{"name": "a", "hex": "#12"}]', {}),
        (b'[{"name": "\\ud800", "hex": "#123456"}]', {}),
        (b'[{"name": "a\\u0000b", "hex": "#123456"}]', {}),
        (b'[{"name": "' + b"x" * 10**5 + b'", "hex": "#123456"}]', {}),
        (b"[" * 100_000, {}),
        (b"\xff\xfe\x00", {}),
        (b"ASEF", {}),
        (b"ASEF\0\1\0\0\xff\xff\xff\xff", {}),
        (b"GIMP Palette\nred red red", {}),
        (b"a,#123456,1,2,3", {}),
        (b"a,#12345", {}),
        (document(("a", "#123456")), {"format": "png"}),
        (document(("a", "#123456")), {"format": "ase"}),
        (b'{"a": 1' + b"0" * 5000 + b"}", {}),
    ],
)
def test_what_is_no_palette_is_refused_with_the_place(
    data: bytes, query: dict[str, str], api: httpx.Client, place: str
) -> None:
    answer = api.put(place, content=data, params=query)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (400, "invalid_request")
    (sentence,) = body["errors"]
    assert sentence.isprintable()
    assert 10 < len(sentence) < 300
    assert api.get(place).status_code == 404


def test_a_document_is_bounded(api: httpx.Client, place: str) -> None:
    """16 MiB are read, one byte more is refused before it is, declared or not."""
    most = 16 * 2**20
    small = document(("red", "#FF0000"))

    def pieces() -> Iterator[bytes]:
        for _ in range(16):
            yield b" " * 2**20
        yield small

    for content in (small + b" " * (most - len(small) + 1), pieces()):
        answer = api.put(place, content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_many_bytes")
    assert api.get(place).status_code == 404
    exactly = small + b" " * (most - len(small))
    assert api.put(place, content=exactly).json()["entries"] == 1


def test_ids_and_synonyms_come_back_in_matches(api: httpx.Client, place: str) -> None:
    api.put(place, content=write_palette(OURS, "json"))
    assert matched(api, place, (178, 34, 34)) == {
        "name": "brick", "hex": "#B22222", "id": "4711", "synonyms": ["house red"], "distance": 0.0,
    }  # fmt: skip
    assert matched(api, place, (0, 105, 148))["id"] is None


@pytest.mark.soak
def test_a_hundred_thousand_colors_are_searched(api: httpx.Client, place: str) -> None:
    """Every one of them can be found, by a tree and by going through them all."""
    step = range(0, 256, 5)
    grid = [(r, g, b) for r in step for g in step for b in step][:100_000]
    lines = (f"c{n},#{r:02X}{g:02X}{b:02X},{n}\n" for n, (r, g, b) in enumerate(grid))
    answer = api.put(place, content="".join(lines))
    assert answer.json()["entries"] == 100_000
    for number in (0, 777, 99_999):
        for space in ("srgb", "lab", "ciede2000"):
            found = matched(api, place, grid[number], colour_space=space)
            assert (found["id"], found["distance"]) == (str(number), 0.0)
    assert len(api.get(place).json()["colors"]) == 100_000
