"""The shelf: palettes read once for each state that they have, and never an old one."""

from __future__ import annotations

import asyncio

import pytest

from pixmill.color.palette import Palette
from pixmill.errors import OutputError, UsageError
from pixmill.store import MUST_BE_NEW, open_catalog
from pixmill.web import shelf as module
from pixmill.web.errors import ApiError
from pixmill.web.shelf import Shelf
from pixmill.web.store_calls import StoreCalls


@pytest.fixture
def catalog(tmp_path):
    with open_catalog(None, tmp_path) as opened:
        yield opened


@pytest.fixture
def reads(catalog, monkeypatch):
    """The names of the palettes that were read whole."""
    found = []
    get = catalog.palettes.get

    def noted(name):
        found.append(name)
        return get(name)

    monkeypatch.setattr(catalog.palettes, "get", noted)
    return found


@pytest.fixture
def shelf(catalog, reads):
    return Shelf(catalog, StoreCalls("catalog"))


async def put(shelf, name, color="#123456", expected=None, number=1):
    rows = "".join(f"c{n},{color}\n" for n in range(number))
    return await shelf.put(name, rows.encode(), None, expected)


def color_of(palette):
    return palette.entries[0].hex


async def test_css_needs_no_catalog(shelf, catalog, tmp_path):
    catalog.close()
    (tmp_path / "catalog.sqlite").write_bytes(b"no database" * 1000)
    assert await shelf.get("css") is Palette.css()
    with pytest.raises(OutputError):
        await shelf.get("mine")


async def test_a_palette_is_read_once_while_it_stays_the_same(shelf, reads):
    await put(shelf, "mine")
    first = await shelf.get("mine")
    assert color_of(first) == "#123456"
    assert await shelf.get("mine") is first
    assert reads == ["mine"]


async def test_a_change_by_whomever_is_seen_at_once(shelf, catalog):
    await put(shelf, "mine")
    await shelf.get("mine")
    catalog.palettes.put("mine", b'[{"name": "x", "hex": "#FF0000"}]', 1)
    assert color_of(await shelf.get("mine")) == "#FF0000"
    await shelf.delete("mine")
    assert await shelf.get("mine") is None
    await put(shelf, "mine", "#00FF00")
    assert color_of(await shelf.get("mine")) == "#00FF00"


async def test_what_is_not_there_is_none(shelf, reads):
    for name in ("mine", "", "..", "a/b", "\0", "x.json", "é"):
        assert await shelf.get(name) is None
    assert reads == []
    assert await shelf.delete("mine") is False


async def test_many_who_ask_at_once_read_it_once(shelf, reads):
    await put(shelf, "mine", number=5000)
    found = await asyncio.gather(*(shelf.get("mine") for _ in range(20)))
    assert len(set(map(id, found))) == 1
    assert reads == ["mine"]


async def test_readers_and_a_writer_never_see_anything_but_whole_states(shelf):
    """And a reader who begins after a change sees it, or what came later."""
    await put(shelf, "mine", "#000000")

    async def read():
        seen = []
        for _ in range(30):
            palette = await shelf.get("mine")
            seen.append((len(palette.entries), int(color_of(palette)[1:], 16)))
        return seen

    async def write():
        for n in range(1, 20):
            await put(shelf, "mine", f"#{n:06X}", number=n)

    *readers, _ = await asyncio.gather(read(), read(), read(), write())
    for seen in readers:
        assert seen == sorted(seen)
        assert all(number == max(value, 1) for number, value in seen)
    assert color_of(await shelf.get("mine")) == f"#{19:06X}"


async def test_memory_is_bounded_by_entries_and_the_last_one_stays(shelf, reads, monkeypatch):
    monkeypatch.setattr(module, "_MOST_ENTRIES", 25)
    for name in ("one", "two", "three"):
        await put(shelf, name, number=10)
        await shelf.get(name)
    await shelf.get("two")
    assert reads == ["one", "two", "three"]
    await shelf.get("one")
    assert reads == ["one", "two", "three", "one"]
    await put(shelf, "large", number=100)
    assert await shelf.get("large") is await shelf.get("large")
    assert reads.count("large") == 1


async def test_a_failed_reading_is_tried_again(shelf, catalog, monkeypatch):
    await put(shelf, "mine")

    def broken(_):
        raise OutputError("just now")

    with monkeypatch.context() as patched:
        patched.setattr(catalog.palettes, "get", broken)
        with pytest.raises(OutputError):
            await shelf.get("mine")
    assert color_of(await shelf.get("mine")) == "#123456"


async def test_a_palette_that_goes_while_it_is_read_is_none(shelf, catalog, monkeypatch):
    await put(shelf, "mine")
    monkeypatch.setattr(catalog.palettes, "get", lambda _: None)
    assert await shelf.get("mine") is None


async def test_putting_says_whether_what_stood_there_was_expected(shelf):
    first = await put(shelf, "mine", expected=MUST_BE_NEW)
    assert (first.name, first.entries) == ("mine", 1)
    assert await put(shelf, "mine", expected=MUST_BE_NEW) is None
    assert await put(shelf, "mine", expected=first.revision + 1) is None
    second = await put(shelf, "mine", expected=first.revision)
    assert second.revision > first.revision
    assert [info.name for info in await shelf.all()] == ["mine"]


@pytest.mark.parametrize(("name", "data"), [("mine", b"no palette"), ("a b", b"x,#123456")])
async def test_what_can_not_be_kept_is_a_sentence(shelf, name, data):
    with pytest.raises(UsageError):
        await shelf.put(name, data, None, None)
    assert await shelf.all() == []


async def test_few_may_come_in_at_once_and_each_gives_its_place_back(shelf):
    async def come(leave, *, fail):
        async with shelf.room_for_one():
            await leave.wait()
            if fail:
                raise ZeroDivisionError

    for fail in (False, True, False):
        leave = asyncio.Event()
        tasks = [asyncio.create_task(come(leave, fail=fail)) for _ in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(ApiError) as caught:
            async with shelf.room_for_one():
                pytest.fail("there is none")
        assert (caught.value.status, caught.value.code) == (503, "overloaded")
        leave.set()
        await asyncio.gather(*tasks, return_exceptions=True)
