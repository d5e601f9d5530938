"""What Alembic runs: the steps on the connection that ``upgrade`` opened, inside its transaction."""

from __future__ import annotations

from alembic import context

from submarine_jupyter_server.process.failpoints import reach
from submarine_jupyter_server.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite alters a table by copying it: https://alembic.sqlalchemy.org/en/latest/batch.html
    render_as_batch=True,
    on_version_apply=lambda **_: reach("migrate_step"),
)
with context.begin_transaction():
    context.run_migrations()
