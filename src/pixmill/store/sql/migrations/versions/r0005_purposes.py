"""Secrets for webhooks beside those for URLs: what each is for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Take this step; there is none back, a copy from before is."""
    purpose = sa.Column("purpose", sa.String(10), nullable=False, server_default="urls")
    op.add_column("secrets", purpose)
