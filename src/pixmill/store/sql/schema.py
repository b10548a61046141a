"""The tables as the code sees them; the migrations make them, and a test holds both to be alike.

Owns columns and the form of times. Only what SQLite and PostgreSQL both have is used.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy import Dialect

REVISION = "0006"  # the newest of the migrations, known here so that opening need not ask Alembic
VERSION_TABLE = "pixmill_version"

KEYS_COUNTER = "keys"
PALETTES_COUNTER = "palettes"
SECRETS_COUNTER = "secrets"


class UtcTime(TypeDecorator[datetime]):
    """An aware time in UTC, also where the database keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Store in UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()

# How many keys were ever made, and the last revision given to a palette. Counting in a row also
# orders writers: its lock is held until the transaction ends. `place`, which counts nothing, is the
# mark of the place of a cluster's files.
counters = Table(
    "counters",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("prefix", String(8), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("scopes", String(100), nullable=False),  # words, with a space between
    Column("created_at", UtcTime, nullable=False),
    Column("revoked_at", UtcTime),
)
Index("keys_prefix", keys.c.prefix, unique=True)
Index(
    "keys_live_name",
    keys.c.name,
    unique=True,
    sqlite_where=keys.c.revoked_at.is_(None),
    postgresql_where=keys.c.revoked_at.is_(None),
)

tokens = Table(
    "tokens",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("key_id", Integer, ForeignKey("keys.id", name="tokens_key"), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
)
Index("tokens_of_key", tokens.c.key_id)
Index("tokens_end", tokens.c.expires_at)

palettes = Table(
    "palettes",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("document", LargeBinary, nullable=False),  # last: what is asked often lies before it
)

images = Table(
    "images",
    metadata,
    Column("md5", String(32), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("format", String(20), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("colors", Text, nullable=False),  # JSON: [hex, count, share] of each
    Column("color", String(7)),
    Column("original", String(300)),
    Column("grey", String(300), nullable=False),
    Column("origin", LargeBinary(16), nullable=False),  # the key of the capture that brought it
    Column("inserted_at", UtcTime, nullable=False),
    Column("arrived_at", UtcTime, nullable=False),
)
Index("images_newest", images.c.inserted_at, images.c.md5)
Index("images_arrived", images.c.arrived_at)

# SQLite counts up only what it calls INTEGER.
_COUNTED = BigInteger().with_variant(Integer, "sqlite")

arrivals = Table(
    "arrivals",
    metadata,
    Column("id", _COUNTED, primary_key=True),
    Column("key", LargeBinary(16), nullable=False),
    Column("arrived_at", UtcTime, nullable=False),
    Column("source", Text, nullable=False),
    Column("reference", String(100), nullable=False),
    Column("md5", String(32)),  # of no image any more where that was deleted
    Column("result", String(10), nullable=False),
    Column("code", String(40)),
)
Index("arrivals_key", arrivals.c.key, unique=True)
Index("arrivals_of_image", arrivals.c.md5, arrivals.c.id)
Index("arrivals_of_code", arrivals.c.code, arrivals.c.id)
Index("arrivals_arrived", arrivals.c.arrived_at)

minutes = Table(
    "minutes",
    metadata,
    Column("minute", UtcTime, primary_key=True),
    Column("success", BigInteger, nullable=False),
    Column("fail", BigInteger, nullable=False),
    Column("duplicate", BigInteger, nullable=False),
)

minute_codes = Table(
    "minute_codes",
    metadata,
    Column("minute", UtcTime, primary_key=True),
    Column("code", String(40), primary_key=True),
    Column("fails", BigInteger, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("place", _COUNTED, primary_key=True),
    Column("id", String(32), nullable=False),
    Column("key_id", Integer, ForeignKey("keys.id", name="jobs_key")),  # none of a command's
    Column("kind", String(20), nullable=False),
    Column("state", String(10), nullable=False),
    Column("spec", Text, nullable=False),  # JSON
    Column("word", String(200)),
    Column("request", LargeBinary(32), nullable=False),  # the SHA-256 of what was asked for
    Column("done", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("result", String(500)),
    Column("result_bytes", BigInteger),
    Column("result_type", String(100)),
    Column("code", String(40)),
    Column("message", Text),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("attempts", Integer, nullable=False),
    Column("deaths", Integer, nullable=False),
    Column("lease_owner", String(64)),
    Column("lease_until", UtcTime),
    Column("webhook", Text),
    Column("webhook_attempts", Integer, nullable=False),
    Column("webhook_state", String(10)),
    Column("webhook_at", UtcTime),  # when it is due; of none else
    Column("published_at", UtcTime),  # when workers were last told of it
    Column("shards", Integer),  # how many there are, once all are planned
    Column("revision", BigInteger, nullable=False),
)
Index("jobs_id", jobs.c.id, unique=True)
Index("jobs_of_key", jobs.c.key_id, jobs.c.place)
Index("jobs_by_state", jobs.c.state, jobs.c.key_id, jobs.c.place)
Index("jobs_finished", jobs.c.state, jobs.c.finished_at)
Index("jobs_webhook", jobs.c.webhook_at)
Index("jobs_word", jobs.c.key_id, jobs.c.word, unique=True)

shards = Table(
    "shards",
    metadata,
    Column(
        "job_id",
        String(32),
        ForeignKey("jobs.id", name="shards_job", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", String(10), nullable=False),
    Column("items", Integer, nullable=False),
    Column("first_line", BigInteger, nullable=False),
    Column("last_line", BigInteger, nullable=False),
    Column("input", Integer, nullable=False),  # of the last item, with its place there
    Column("place", BigInteger, nullable=False),
    Column("published_at", UtcTime),  # when workers were last told of it
    Column("not_before", UtcTime),
    Column("attempt", String(32)),
    Column("attempts", Integer, nullable=False),
    Column("deaths", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("alone", Boolean, nullable=False),
    Column("owner", String(32)),
    Column("worker", String(200)),
    Column("ok", Integer, nullable=False),
    Column("missed", Integer, nullable=False),
    Column("failed", Text, nullable=False),  # JSON: numbers by code
    Column("failed_attempts", Text, nullable=False),  # JSON: [worker, time, cause] of each
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
)
Index("shards_next", shards.c.job_id, shards.c.state, shards.c.published_at, shards.c.number)
Index("shards_sent", shards.c.state, shards.c.published_at)
Index("shards_of_owner", shards.c.owner)
Index("shards_by_line", shards.c.job_id, shards.c.first_line)

workers = Table(
    "workers",
    metadata,
    Column("token", String(32), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("slots", Integer, nullable=False),
    Column("version", String(40), nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    Column("lease_until", UtcTime, nullable=False),
)

host_shares = Table(
    "host_shares",
    metadata,
    Column("host", String(300), primary_key=True),
    Column("owner", String(32), primary_key=True),
    Column("permits", Integer, nullable=False),  # as many are counted as its
    Column("granted", Integer, nullable=False),  # of these it may use; the others are in use still
    Column("since", UtcTime, nullable=False),  # when it was last granted some, or lost its turn
    Column("lease_until", UtcTime, nullable=False),
)
Index("host_shares_of_owner", host_shares.c.owner)

secrets = Table(
    "secrets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("secret", LargeBinary(32), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("purpose", String(10), nullable=False, server_default="urls"),
)

# What is so for good: `archive` is the id by which its folder of images knows it.
facts = Table(
    "facts",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("value", String(100), nullable=False),
)
