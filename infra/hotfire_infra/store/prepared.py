"""Statements that come with every batch: on SQLite the driver gets them without a way around.

SQLAlchemy looks each up in its cache, makes a context and a result for it; the driver needs a tenth
of that. Values are turned as SQLAlchemy turns them, so nobody can tell by what comes back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, Update
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

from hotfire_infra.store.postgres import is_postgres

_DIALECT = sqlite.dialect()

Turn = Callable[[Any], Any] | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement and its text for SQLite; `prepare` makes one."""

    statement: Select[*tuple[Any, ...]] | Update
    text: str
    names: tuple[str, ...]
    """Of its values, in the order of their marks."""
    inward: tuple[Turn, ...]
    outward: tuple[Turn, ...]

    def row(self, connection: Connection, **values: Any) -> tuple[Any, ...] | None:
        """Return the first row of a query; None where there is none."""
        if is_postgres(connection):
            found = connection.execute(self.statement, values).first()
            return None if found is None else tuple(found)
        row = self._on_driver(connection, values).fetchone()
        return None if row is None else _turned(self.outward, row)

    def run(self, connection: Connection, **values: Any) -> None:
        """Do what returns nothing."""
        if is_postgres(connection):
            connection.execute(self.statement, values)
        else:
            self._on_driver(connection, values)

    def _on_driver(self, connection: Connection, values: dict[str, Any]) -> Any:
        driver: Any = connection.connection.driver_connection
        given = [values[name] for name in self.names]
        return driver.execute(self.text, _turned(self.inward, given))


def prepare(statement: Select[*tuple[Any, ...]] | Update) -> Prepared:
    """Return a statement all of whose values are named by `bindparam`."""
    compiled: Any = statement.compile(dialect=_DIALECT)
    names = tuple(compiled.positiontup)
    columns = statement.selected_columns if isinstance(statement, Select) else ()
    return Prepared(
        statement=statement,
        text=compiled.string,
        names=names,
        inward=tuple(_native(compiled.binds[name].type).bind_processor(_DIALECT) for name in names),
        outward=tuple(_native(one.type).result_processor(_DIALECT, None) for one in columns),
    )


def _native(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    return kind.dialect_impl(_DIALECT)


def _turned(turns: tuple[Turn, ...], values: Any) -> tuple[Any, ...]:
    return tuple(
        [value if turn is None else turn(value) for turn, value in zip(turns, values, strict=True)]
    )
