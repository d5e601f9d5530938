"""How SQLite lays the tables out, and its forms of what ``dialect`` leaves to the engine.

Whoever makes a connection imports it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler, TypeCompiler

from submarine_jupyter_server.store import tables
from submarine_jupyter_server.store.tables.dialect import Number, Unindexed, ascending, descending

# Without this SQLite gives the number of a row that was removed to another one (https://www.sqlite.org/autoinc.html).
for _table in (tables.experiment, tables.outbox, tables.event, tables.row_change):
    _table.dialect_options["sqlite"]["autoincrement"] = True

# Short rows that are found by their key lie in its index (https://www.sqlite.org/withoutrowid.html).
for _table in (
    tables.experiment_tag,
    tables.experiment_value,
    tables.shown_values,
    tables.replica,
    tables.made_object,
    tables.log_position,
    tables.metrics_read,
    tables.param,
    tables.progress,
):
    _table.dialect_options["sqlite"]["with_rowid"] = False

for _table in tables.metadata.tables.values():
    for _index in _table.indexes:
        _index.dialect_options["sqlite"]["where"] = _index.info.get(tables.ONLY)


@compiles(Number, "sqlite")
def _number(kind: Number, compiler: TypeCompiler, **options: Any) -> str:
    # 64 bits in SQLite, and the only type of a key that it counts.
    return "INTEGER"


# Null is below everything in SQLite, which takes no other word for that in an index, and none at all before 3.30
# (https://www.sqlite.org/lang_select.html#orderby).
@compiles(ascending, "sqlite")
def _ascending(element: ascending, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(descending, "sqlite")
def _descending(element: descending, compiler: SQLCompiler, **options: Any) -> str:
    return f"{compiler.process(element.clauses, **options)} DESC"


@compiles(Unindexed, "sqlite")
def _unindexed(element: Unindexed, compiler: SQLCompiler, **options: Any) -> str:
    # https://www.sqlite.org/optoverview.html#uplus
    return f"+{compiler.process(element.clauses, **options)}"
