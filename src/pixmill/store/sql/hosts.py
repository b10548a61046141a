"""Shares of servers in SQL: who may have how many requests at once, of those all may have."""

from __future__ import annotations

import zlib
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, text

from pixmill.store.sql.contention import patiently
from pixmill.store.sql.host_turns import Holding, Terms, renewed
from pixmill.store.sql.schema import host_shares

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from pixmill.store.sql.database import Database

_HOST_CHARS = 300
_LOCKS = 0x7069786E  # any number, another than that of migrations
_BUCKETS = 1024
_TURN_OF_LEASE = 1 / 3
_HOLDING = [host_shares.c[name] for name in Holding._fields]


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
                now = self._database.time(connection)
                terms = Terms(limit, timedelta(seconds=lease_s * _TURN_OF_LEASE), now)
                known = _taken_out(connection, owner, names, now)
                others = _others(connection, names)
                found = {}
                for host, used in asks.items():
                    name = _cut(host)
                    mine = known.get(name) or Holding(owner, 0, 0, now)
                    found[host] = renewed(mine, others.get(name, []), used, terms)
                until = now + timedelta(seconds=lease_s)
                rows = {
                    _cut(host): {**held._asdict(), "host": _cut(host), "lease_until": until}
                    for host, held in found.items()
                }
                if rows:
                    connection.execute(insert(host_shares), list(rows.values()))
                return {host: held.granted for host, held in found.items()}

        return patiently(shared)

    def leave(self, owner: str) -> None:
        """Give back all that an owner has."""
        with self._database.writing() as connection:
            connection.execute(delete(host_shares).where(host_shares.c.owner == owner))


def _taken_out(
    connection: Connection, owner: str, names: list[str], now: datetime
) -> dict[str, Holding]:
    """Take out what an owner has of servers, and what nobody has any more; give the former."""
    this, mine = host_shares.c.host.in_(names), host_shares.c.owner == owner
    is_over = host_shares.c.lease_until <= now
    query = select(host_shares.c.host, *_HOLDING).where(this, mine, ~is_over)
    found = {host: Holding(*held) for host, *held in connection.execute(query)}
    connection.execute(delete(host_shares).where(this, mine | is_over))
    return found


def _others(connection: Connection, names: list[str]) -> dict[str, list[Holding]]:
    query = select(host_shares.c.host, *_HOLDING).where(host_shares.c.host.in_(names))
    found: defaultdict[str, list[Holding]] = defaultdict(list)
    for host, *held in connection.execute(query):
        found[host].append(Holding(*held))
    return found


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
