"""The archive: images, captures, and their counts by the minute."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Take this step; there is none back, a copy from before is."""
    _images()
    _arrivals()
    op.create_table(
        "minutes",
        sa.Column("minute", _TIME, primary_key=True),
        sa.Column("success", sa.BigInteger, nullable=False),
        sa.Column("fail", sa.BigInteger, nullable=False),
        sa.Column("duplicate", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "minute_codes",
        sa.Column("minute", _TIME, primary_key=True),
        sa.Column("code", sa.String(40), primary_key=True),
        sa.Column("fails", sa.BigInteger, nullable=False),
    )


def _images() -> None:
    op.create_table(
        "images",
        sa.Column("md5", sa.String(32), primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("format", sa.String(20), nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("colors", sa.Text, nullable=False),
        sa.Column("color", sa.String(7)),
        sa.Column("original", sa.String(300)),
        sa.Column("grey", sa.String(300), nullable=False),
        sa.Column("origin", sa.LargeBinary(16), nullable=False),
        sa.Column("inserted_at", _TIME, nullable=False),
        sa.Column("arrived_at", _TIME, nullable=False),
    )
    op.create_index("images_newest", "images", ["inserted_at", "md5"])
    op.create_index("images_arrived", "images", ["arrived_at"])


def _arrivals() -> None:
    counted = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "arrivals",
        sa.Column("id", counted, primary_key=True),
        sa.Column("key", sa.LargeBinary(16), nullable=False),
        sa.Column("arrived_at", _TIME, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("reference", sa.String(100), nullable=False),
        sa.Column("md5", sa.String(32)),
        sa.Column("result", sa.String(10), nullable=False),
        sa.Column("code", sa.String(40)),
    )
    op.create_index("arrivals_key", "arrivals", ["key"], unique=True)
    op.create_index("arrivals_of_image", "arrivals", ["md5", "id"])
    op.create_index("arrivals_of_code", "arrivals", ["code", "id"])
    op.create_index("arrivals_arrived", "arrivals", ["arrived_at"])
