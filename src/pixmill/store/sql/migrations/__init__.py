"""Alembic's environment: `env` and the steps under `versions`, oldest first by number."""
