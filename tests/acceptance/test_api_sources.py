"""A source that can not be had, must not be had, or answers badly: what the API says of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import origin as o
from tests.pictures import plain
from tests.serving import serving
from tests.unit.test_url import LOOPBACK_SPELLINGS, MALFORMED

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.origin import Canary, Origin

ROUTES = ("/colours/match", "/colors/top")
NO_CONNECTION = "Could not fetch the URL given, could not connect"
OPENING = (
    "It leads to an address that is not public; PIXMILL_ALLOW_NETWORKS opens a network, "
    "PIXMILL_ALLOW_PRIVATE all private ones"
)
NO_URL = "Please specify a 'url' query parameter"
ONLY_HTTP = "Only http or https URLs are allowed"
SURROGATE = frozenset(map(chr, range(0xD800, 0xE000)))
LIMITS = {
    "PIXMILL_MAX_BYTES": "1M",
    "PIXMILL_RETRIES": "0",
    "PIXMILL_TIMEOUT": "1.5",
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service with small limits that may fetch from loopback."""
    folder = tmp_path_factory.mktemp("api")
    with serving(folder, env=LIMITS) as service, service.client() as client:
        yield client


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service as it is by default: it fetches from no private address."""
    folder = tmp_path_factory.mktemp("guarded")
    with serving(folder, env=LIMITS, loopback=False) as service, service.client() as client:
        yield client


@pytest.fixture
def canary() -> Iterator[Canary]:
    with o.Canary() as listener:
        yield listener
        assert listener.hits == 0


def failure(answer: httpx.Response) -> tuple[int, str, list[str]]:
    """Status, code and sentences of a failure, whose body holds nothing else."""
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"errors", "code"}
    return answer.status_code, body["code"], body["errors"]


@pytest.mark.parametrize("path", ROUTES)
def test_no_connection_says_so_whatever_the_cause(
    path: str, api: httpx.Client, origin: Origin
) -> None:
    """The code tells a missing name, a refused port, TLS, a timeout and a reset apart."""
    causes = {
        "http://nowhere.invalid/a.png": "dns_failed",
        f"http://127.0.0.1:{o.closed_port()}/a.png": "connect_failed",
        origin.url("/a.png").replace("http:", "https:"): "tls_failed",
        origin.on("/hangs", o.hang()): "timeout",
        origin.on("/stalls", o.stall_after_headers()): "timeout",
        origin.on("/resets", o.reset()): "connect_failed",
        origin.on("/garbage", o.raw(b"no HTTP at all\r\n\r\n")): "connect_failed",
    }
    told = {url: failure(api.get(path, params={"url": url})) for url in causes}
    assert told == {url: (400, code, [NO_CONNECTION]) for url, code in causes.items()}


@pytest.mark.parametrize("path", ROUTES)
def test_a_source_that_answers_badly_is_told_how(
    path: str, api: httpx.Client, origin: Origin
) -> None:
    start = "Could not fetch the URL given, "
    causes = {
        origin.on(f"/{status}", o.answer(b"", status)): (
            "http_error", f"status code was {status}",
        )
        for status in (202, 304, 401, 404, 410, 429, 500, 503)
    } | {
        origin.on("/round", o.redirect("/round")): ("too_many_redirects", "it redirects too often"),
        origin.on("/cut", o.lying(b"x" * 10, 1000)): ("truncated_body", "the answer broke off"),
        origin.serve("/large", bytes(2**20 + 1)): (
            "too_many_bytes", "the body is larger than 1,048,576 bytes",
        ),
    }  # fmt: skip
    for url, (code, ending) in causes.items():
        got = failure(api.get(path, params={"url": url}))
        assert got[:2] == (400, code), url
        if code != "too_many_bytes":  # whose sentence is the fetcher's own
            assert got[2] == [start + ending]
        assert len(got[2]) == 1
        assert got[2][0].startswith(start)


def test_a_url_that_means_nothing_clear_is_refused(api: httpx.Client, canary: Canary) -> None:
    """Its reason is told, and nobody is called."""
    malformed = (text.replace("127.0.0.1", f"127.0.0.1:{canary.port}") for text in MALFORMED)
    for url in (*malformed, f"http://me:secret@127.0.0.1:{canary.port}/"):
        if not SURROGATE.isdisjoint(url):
            continue  # which no query can hold
        status, code, sentences = failure(api.get("/colours/match", params={"url": url}))
        assert status == 400
        if code == "invalid_url":
            (sentence,) = sentences
            assert sentence.startswith("Could not fetch the URL given, ")
            assert sentence.isprintable()
            assert "secret" not in sentence
        else:
            assert (code, sentences) in (
                ("invalid_request", [ONLY_HTTP]),
                ("invalid_request", [NO_URL]),
            )


@pytest.mark.parametrize("path", ROUTES)
def test_a_private_address_is_refused_and_the_way_out_is_named(
    path: str, guarded: httpx.Client, origin: Origin
) -> None:
    for url in (origin.serve("/a", b"x"), "http://10.0.0.1/", "http://169.254.169.254/latest/"):
        answer = guarded.get(path, params={"url": url})
        assert failure(answer) == (400, "blocked_address", [NO_CONNECTION, OPENING])
    assert origin.connections == 0


@pytest.mark.parametrize(
    "host",
    [
        *LOOPBACK_SPELLINGS,
        *("0", "0.0.0.0", "127.255.255.254", "localhost", "localhost.", "LOCALHOST", "a.localhost"),
        *("[::]", "[::1]", "[0::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    ],
)
def test_no_spelling_of_loopback_reaches_a_canary(
    host: str, guarded: httpx.Client, canary: Canary
) -> None:
    url = f"http://{host}:{canary.port}/"
    assert failure(guarded.get("/colours/match", params={"url": url}))[1] == "blocked_address"


def test_a_redirect_to_a_private_address_reaches_no_canary(
    tmp_path_factory: pytest.TempPathFactory, canary: Canary
) -> None:
    """One address of loopback is opened, and redirects to the others."""
    locations = [
        f"http://127.0.0.1:{canary.port}/",
        f"//0x7f000001:{canary.port}/",
        f"http://[::1]:{canary.port}/",
        f"http://localhost:{canary.port}/",
    ]
    flags = ("--allow-network", "127.0.0.3/32")
    with (
        o.Origin(host="127.0.0.3") as origin,
        serving(tmp_path_factory.mktemp("one"), *flags, loopback=False) as service,
        service.client() as client,
    ):
        for number, location in enumerate(locations):
            url = origin.on(f"/{number}", o.redirect(location))
            answer = client.get("/colours/match", params={"url": url})
            assert failure(answer)[1] == "blocked_address", location
        good = client.get("/colours/match", params={"url": origin.serve("/a", plain((0, 0, 0)))})
        assert good.json()["colour"] == "black"


def test_a_canary_hears_of_a_service_that_may_call_it(api: httpx.Client) -> None:
    """The zero of the other tests means something."""
    with o.Canary() as listener:
        api.get("/colours/match", params={"url": f"http://127.1:{listener.port}/"})
        assert listener.hits > 0
