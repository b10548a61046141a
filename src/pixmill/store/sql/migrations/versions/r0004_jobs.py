"""Jobs, secrets to sign with, and the id by which a folder of images knows its archive."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Take this step; there is none back, a copy from before is."""
    _jobs()
    op.create_table(
        "secrets",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("secret", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME),
    )
    counters = sa.table("counters", sa.column("name"), sa.column("value"))
    op.bulk_insert(counters, [{"name": "secrets", "value": 0}])
    facts = op.create_table(
        "facts",
        sa.Column("name", sa.String(20), primary_key=True),
        sa.Column("value", sa.String(100), nullable=False),
    )
    op.bulk_insert(facts, [{"name": "archive", "value": secrets.token_hex(16)}])


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("place", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("key_id", sa.Integer, sa.ForeignKey("keys.id", name="jobs_key"), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("word", sa.String(200)),
        sa.Column("request", sa.LargeBinary(32), nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("result", sa.String(500)),
        sa.Column("result_bytes", sa.BigInteger),
        sa.Column("result_type", sa.String(100)),
        sa.Column("code", sa.String(40)),
        sa.Column("message", sa.Text),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("finished_at", _TIME),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("deaths", sa.Integer, nullable=False),
        sa.Column("lease_owner", sa.String(64)),
        sa.Column("lease_until", _TIME),
        sa.Column("webhook", sa.Text),
        sa.Column("webhook_attempts", sa.Integer, nullable=False),
        sa.Column("webhook_state", sa.String(10)),
        sa.Column("webhook_at", _TIME),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    op.create_index("jobs_id", "jobs", ["id"], unique=True)
    op.create_index("jobs_of_key", "jobs", ["key_id", "place"])
    op.create_index("jobs_by_state", "jobs", ["state", "key_id", "place"])
    op.create_index("jobs_finished", "jobs", ["state", "finished_at"])
    op.create_index("jobs_webhook", "jobs", ["webhook_at"])
    op.create_index("jobs_word", "jobs", ["key_id", "word"], unique=True)
