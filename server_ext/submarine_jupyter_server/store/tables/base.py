"""What all tables share: their metadata, and the column that says of which experiment a row is."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ForeignKey, MetaData, String, Table

from submarine_jupyter_server.store.tables.dialect import Text

# In the ``info`` of an index: the rows that it holds, where these are not all.
ONLY = "only"

metadata = MetaData()

# Alembic's own table: it is here so that a new database is made, and an old one recognised, without importing Alembic.
alembic_version = Table("alembic_version", metadata, Column("version_num", String(32), primary_key=True))

meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))


def of_experiment(**options: Any) -> Column[str]:
    return Column("experiment_id", Text, ForeignKey("experiment.id", ondelete="CASCADE"), **options)
