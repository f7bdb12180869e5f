"""Alembic runs this for every command; `adapters.sql.migrate` gives it the connection."""

from alembic import context

from adapters.sql.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter a table in place; a batch copies it.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
