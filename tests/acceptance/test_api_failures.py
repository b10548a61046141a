"""Every failure of the API in its exact words, status and code, over real HTTP."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import pytest

from tests.drawn import PNG_SIGNATURE, chunk, ihdr
from tests.pictures import plain
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.origin import Origin

MATCH = ("/colours/match", "/colors/match")
ROUTES = (*MATCH, "/colors/top", "/colors/dominant")
NO_URL = "Please specify a 'url' query parameter"
ONLY_HTTP = "Only http or https URLs are allowed"
NO_IMAGE = "Could not parse image"
LIMITS = {
    "PIXMILL_MAX_PIXELS": "1000000",
    "PIXMILL_MAX_BYTES": "1M",
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service with small limits."""
    folder = tmp_path_factory.mktemp("api")
    with serving(folder, env=LIMITS) as service, service.client() as client:
        yield client


def failure(answer: httpx.Response) -> tuple[int, str, list[str]]:
    """Status, code and sentences of a failure, whose body holds nothing else."""
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"errors", "code"}
    return answer.status_code, body["code"], body["errors"]


def png_head(width: int, height: int) -> bytes:
    """A PNG that promises much and holds little."""
    idat = chunk(b"IDAT", zlib.compress(b"\0" * 10))
    return PNG_SIGNATURE + ihdr(width, height) + idat + chunk(b"IEND", b"")


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({}, NO_URL),
        ({"url": ""}, NO_URL),
        ({"url": "ftp://127.0.0.1/a.png"}, ONLY_HTTP),
        ({"url": "file:///etc/passwd"}, ONLY_HTTP),
        ({"url": "data:image/png;base64,AAAA"}, ONLY_HTTP),
        ({"url": "//127.0.0.1/a.png"}, ONLY_HTTP),
        ({"url": "/etc/passwd"}, ONLY_HTTP),
        ({"url": "\0http://127.0.0.1/"}, ONLY_HTTP),
        ({"url": "httpx://127.0.0.1/"}, ONLY_HTTP),
    ],
)
def test_a_url_that_is_missing_or_no_http(
    path: str, query: dict[str, str], sentence: str, api: httpx.Client
) -> None:
    assert failure(api.get(path, params=query)) == (400, "invalid_request", [sentence])


@pytest.mark.parametrize("path", MATCH)
@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"colour_space": "hsv"}, "Invalid colour space"),
        ({"color_space": "SRGB"}, "Invalid colour space"),
        ({"colour_space": "\x1b[2J"}, "Invalid colour space"),
        ({"summariser": "median"}, "Invalid image summariser"),
        ({"summarizer": "kmeans "}, "Invalid image summariser"),
        ({"palette": "nobody's"}, "Invalid palette"),
        ({"palette": "../../etc/passwd"}, "Invalid palette"),
        ({"palette": "x" * 5000}, "Invalid palette"),
        *(
            ({"max_distance": text}, "Invalid max distance")
            for text in (
                "-0.1", "nan", "inf", "-inf", "1e999", "0x1", "1_0", "0,2", "ten", "0.2\0",
                "\u0661", "\uff12", "9" * 400, "0.2" + "0" * 50 + "x",
            )
        ),
    ],
)  # fmt: skip
def test_a_parameter_that_is_none(
    path: str, query: dict[str, str], sentence: str, api: httpx.Client, origin: Origin
) -> None:
    """Nothing is fetched for it, and an upload is refused alike."""
    url = origin.serve("/a", plain((1, 2, 3)))
    answers = [
        api.get(path, params={"url": url, **query}),
        api.post(path, params=query, content=plain((1, 2, 3))),
    ]
    for answer in answers:
        assert failure(answer) == (400, "invalid_request", [sentence])
    assert origin.requests == []


@pytest.mark.parametrize("path", MATCH)
def test_all_mistakes_are_told_together_and_in_order(path: str, api: httpx.Client) -> None:
    wrong = {"colour_space": "x", "max_distance": "x", "summariser": "x", "palette": "x"}
    later = [
        "Invalid colour space",
        "Invalid max distance",
        "Invalid image summariser",
        "Invalid palette",
    ]
    for query, first in (({}, [NO_URL]), ({"url": "ftp://x"}, [ONLY_HTTP])):
        answer = api.get(path, params={**query, **wrong})
        assert failure(answer) == (400, "invalid_request", [*first, *later])
    assert failure(api.post(path, params=wrong, content=b"x"))[2] == later


@pytest.mark.parametrize("path", ["/colors/top", "/colors/dominant"])
@pytest.mark.parametrize(
    "n", ["0", "257", "-1", "1.5", "x", "\u0661", "9" * 4000, "1e1", " 3", "0" * 50 + "3"]
)
def test_a_number_of_colors_that_is_none(path: str, n: str, api: httpx.Client) -> None:
    sentence = "Invalid number of colours, it is 1 to 256"
    assert failure(api.post(path, params={"n": n}, content=plain((1, 2, 3)))) == (
        400, "invalid_request", [sentence],
    )  # fmt: skip
    assert failure(api.get(path, params={"n": n}))[2] == [NO_URL, sentence]


def test_an_alpha_that_is_none(api: httpx.Client) -> None:
    answer = api.get("/colors/top", params={"n": "x", "alpha": "y"})
    assert failure(answer)[2][1:] == [
        "Invalid number of colours, it is 1 to 256",
        "Invalid alpha",
    ]


