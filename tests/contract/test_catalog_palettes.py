"""The contract of the catalog, over every adapter: palettes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pixmill.errors import UsageError
from pixmill.store import MUST_BE_NEW, open_catalog
from pixmill.store.catalog import MAX_DOCUMENT_BYTES
from tests.contract.catalogs import HOSTILE, START, Clock, race


@pytest.fixture(params=["sqlite", "postgres"])
def catalog(request, tmp_path):
    """An empty catalog of each adapter."""
    url = request.getfixturevalue("postgres") if request.param == "postgres" else None
    with open_catalog(url, tmp_path / "data", clock=Clock()) as opened:
        yield opened


def test_a_palette_is_kept_whole_with_its_facts(catalog):
    document = bytes(range(256)) * 1000
    info = catalog.palettes.put("brand.v1_a-b", document, 17)
    assert (info.name, info.entries, info.revision >= 1) == ("brand.v1_a-b", 17, True)
    assert START < info.changed_at < START + timedelta(seconds=1)
    assert catalog.palettes.get("brand.v1_a-b") == (document, info)
    assert catalog.palettes.revision("brand.v1_a-b") == info.revision
    catalog.palettes.put("Another", b"{}", 1)
    assert [each.name for each in catalog.palettes.all()] == ["Another", "brand.v1_a-b"]
    assert catalog.palettes.all()[1] == info


def test_what_is_not_there_is_none(catalog):
    for name in ["brand", "css", *HOSTILE]:
        assert catalog.palettes.get(name) is None
        assert catalog.palettes.revision(name) is None
        assert catalog.palettes.delete(name) is False
    assert catalog.palettes.all() == []


def test_a_palette_changes_only_from_the_revision_that_is_expected(catalog):
    palettes = catalog.palettes
    assert palettes.put("brand", b"0", 1, 7) is None
    assert palettes.all() == []
    first = palettes.put("brand", b"1", 1, MUST_BE_NEW)
    assert palettes.put("brand", b"2", 2, MUST_BE_NEW) is None
    assert palettes.put("brand", b"2", 2, first.revision + 1) is None
    assert palettes.get("brand") == (b"1", first)
    second = palettes.put("brand", b"2", 2, first.revision)
    assert palettes.put("brand", b"3", 3, first.revision) is None
    assert palettes.get("brand") == (b"2", second)
    third = palettes.put("brand", b"3", 3)
    assert palettes.get("brand") == (b"3", third)
    assert first.revision < second.revision < third.revision
    assert first.changed_at < second.changed_at < third.changed_at


def test_a_revision_never_comes_again_after_a_deletion(catalog):
    old = catalog.palettes.put("brand", b"old", 1)
    assert catalog.palettes.delete("brand") is True
    assert catalog.palettes.delete("brand") is False
    assert catalog.palettes.revision("brand") is None
    assert catalog.palettes.put("brand", b"new", 1, MUST_BE_NEW).revision > old.revision


def test_of_many_new_palettes_of_a_name_one_is_kept(catalog):
    def attempt(number):
        return lambda: catalog.palettes.put("brand", b"%d" % number, number, MUST_BE_NEW)

    (kept,) = [info for info in race(*map(attempt, range(1, 9))) if info is not None]
    assert catalog.palettes.get("brand") == (b"%d" % kept.entries, kept)


def test_readers_see_a_whole_palette_while_it_changes(catalog):
    catalog.palettes.put("brand", b"0" * 10_000, 0)

    def change():
        for number in range(1, 50):
            catalog.palettes.put("brand", b"%d" % (number % 10) * 10_000, number)

    def read():
        seen = [catalog.palettes.get("brand") for _ in range(100)]
        assert all(set(document) == {ord(str(info.entries % 10))} for document, info in seen)
        return [info.revision for _, info in seen]

    _, *revisions = race(change, read, read)
    assert all(seen is not None and seen == sorted(seen) for seen in revisions)


def test_a_palette_has_a_plain_name_that_is_no_file(catalog):
    for name in (*HOSTILE, ".hidden", "..", "brand.json", "b.CSV", "x.gpl", ".ase"):
        with pytest.raises(UsageError, match="a palette's name is"):
            catalog.palettes.put(name, b"{}", 1)
    assert catalog.palettes.all() == []


def test_the_name_of_the_built_in_palette_is_taken(catalog):
    with pytest.raises(UsageError, match="the palette css is built in"):
        catalog.palettes.put("css", b"{}", 1)


@pytest.mark.soak
def test_a_document_is_bounded(catalog):
    with pytest.raises(UsageError, match="has 67,108,865 bytes, over 67,108,864"):
        catalog.palettes.put("brand", bytes(MAX_DOCUMENT_BYTES + 1), 1)
    catalog.palettes.put("brand", bytes(MAX_DOCUMENT_BYTES), 1)
    assert len(catalog.palettes.get("brand")[0]) == MAX_DOCUMENT_BYTES
