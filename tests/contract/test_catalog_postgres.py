"""The catalog on PostgreSQL: made where it is empty, left alone where it is another's."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import text

from pixmill.errors import OutputError, UsageError
from pixmill.store import (
    catalog_form,
    catalog_stands,
    migrate_catalog,
    open_archive,
    open_catalog,
)
from pixmill.store.sql.postgres import KEPT, MORE
from tests.cluster import wait_until
from tests.contract.catalogs import race


def execute(url, text):
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(text)


def test_an_empty_database_becomes_a_catalog_and_an_archive_unasked(postgres, tmp_path):
    assert catalog_stands(postgres, tmp_path)
    with open_catalog(postgres, tmp_path) as catalog:
        catalog.keys.add("shop", ["read"])
    with open_archive(None, postgres, None, tmp_path / "data") as archive:
        assert archive.page(1) == []
    assert migrate_catalog(postgres, tmp_path) == ("0006", "0006")
    assert not (tmp_path / "data" / "catalog.sqlite").exists()


def test_looking_at_an_empty_database_makes_nothing(postgres, tmp_path):
    for _ in range(2):
        assert catalog_form(postgres, tmp_path) == (None, "0006")
    open_catalog(postgres, tmp_path).close()
    assert catalog_form(postgres, tmp_path) == ("0006", "0006")


def test_many_who_open_an_empty_database_at_once_all_find_a_catalog(postgres, tmp_path):
    def attempt():
        with open_catalog(postgres, tmp_path) as catalog:
            return catalog.keys.count()

    assert race(*[attempt] * 6) == [0] * 6


def test_an_older_catalog_waits_for_migrate(postgres, tmp_path):
    with open_catalog(postgres, tmp_path):
        pass
    newer = "host_shares shards workers jobs secrets facts images arrivals minutes minute_codes"
    for table in newer.split():
        execute(postgres, f"DROP TABLE {table}")
    execute(postgres, "DELETE FROM counters WHERE name = 'secrets'")
    execute(postgres, "UPDATE pixmill_version SET version_num = '0002'")
    with pytest.raises(OutputError, match=r"of an older pixmill .*run `pixmill migrate`"):
        open_catalog(postgres, tmp_path)
    assert migrate_catalog(postgres, tmp_path) == ("0002", "0006")
    open_catalog(postgres, tmp_path).close()


def test_a_process_has_no_more_connections_than_it_is_said_to(postgres, tmp_path):
    """docs/deploy.md reckons with them; who finds all of them busy waits."""
    asked = KEPT + MORE + 5
    with open_catalog(postgres, tmp_path) as catalog, ThreadPoolExecutor(asked) as threads:
        engine = catalog._database._engine
        go_on = threading.Event()

        def hold():
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
                go_on.wait(30)

        held = [threads.submit(hold) for _ in range(asked)]
        try:
            wait_until(lambda: connections(postgres) == KEPT + MORE)
            time.sleep(0.3)
            assert connections(postgres) == KEPT + MORE
        finally:
            go_on.set()
        for each in held:
            each.result(30)
        wait_until(lambda: connections(postgres) == KEPT)


def connections(url):
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE application_name = 'pixmill' AND datname = current_database()"
    )
    return execute(url, query).fetchone()[0]


def test_a_database_of_others_is_refused(postgres, tmp_path):
    execute(postgres, "CREATE TABLE theirs (x integer)")
    with pytest.raises(OutputError, match="was not made by pixmill"):
        open_catalog(postgres, tmp_path)


def test_a_server_that_does_not_answer_is_told_without_its_password(tmp_path):
    url = "postgresql://me:hidden@127.0.0.1:9/catalog"
    with pytest.raises(OutputError, match="can not be used") as caught:
        open_catalog(url, tmp_path)
    assert "hidden" not in str(caught.value)
    assert "postgresql://127.0.0.1:9/catalog" in str(caught.value)


def test_a_text_that_is_no_url_is_refused(tmp_path):
    with pytest.raises(UsageError, match="the catalog's URL is none"):
        open_catalog("postgresql://me:hidden@[::1/x", tmp_path)
