"""A statement that is put together once, and carried out for many rows of plain values.

SQLAlchemy takes longer to arrange the values of a row than an engine takes to store them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.compiler import SQLCompiler


class Prepared:
    """An INSERT or UPDATE; ``names`` are those of the values of a row, columns first, in the order of their table."""

    def __init__(self, statement: Executable, *names: str) -> None:
        self.statement = statement
        self.names = names
        self._texts: dict[str, tuple[str, bool]] = {}

    def __call__(self, tx: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Carry it out for each row: numbers, and text as ``storable`` returns it."""
        if rows:
            text, positional = self.text(tx)
            tx.exec_driver_sql(text, list(rows) if positional else [dict(zip(self.names, row)) for row in rows])  # noqa: B905

    def text(self, tx: Connection) -> tuple[str, bool]:
        """Return it in the words of the engine, and whether that takes values by their place."""
        if (found := self._texts.get(tx.dialect.name)) is None:
            made = self.statement.compile(dialect=tx.dialect, column_keys=list(self.names))  # type: ignore[attr-defined]
            assert isinstance(made, SQLCompiler)  # noqa: S101 - for the type checker
            if made.positional and tuple(made.positiontup or ()) != self.names:
                raise AssertionError(f"{made.positiontup}, not {self.names}")
            found = self._texts[tx.dialect.name] = str(made), made.positional
        return found
