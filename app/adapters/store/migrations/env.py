"""Run by Alembic: brings the schema of the connection that it is handed up to date, inside its transaction."""

from alembic import context

from app.adapters.store.schema import CONNECTION, VERSION_TABLE

context.configure(connection=context.config.attributes[CONNECTION], version_table=VERSION_TABLE)
context.run_migrations()
