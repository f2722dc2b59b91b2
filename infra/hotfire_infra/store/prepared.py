"""Statements that come with every batch: on SQLite the driver gets them without a way around.

SQLAlchemy looks each up in its cache, makes a context and a result for it; the driver needs a tenth
of that. Values are turned as SQLAlchemy turns them, so nobody can tell by what comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Delete, Insert, Select, Update
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

from hotfire_infra.store.postgres import is_postgres

_DIALECT = sqlite.dialect()

Statement = Select[*tuple[Any, ...]] | Insert | Update | Delete
Turn = Callable[[Any], Any] | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement and its text for SQLite; `prepare` makes one."""

    statement: Statement
    text: str
    names: tuple[str, ...]
    """Of its values, in the order of their marks."""
    inward: tuple[Turn, ...]
    outward: tuple[Turn, ...]
    fixed: Mapping[str, Any]
    """Values that stand in the statement itself."""

    def row(self, connection: Connection, **values: Any) -> tuple[Any, ...] | None:
        """Return the first row of a query; None where there is none."""
        if is_postgres(connection):
            found = connection.execute(self.statement, values).first()
            return None if found is None else tuple(found)
        row = self._on_driver(connection, values).fetchone()
        return None if row is None else _turned(self.outward, row)

    def rows(self, connection: Connection, **values: Any) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        if is_postgres(connection):
            return [tuple(row) for row in connection.execute(self.statement, values)]
        return [_turned(self.outward, row) for row in self._on_driver(connection, values)]

    def run(self, connection: Connection, **values: Any) -> int:
        """Do what returns nothing; return how many rows it was done to."""
        if is_postgres(connection):
            return connection.execute(self.statement, values).rowcount
        return int(self._on_driver(connection, values).rowcount)

    def _on_driver(self, connection: Connection, values: dict[str, Any]) -> Any:
        driver: Any = connection.connection.driver_connection
        given = [values[name] if name in values else self.fixed[name] for name in self.names]
        return driver.execute(self.text, _turned(self.inward, given))


def prepare(statement: Statement) -> Prepared:
    """Return a statement whose values are named by `bindparam`, or stand in it."""
    compiled: Any = statement.compile(dialect=_DIALECT)
    names = tuple(compiled.positiontup)
    binds = {name: compiled.binds[name] for name in names}
    columns = statement.selected_columns if isinstance(statement, Select) else ()
    return Prepared(
        statement=statement,
        text=compiled.string,
        names=names,
        inward=tuple(_native(compiled.binds[name].type).bind_processor(_DIALECT) for name in names),
        fixed={name: bind.effective_value for name, bind in binds.items() if not bind.required},
        outward=tuple(_native(one.type).result_processor(_DIALECT, None) for one in columns),
    )


def _native(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    return kind.dialect_impl(_DIALECT)


def _turned(turns: tuple[Turn, ...], values: Any) -> tuple[Any, ...]:
    return tuple(
        [value if turn is None else turn(value) for turn, value in zip(turns, values, strict=True)]
    )
