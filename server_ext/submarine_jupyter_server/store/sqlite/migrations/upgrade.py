"""Run the migrations inside a transaction of ours; the only importer of Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from submarine_jupyter.errors import Unavailable
from submarine_jupyter_server.process.failpoints import reach

SCRIPTS = Path(__file__).parent


def upgrade(tx: Connection) -> None:
    """Bring the schema to the newest revision.

    ``tx`` is in a write transaction, with foreign keys off: all steps are committed together, or none.
    """
    reach("migrate_step")
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = tx
    command.upgrade(config, "head")
    broken = tx.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise Unavailable(f"The database could not be migrated: a row of table {broken[0]} lost what it belongs to.")
    reach("migrate_step")
