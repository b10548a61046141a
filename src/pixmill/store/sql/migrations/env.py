"""Run by Alembic for every migration: on a connection that is given, within its transaction.

Nothing is configured here that belongs to the process, such as logging.
"""

from alembic import context

from pixmill.store.sql.schema import VERSION_TABLE, metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,  # SQLite can alter a table only by copying it
)
with context.begin_transaction():
    context.run_migrations()
