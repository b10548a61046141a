"""Shares of servers in SQL: who may have how many requests at once, of those all may have."""

from __future__ import annotations

import zlib
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, text

from pixmill.store.sql.contention import patiently
from pixmill.store.sql.schema import host_shares

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from pixmill.store.sql.database import Database

_HOST_CHARS = 300
_LOCKS = 0x7069786E  # any number, another than that of migrations
_BUCKETS = 1024


class SqlHosts:
    """The port `Hosts` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def share(
        self,
        owner: str,
        asks: Mapping[str, int],
        idle: Sequence[str],
        limit: int,
        lease_s: float,
    ) -> dict[str, int]:
        """Ask for permits of servers, and give back those of idle ones."""

        def shared() -> dict[str, int]:
            with self._database.writing() as connection:
                names = sorted({_cut(host) for host in (*asks, *idle)})
                _lock(connection, names)
                mine = host_shares.c.owner == owner
                this = host_shares.c.host.in_(names)
                now = self._database.now()
                connection.execute(
                    delete(host_shares).where(this, mine | (host_shares.c.lease_until <= now))
                )
                others = self._others(connection, names)
                granted = {
                    host: _granted(used, limit, *others.get(_cut(host), (0, 0)))
                    for host, used in asks.items()
                }
                rows = {
                    _cut(host): {
                        "host": _cut(host),
                        "owner": owner,
                        "permits": permits,
                        "lease_until": now + timedelta(seconds=lease_s),
                    }
                    for host, permits in granted.items()
                }
                if rows:
                    connection.execute(insert(host_shares), list(rows.values()))
                return granted

        return patiently(shared)

    def _others(self, connection: Connection, names: list[str]) -> dict[str, tuple[int, int]]:
        query = select(host_shares.c.host, func.sum(host_shares.c.permits), func.count()).where(
            host_shares.c.host.in_(names)
        )
        found = connection.execute(query.group_by(host_shares.c.host))
        return {host: (int(permits), int(number)) for host, permits, number in found}

    def leave(self, owner: str) -> None:
        """Give back all that an owner has."""
        with self._database.writing() as connection:
            connection.execute(delete(host_shares).where(host_shares.c.owner == owner))


def _granted(used: int, limit: int, taken: int, others: int) -> int:
    """Give an equal part, if others have not more than theirs; never less than what is in use."""
    part = max(1, limit // (others + 1))
    return max(used, min(part, limit - taken))


def _cut(host: str) -> str:
    return host[:_HOST_CHARS]


def _lock(connection: Connection, names: list[str]) -> None:
    """Let those who ask for the same servers wait for each other, where many write at once.

    In one order, so that no two wait for each other; by buckets, since locks are no endless good.
    """
    if connection.dialect.name != "postgresql" or not names:
        return
    buckets = sorted({zlib.crc32(name.encode()) % _BUCKETS for name in names})
    lock = text("SELECT pg_advisory_xact_lock(:class, bucket) FROM unnest(:buckets) AS bucket")
    connection.execute(lock, {"class": _LOCKS, "buckets": buckets})