def test_a_number_may_have_zeros_before_it(api: httpx.Client) -> None:
    answer = api.post("/colors/top", params={"n": "00000000000012"}, content=plain((1, 2, 3)))
    assert len(answer.json()["colors"]) == 12


@pytest.mark.parametrize("path", ROUTES)
def test_what_is_no_image_can_not_be_parsed(path: str, api: httpx.Client, origin: Origin) -> None:
    """By URL and by upload, raw and in a form."""
    whole = plain((1, 2, 3), 60, 60)
    bodies = {
        "text": (b"hello, I am a text\n" * 50, "unsupported_format"),
        "page": (b"<!doctype html><title>404</title>", "unsupported_format"),
        "drawing": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_format"),
        "cut": (whole[: len(whole) - 30], "corrupt_image"),
        "head": (whole[:20], "corrupt_image"),
        "hollow": (png_head(900, 900), "corrupt_image"),
    }
    for name, (data, code) in bodies.items():
        url = origin.serve(f"/{name}", data)
        answers = [
            api.get(path, params={"url": url}),
            api.post(path, content=data),
            api.post(path, files={"image": data}),
        ]
        for answer in answers:
            assert failure(answer) == (400, code, [NO_IMAGE]), name
    empty = api.get(path, params={"url": origin.serve("/empty", b"")})
    assert failure(empty) == (400, "unsupported_format", [NO_IMAGE])


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (1001, 1000, "1001 x 1000 pixels are more than the limit of 1000000"),
        (70_000, 1, "70000 x 1 pixels: a side is longer than 65535"),
        (2**31 - 1, 2**31 - 1, "2147483647 x 2147483647 pixels: a side is longer than 65535"),
    ],
)
def test_too_many_pixels_are_told_with_the_limit(  # noqa: PLR0917  pytest gives them by name
    path: str, width: int, height: int, reason: str, api: httpx.Client, origin: Origin
) -> None:
    data = png_head(width, height)
    url = origin.serve("/bomb", data)
    for answer in (api.get(path, params={"url": url}), api.post(path, content=data)):
        assert failure(answer) == (400, "too_many_pixels", [NO_IMAGE, reason])


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/colours/match/", "/colours", "/palettes/a/b", "/palettes/a%2Fb", "/healthz/"],
)
def test_an_unknown_path_is_404(path: str, api: httpx.Client) -> None:
    assert failure(api.get(path)) == (404, "not_found", ["Not Found"])


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/colours/match", {"GET", "POST"}),
        ("PUT", "/colors/match", {"GET", "POST"}),
        ("PATCH", "/palettes/x", {"GET", "PUT", "DELETE"}),
        ("POST", "/palettes", {"GET"}),
        ("POST", "/healthz", {"GET"}),
        ("TRACE", "/metrics", {"GET"}),
    ],
)
def test_a_method_that_is_not_there_is_405_and_tells_which_are(
    method: str, path: str, allowed: set[str], api: httpx.Client
) -> None:
    answer = api.request(method, path)
    assert failure(answer) == (405, "invalid_request", ["Method Not Allowed"])
    assert {name.strip() for name in answer.headers["allow"].split(",")} == allowed


@pytest.mark.parametrize("path", ROUTES)
def test_an_upload_that_is_none(path: str, api: httpx.Client) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    packed = {"content-encoding": "gzip"}
    sentence = "Please send the image as the request's body or as a form's file 'image'"
    assert failure(api.post(path)) == (400, "invalid_request", [sentence])
    assert failure(api.post(path, data={"image": "x"}))[0] == 415
    assert failure(api.post(path, content=b"x", headers=form))[0] == 415
    assert failure(api.post(path, content=b"x", headers=packed))[0] == 415
    assert failure(api.post(path, files={"note": (None, b"x")}))[:2] == (400, "invalid_request")


@pytest.mark.parametrize("path", ROUTES)
def test_an_upload_that_is_too_large_is_413(path: str, api: httpx.Client) -> None:
    """Declared, chunked, in a form: one byte over the limit of a file is too much."""
    most = 2**20

    def pieces() -> Iterator[bytes]:
        yield from (bytes(2**16) for _ in range(most // 2**16))
        yield b"x"

    answers = [
        api.post(path, content=bytes(most + 1)),
        api.post(path, content=pieces()),
        api.post(path, files={"image": bytes(most + 1)}),
    ]
    assert [failure(answer)[:2] for answer in answers] == [(413, "too_many_bytes")] * 3
    assert failure(api.post(path, content=bytes(most)))[0] == 400


def test_a_head_of_any_text_gets_an_answer(api: httpx.Client) -> None:
    """Queries of bytes that are no UTF-8, of nulls, of many fields: never a defect of ours."""
    for query in (
        "url=%ff%fe", "url=%00", "url=http://%00/", "%00=%00", "url[]=x", "&" * 2000,
        "url=a&url=b", "url=http://%0d%0aX-Evil:%201/", "colour_space=%ed%a0%80",
    ):  # fmt: skip
        answer = api.get(f"/colours/match?{query}")
        assert failure(answer)[0] == 400, query
        assert "x-evil" not in answer.headers
