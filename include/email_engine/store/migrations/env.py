"""Alembic's environment: runs on the connection that `migrate.upgrade` hands over."""

from alembic import context

from email_engine.store.schema import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema=SCHEMA,
    include_schemas=True,
)
with context.begin_transaction():
    context.run_migrations()
