"""Shards of jobs, and the workers that do them; jobs of commands, which belong to no key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Take this step; there is none back, a copy from before is."""
    with op.batch_alter_table("jobs") as jobs:
        jobs.alter_column("key_id", existing_type=sa.Integer, nullable=True)
        jobs.add_column(sa.Column("published_at", _TIME))
        jobs.add_column(sa.Column("shards", sa.Integer))
    _shards()
    op.create_table(
        "workers",
        sa.Column("token", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("version", sa.String(40), nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
        sa.Column("lease_until", _TIME, nullable=False),
    )
    op.create_table(
        "host_shares",
        sa.Column("host", sa.String(300), primary_key=True),
        sa.Column("owner", sa.String(32), primary_key=True),
        sa.Column("permits", sa.Integer, nullable=False),
        sa.Column("granted", sa.Integer, nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("lease_until", _TIME, nullable=False),
    )
    op.create_index("host_shares_of_owner", "host_shares", ["owner"])


def _shards() -> None:
    job = sa.ForeignKey("jobs.id", name="shards_job", ondelete="CASCADE")
    op.create_table(
        "shards",
        sa.Column("job_id", sa.String(32), job, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("items", sa.Integer, nullable=False),
        sa.Column("first_line", sa.BigInteger, nullable=False),
        sa.Column("last_line", sa.BigInteger, nullable=False),
        sa.Column("input", sa.Integer, nullable=False),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("published_at", _TIME),
        sa.Column("not_before", _TIME),
        sa.Column("attempt", sa.String(32)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("deaths", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("alone", sa.Boolean, nullable=False),
        sa.Column("owner", sa.String(32)),
        sa.Column("worker", sa.String(200)),
        sa.Column("ok", sa.Integer, nullable=False),
        sa.Column("missed", sa.Integer, nullable=False),
        sa.Column("failed", sa.Text, nullable=False),
        sa.Column("failed_attempts", sa.Text, nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("finished_at", _TIME),
    )
    op.create_index("shards_next", "shards", ["job_id", "state", "published_at", "number"])
    op.create_index("shards_sent", "shards", ["state", "published_at"])
    op.create_index("shards_of_owner", "shards", ["owner"])
    op.create_index("shards_by_line", "shards", ["job_id", "first_line"])
