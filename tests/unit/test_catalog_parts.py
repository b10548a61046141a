"""The catalog without a database: where it lies, what it is made of, what it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from pixmill.color.palette_files import FORMATS, MAX_BYTES
from pixmill.color.palette_formats import tree
from pixmill.errors import UsageError
from pixmill.store import catalog_stands, credentials, migrate_catalog, open_catalog
from pixmill.store.catalog import MAX_DOCUMENT_BYTES, check_palette_name
from pixmill.store.sql.schema import REVISION, VERSION_TABLE, metadata

NOTHING_HEAVY = "print([name for name in ('sqlalchemy', 'alembic') if name in sys.modules])"


def python(program, *arguments):
    command = [sys.executable, "-c", program, *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_migrations_make_the_tables_that_the_code_knows(tmp_path):
    migrate_catalog(None, tmp_path)
    engine = create_engine(f"sqlite:///{tmp_path}/catalog.sqlite")
    with engine.connect() as connection:
        known = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(known, metadata) == []
    engine.dispose()


def test_the_newest_migration_is_the_one_the_code_knows():
    config = Config()
    config.set_main_option("script_location", "pixmill.store.sql:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def test_the_tables_can_be_made_in_postgresql():
    dialect = postgresql.dialect()
    for table in metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=dialect))
    made = "".join(
        str(CreateIndex(index).compile(dialect=dialect))
        for table in metadata.sorted_tables
        for index in table.indexes
    )
    assert "WHERE revoked_at IS NULL" in made


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://me:hidden@host/db", "not with 'mysql'"),
        ("mongodb://host/db", "not with 'mongodb'"),
        ("/var/lib/catalog.sqlite", "not with a text without a scheme"),
        ("", "not with a text without a scheme"),
        ("sqlite:catalog.sqlite", "begins with sqlite:///"),
        ("\x1b[2J://", r"not with '\\x1b\[2J'"),
        ("sqlite:///", "names a file"),
        ("sqlite:///:memory:", "names a file"),
        ("sqlite:///a?mode=memory", "names a file"),
        ("sqlite:///a%00b", "names a file"),
    ],
)
def test_a_url_that_names_no_catalog_is_a_sentence_without_its_password(tmp_path, url, told):
    for act in (open_catalog, migrate_catalog, catalog_stands):
        with pytest.raises(UsageError, match=told) as caught:
            act(url, tmp_path / "data")
        assert "hidden" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_relative_url_is_of_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    open_catalog("sqlite:///own.sqlite", tmp_path / "data").close()
    assert (tmp_path / "own.sqlite").is_file()
    assert not (tmp_path / "data").exists()


def test_asking_whether_a_catalog_stands_makes_none(tmp_path):
    assert not catalog_stands(None, tmp_path / "data")
    assert not (tmp_path / "data").exists()
    open_catalog(None, tmp_path / "data").close()
    assert catalog_stands(None, tmp_path / "data")
    assert catalog_stands(None, Path("/" + "x" * 300))  # only opening can tell what is wrong


def test_a_catalog_without_its_extra_is_a_sentence(tmp_path):
    program = """
import sys
from pathlib import Path
for name in sys.argv[2:]:
    sys.modules[name] = None
from pixmill.errors import MissingExtra
from pixmill.store import open_catalog
try:
    open_catalog(None, Path(sys.argv[1]))
except MissingExtra as error:
    print(error)
"""
    sentence = (
        "the catalog of keys, palettes and images needs an extra: pip install 'pixmill[server]'\n"
    )
    assert python(program, tmp_path, "sqlalchemy") == sentence
    assert python(program, tmp_path, "alembic") == sentence


def test_what_needs_no_catalog_does_not_wait_for_its_libraries():
    assert python(f"import sys, pixmill.store, pixmill.cli.app; {NOTHING_HEAVY}") == "[]\n"


def test_opening_a_catalog_of_this_form_does_not_wait_for_alembic(tmp_path):
    migrate_catalog(None, tmp_path)
    program = (
        "import sys; from pathlib import Path; from pixmill.store import open_catalog; "
        f"open_catalog(None, Path(sys.argv[1])).close(); {NOTHING_HEAVY}"
    )
    assert python(program, tmp_path) == "['sqlalchemy']\n"


def test_migrating_leaves_logging_as_it_was(tmp_path):
    program = (
        "import logging, sys; from pathlib import Path; from pixmill.store import open_catalog; "
        "open_catalog(None, Path(sys.argv[1])).close(); root = logging.getLogger(); "
        "print(root.handlers, root.level, logging.getLogger('alembic').level)"
    )
    assert python(program, tmp_path) == "[] 30 0\n"


def test_what_may_be_kept_can_be_read_as_a_palette():
    assert MAX_DOCUMENT_BYTES == MAX_BYTES
    assert FORMATS["json"] is tree


def test_no_kept_palette_has_the_name_of_a_file():
    for ending in FORMATS:
        with pytest.raises(UsageError, match="has no ending of a palette file"):
            check_palette_name(f"brand.{ending}")


def test_secrets_are_long_and_never_alike():
    texts = {credentials.make_key()[1] for _ in range(1000)}
    tokens = {credentials.make_token() for _ in range(1000)}
    assert len(texts | tokens) == 2000
    assert all(credentials.prefix_of(text) == text[3:11] for text in texts)
    assert all(credentials.is_token(token) for token in tokens)
    assert not any(credentials.is_token(text) for text in texts)
