"""Catalogs of older and newer forms: who is migrated, who must ask, who is refused."""

from __future__ import annotations

import shutil

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from pixmill.errors import OutputError
from pixmill.store import catalog_form, catalog_stands, migrate_catalog, open_catalog
from tests.contract.catalogs import mode, query


def behind(path):
    """Make a catalog of the oldest form there was."""
    engine = create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", "pixmill.store.sql:migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    at = "2026-11-20 10:31:00.000000"
    query(path, f"INSERT INTO keys VALUES (1, 'old', 'abcd1234', x'00', 'read', '{at}', NULL)")
    return f"sqlite:///{path}"


def test_an_older_catalog_in_the_data_folder_is_migrated_unasked(tmp_path):
    behind(tmp_path / "catalog.sqlite")
    with open_catalog(None, tmp_path) as catalog:
        assert [key.name for key in catalog.keys.all()] == ["old"]
        assert catalog.palettes.put("brand", b"{}", 1).revision == 1


def test_an_older_catalog_elsewhere_waits_for_migrate(tmp_path):
    path = tmp_path / "own.sqlite"
    url, data = behind(path), tmp_path / "data"
    copy = shutil.copy(path, tmp_path / "copy")
    with pytest.raises(OutputError, match=r"of an older pixmill .*run `pixmill migrate`"):
        open_catalog(url, data)
    assert path.read_bytes() == (tmp_path / copy).read_bytes()
    assert migrate_catalog(url, data) == ("0001", "0006")
    assert migrate_catalog(url, data) == ("0006", "0006")
    with open_catalog(url, data) as catalog:
        assert [key.name for key in catalog.keys.all()] == ["old"]


def test_a_new_catalog_elsewhere_is_made(tmp_path):
    url = f"sqlite:///{tmp_path}/own%20one.sqlite"
    assert not catalog_stands(url, tmp_path / "data")
    assert migrate_catalog(url, tmp_path / "data") == (None, "0006")
    assert catalog_stands(url, tmp_path / "data")
    assert mode(tmp_path / "own one.sqlite") == 0o600


@pytest.mark.parametrize("revision", ["9999", "", "\x1b[2J"])
def test_a_newer_catalog_is_refused(tmp_path, revision):
    open_catalog(None, tmp_path).close()
    path = tmp_path / "catalog.sqlite"
    query(path, f"UPDATE pixmill_version SET version_num = '{revision}'")
    for act in (open_catalog, migrate_catalog):
        with pytest.raises(OutputError, match=r"of a newer pixmill .*upgrade pixmill") as caught:
            act(None, tmp_path)
        assert "\x1b" not in str(caught.value)


def test_looking_at_a_catalog_makes_and_changes_nothing(tmp_path):
    data, path = tmp_path / "data", tmp_path / "own.sqlite"
    assert catalog_form(None, data) == (None, "0006")
    assert catalog_form(f"sqlite:///{path}", data) == (None, "0006")
    assert [*tmp_path.iterdir()] == []
    with pytest.raises(OutputError, match="can not be made"):
        catalog_form(f"sqlite:///{tmp_path}/nowhere/own.sqlite", data)
    assert [*tmp_path.iterdir()] == []
    open_catalog(f"sqlite:///{path}", data).close()
    assert catalog_form(f"sqlite:///{path}", data) == ("0006", "0006")


def test_the_form_of_an_older_catalog_is_told(tmp_path):
    url = behind(tmp_path / "catalog.sqlite")
    before = (tmp_path / "catalog.sqlite").read_bytes()
    assert catalog_form(None, tmp_path) == ("0001", "0006")  # opening it migrates it
    with pytest.raises(OutputError, match=r"of an older pixmill .*run `pixmill migrate`"):
        catalog_form(url, tmp_path / "elsewhere")
    assert (tmp_path / "catalog.sqlite").read_bytes() == before


def test_the_form_of_a_newer_catalog_and_of_none_is_a_sentence(tmp_path):
    open_catalog(None, tmp_path).close()
    query(tmp_path / "catalog.sqlite", "UPDATE pixmill_version SET version_num = '9999'")
    with pytest.raises(OutputError, match=r"of a newer pixmill"):
        catalog_form(None, tmp_path)
    (tmp_path / "text").write_text("no database, but a text " * 100)
    with pytest.raises(OutputError, match="can not be used"):
        catalog_form(f"sqlite:///{tmp_path}/text", tmp_path)
