"""Bodies arrive whole or not at all, within limits, and what they took is given back."""

from __future__ import annotations

import resource

import pytest

from pixmill.errors import OutputError
from pixmill.fetch.client import Fetcher
from tests import origin as o
from tests.integration.fetching import BODY, assert_nothing_held, failing, fetch, options


class TestBodies:
    @pytest.mark.parametrize("body", [b"", b"x", BODY, BODY * 30])
    @pytest.mark.parametrize(
        "reply",
        [
            o.answer,
            o.until_close,
            o.zipped,
            lambda body: o.chunked(*(body[i : i + 5000] for i in range(0, len(body), 5000))),
            lambda body: o.zipped(body, "deflate"),
            lambda body: o.zipped(body, "raw-deflate"),
            lambda body: o.answer(body, headers={"Content-Encoding": "identity"}),
            lambda body: o.answer(body, status=203),
        ],
    )
    @pytest.mark.parametrize("limits", [{}, {"spill_bytes": 1000}, {"memory_bytes": 0}])
    async def test_arrive_whole_however_they_are_sent(self, origin, reply, body, limits):
        data, download = await fetch(origin.on("/a", reply(body)), **limits)
        assert data == body
        assert download.body.size == len(body)

    async def test_nothing_but_identity_is_asked_for(self, origin):
        await fetch(origin.serve("/a", BODY))
        assert origin.requests[0].headers["accept-encoding"] == "identity"

    async def test_a_coding_that_can_not_be_undone_passes_as_it_came(self, origin):
        url = origin.serve("/a", BODY, headers={"Content-Encoding": "br"})
        data, _ = await fetch(url)
        assert data == BODY

    async def test_html_as_image_is_a_download_for_others_to_judge(self, origin):
        url = origin.serve("/a", b"<html>", headers={"Content-Type": "image/jpeg"})
        data, download = await fetch(url)
        assert (data, download.headers["content-type"]) == (b"<html>", "image/jpeg")

    @pytest.mark.parametrize("limits", [{}, {"spill_bytes": 10}])
    @pytest.mark.parametrize(
        "reply",
        [
            o.answer(BODY),
            o.until_close(BODY),
            o.chunked(BODY),
            o.zipped(BODY),
            o.lying(BODY, 10**15),
            o.gzip_bomb(64 * 2**20),
        ],
    )
    async def test_past_the_limit(self, origin, reply, limits):
        error = await failing(origin.on("/a", reply), max_bytes=len(BODY) - 1, **limits)
        assert (error.code, error.attempts, error.http_status) == ("too_many_bytes", 1, 200)

    async def test_exactly_at_the_limit(self, origin):
        data, _ = await fetch(origin.serve("/a", BODY), max_bytes=len(BODY))
        assert data == BODY

    async def test_a_claim_past_the_limit_is_refused_before_the_body(self, origin):
        error = await failing(origin.on("/a", o.stall_after_headers(10**12)))
        assert error.code == "too_many_bytes"

    async def test_a_full_disk_stops_the_run_in_one_sentence(self, origin, tmp_path):
        url = origin.serve("/a", BODY)
        missing = str(tmp_path / "missing")
        async with Fetcher(options(spill_bytes=10, temp_dir=missing)) as fetcher:
            with pytest.raises(OutputError, match=r"no room for temporary files in .*missing"):
                await fetcher.fetch(url)
            assert_nothing_held(fetcher)

    async def test_a_disk_that_fills_up_stops_the_run_and_leaves_nothing(self, origin, tiny_files):
        async with Fetcher(options(spill_bytes=10)) as fetcher:
            with pytest.raises(OutputError, match=r"no room for temporary files"):
                await fetcher.fetch(origin.serve("/a", BODY))
            assert_nothing_held(fetcher)


@pytest.fixture
def tiny_files():
    """No file of this process can grow past some kilobytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(BODY) // 2, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class TestMemory:
    async def test_bodies_share_one_budget_and_spill_past_it(self, origin):
        url = origin.serve("/a", BODY)
        room = len(BODY) * 2
        async with Fetcher(options(memory_bytes=room)) as fetcher:
            downloads = [await fetcher.fetch(url) for _ in range(3)]
            assert [download.body.data is None for download in downloads] == [False, False, True]
            assert fetcher.budget.used == room
            downloads[0].body.close()
            downloads[0].body.close()
            assert fetcher.budget.used == len(BODY)
            again = await fetcher.fetch(url)
            assert again.body.data == BODY
            for download in [*downloads, again]:
                download.body.close()
            assert fetcher.budget.used == 0

    async def test_a_spilled_body_has_a_descriptor_and_a_view_that_outlives_it(self, origin):
        async with Fetcher(options(spill_bytes=10)) as fetcher:
            download = await fetcher.fetch(origin.serve("/a", BODY))
            assert download.body.data is None
            assert download.body.fileno() is not None
            view = download.body.view()
            download.body.close()
            with pytest.raises(ValueError, match="memory"):
                download.body.fileno()
            assert view == BODY


class TestConditions:
    async def test_not_modified_is_an_answer_to_a_validator(self, origin):
        url = origin.on("/a", o.answer(status=304, headers={"ETag": '"1"'}))
        data, download = await fetch(url, headers={"If-None-Match": '"1"'})
        assert (data, download.http_status, download.headers["etag"]) == (b"", 304, '"1"')
        assert origin.requests[0].headers["if-none-match"] == '"1"'

    async def test_headers_for_a_cache_come_along_and_no_others(self, origin):
        sent = {
            "ETag": '"1"',
            "Last-Modified": "x",
            "Cache-Control": "max-age=5",
            "Age": "1",
            "Vary": "Accept",
            "Set-Cookie": "a=b",
            "Server": "x",
        }
        _, download = await fetch(origin.serve("/a", BODY, headers=sent))
        names = {"etag", "last-modified", "cache-control", "age", "vary"}
        assert dict(download.headers) == {
            name.lower(): sent[name] for name in sent if name.lower() in names
        }
