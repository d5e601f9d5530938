"""What tables and queries need of SQL and SQLAlchemy says differently, or not at all, from engine to engine.

It is compiled here as PostgreSQL takes it; ``sqlite.layout`` has the forms of SQLite that differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Dialect, Insert, Table, TypeDecorator
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

_Maybe = TypeVar("_Maybe", str, str | None)


def storable(value: _Maybe) -> _Maybe:
    """Return text as every engine can hold it: what is not becomes an escape.

    UTF-8 cannot express half a surrogate pair, and PostgreSQL no NUL.
    """
    if value is None:
        return value
    if "\0" in value:
        value = value.replace("\0", "\\x00")
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")


class Text(TypeDecorator[str]):
    """Text from anywhere: none is an error."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return what an engine can store."""
        return storable(value)


class Number(BigInteger):
    """A whole number of 64 bits."""


class _Replacing(Insert):
    inherit_cache = True


class _Keeping(Insert):
    inherit_cache = True


class _Appending(Insert):
    inherit_cache = True


def insert_or_replace(table: Table) -> Insert:
    """Insert a row, or give the row that has its primary key its other values."""
    return _Replacing(table)


def insert_or_keep(table: Table) -> Insert:
    """Insert a row, unless there is one that has its primary key."""
    return _Keeping(table)


def insert_or_append(table: Table) -> Insert:
    """Insert a row of texts, or add them to those of the row that has its primary key."""
    return _Appending(table)


@compiles(_Replacing)
def _replacing(insert: _Replacing, compiler: SQLCompiler, **options: Any) -> str:
    name = compiler.preparer.format_column
    values = (f"{name(column)} = excluded.{name(column)}" for column in insert.table.c if not column.primary_key)
    return f"{_keys(insert, compiler, **options)} DO UPDATE SET {', '.join(values)}"


@compiles(_Appending)
def _appending(insert: _Appending, compiler: SQLCompiler, **options: Any) -> str:
    table, name = compiler.preparer.format_table(insert.table), compiler.preparer.format_column
    texts = [name(column) for column in insert.table.c if not column.primary_key]
    added = (f"{text} = {table}.{text} || excluded.{text}" for text in texts)
    return f"{_keys(insert, compiler, **options)} DO UPDATE SET {', '.join(added)}"


@compiles(_Keeping)
def _keeping(insert: _Keeping, compiler: SQLCompiler, **options: Any) -> str:
    return f"{_keys(insert, compiler, **options)} DO NOTHING"


def _keys(insert: Insert, compiler: SQLCompiler, **options: Any) -> str:
    text = compiler.visit_insert(insert, **options)  # type: ignore[no-untyped-call]
    return f"{text} ON CONFLICT ({', '.join(map(compiler.preparer.format_column, insert.table.primary_key))})"


def numbered(tx: Connection, insert: Insert, values: Mapping[str, Any]) -> int:
    """Insert a row and return the number that the engine gave it: by RETURNING where it has that."""
    key = tx.execute(insert, values).inserted_primary_key
    assert key is not None  # noqa: S101 - for the type checker
    number: int = key[0]
    return number


class ascending(FunctionElement[Any]):  # noqa: N801 - used like a function
    """From low to high, null before everything: in ORDER BY, and in the index that answers it."""

    inherit_cache = True


class descending(FunctionElement[Any]):  # noqa: N801 - used like a function
    """The other way round: null comes last."""

    inherit_cache = True


@compiles(ascending)
def _ascending(element: ascending, compiler: SQLCompiler, **options: Any) -> str:
    return f"{compiler.process(element.clauses, **options)} NULLS FIRST"


@compiles(descending)
def _descending(element: descending, compiler: SQLCompiler, **options: Any) -> str:
    return f"{compiler.process(element.clauses, **options)} DESC NULLS LAST"


class Unindexed(FunctionElement[str]):
    """A column of text that is compared row by row, whatever index there is."""

    type = Text()
    inherit_cache = True


@compiles(Unindexed)
def _unindexed(element: Unindexed, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


def unindexed(column: Column[str]) -> ColumnElement[str]:
    """Return a column so that no index is used for it, where the engine would choose badly."""
    return Unindexed(column)
