"""The schema's version: read, judged and brought up to date."""

from pathlib import Path
from threading import Lock
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from app.engine.ports import StoreError, StoreFault

CONNECTION: Final = "connection"
VERSION_TABLE: Final = "journal_schema"
MIGRATIONS: Final = Path(__file__).parent / "migrations"
_ONE_AT_A_TIME: Final = Lock()
"""Alembic keeps the migration that is being run in globals of its modules."""


def is_up_to_date(connection: Connection) -> bool:
    """Whether the schema is the one that this program knows.

    Raises `StoreError` where a newer program made it.
    """
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    current = context.get_current_revision()
    scripts = ScriptDirectory(str(MIGRATIONS))
    known = [script.revision for script in scripts.walk_revisions()]
    if current is not None and current not in known:
        detail = f"its schema {current} was made by a newer version of this program, which knows up to {known[0]}"
        raise StoreError(StoreFault.INCOMPATIBLE, detail)
    return current == known[0]


def bring_up_to_date(connection: Connection) -> None:
    """Run what is missing, inside the connection's transaction."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes[CONNECTION] = connection
    with _ONE_AT_A_TIME:
        command.upgrade(config, "head")
