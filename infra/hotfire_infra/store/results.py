"""Write what attempts report: rows by the raw driver, never by the ORM.

The order of values is the order of the columns named beside each insertion. Every insertion ignores
a row whose key is there already: the same record twice is one row. SQLite gets many rows in one
statement, PostgreSQL COPY.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection

from hotfire_infra.store.postgres import is_postgres

Rows = Sequence[tuple[Any, ...]]

COPY_FROM = 64
"""Rows from which COPY is worth its round trips."""
AT_ONCE = 100
"""Rows in one statement of SQLite, which opens its tables and indexes once for them: a quarter of the
time of a result. Their values are fewer than SQLite's 32,766 of one statement."""
FEWER = (20, 5)
"""Rows in one statement for what is left over."""


@dataclass(frozen=True, slots=True, eq=False)
class Insertion:
    """One statement of this module, in the words of both drivers; each is only like itself."""

    table: str
    columns: tuple[str, ...]
    repeats: bool
    """Rows that are there already are usual, not a redelivery."""
    sqlite: str
    postgres: str

    @property
    def names(self) -> str:
        """Return the columns, quoted and joined."""
        return _quoted(self.columns)


def _quoted(columns: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _insert(table: str, columns: str, *, repeats: bool = False) -> Insertion:
    names = tuple(columns.split())

    def statement(mark: str, verb: str = "INSERT") -> str:
        marks = ", ".join(mark for _ in names)
        return " ".join(
            [
                f"{verb} INTO",
                table,
                f"({_quoted(names)})",
                f"VALUES ({marks})",
                "ON CONFLICT DO NOTHING",
            ]
        )

    return Insertion(
        table=table,
        columns=names,
        repeats=repeats,
        # A wrong row ends the transaction, in which nothing of its statement needs to be taken
        # back: SQLite keeps no copies of the pages that a statement of many rows changes.
        sqlite=statement("?", "INSERT OR FAIL"),
        postgres=statement("%s"),
    )


RECORD = _insert("record", "attempt_id seq kind body")
PROBLEM = _insert("stream_problem", "attempt_id offset reason")
COLLECTED = _insert("collected", "attempt_id test_id")
RESULT = _insert(
    "result",
    "attempt_id seq test_id variant_id try_number outcome failure_class duration_ns"
    " message_id detail_id environment_class params metrics",
)
_OF_MOST = (
    "attempt_id variant_id seq test_id try_number outcome failure_class duration_ns message_id"
    " environment_class"
)
"""Attempt and variant first: they are the same for a whole batch."""
PLAIN_RESULT = _insert("result", _OF_MOST)
WHOLE_RESULT = _insert("result", f"{_OF_MOST} detail_id params metrics")
MEASUREMENT = _insert(
    "measurement",
    "month attempt_id seq test_id variant_id metric version unit value estimator replicates"
    " launches inner probe_metric probe_value canary valid reason definition",
)
ACCURACY_SAMPLE = _insert(
    "accuracy_sample",
    "attempt_id seq test_id variant_id task dataset item prompt decode_seed outcome score blob",
)
COVERAGE = _insert(
    "coverage",
    "run_id attempt_id suite platform language path file_sha256 executable hit",
)
TEST = _insert("test", "id module scheme name")
MESSAGE = _insert("message", "id sha256 text")
BLOB = _insert("blob", "sha256 size", repeats=True)
ARTIFACT = _insert("artifact", "attempt_id name sha256 size media_type")
LOG_CHUNK = _insert("log_chunk", "attempt_id stream offset size sha256")
VERDICT = _insert(
    "verdict",
    "run_id cell_id test_id variant_id verdict failure_class attempt_id seq tries duration_ns"
    " message_id is_new",
)


def insert_rows(
    connection: Connection,
    insertion: Insertion,
    rows: Iterable[tuple[Any, ...]],
    shared: tuple[Any, ...] = (),
) -> None:
    """Write rows with one of the insertions above; `shared` are the first values of every row."""
    values = rows if isinstance(rows, list) else list(rows)
    if not values:
        return
    if not is_postgres(connection):
        insert_many(connection, insertion, values, shared)
        return
    if shared:
        values = [shared + row for row in values]
    if insertion.repeats or len(values) < COPY_FROM:
        connection.exec_driver_sql(insertion.postgres, [_storable(row) for row in values])
    elif not _copy(connection, insertion, values):
        _copy_and_merge(connection, insertion, [_storable(row) for row in values])


def insert_many(
    connection: Connection, insertion: Insertion, rows: Rows, shared: tuple[Any, ...] = ()
) -> int:
    """Write rows on SQLite and return how many were not there yet."""
    driver: Any = connection.connection.driver_connection
    flatten, written, start, common = chain.from_iterable, 0, 0, len(shared)
    for count in (AT_ONCE, *FEWER, 1):
        while len(rows) - start >= count:
            values = [*shared, *flatten(rows[start : start + count])]
            written += driver.execute(_many(insertion, count, common), values).rowcount
            start += count
    return written


@lru_cache
def _many(insertion: Insertion, count: int, common: int) -> str:
    """Return the statement for so many rows; one text each, by which the driver knows it again.

    The first values, `common` to all rows, are given once.
    """
    head, _, tail = insertion.sqlite.partition(f"({', '.join('?' for _ in insertion.columns)})")
    width = len(insertion.columns) - common
    rows = []
    for place in range(count):
        own = range(common + 1 + place * width, common + 1 + (place + 1) * width)
        rows.append(", ".join(f"?{number}" for number in (*range(1, common + 1), *own)))
    return f"{head}({'), ('.join(rows)}){tail}"


def without_nul(text: str) -> str:
    """Show a NUL as its picture: PostgreSQL's texts cannot hold one."""
    return text.replace("\x00", "\u2400") if "\x00" in text else text


def _storable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple([without_nul(value) if type(value) is str else value for value in row])


def _copy(connection: Connection, insertion: Insertion, rows: Rows) -> bool:
    """COPY straight into the table; False: nothing was written, the rows need the long way.

    One of their keys is there already, or a text has a NUL, which the driver finds on its own:
    looking at every value first cost more than the COPY.
    """
    import psycopg

    connection.exec_driver_sql("SAVEPOINT bulk")
    try:
        _stream(connection, f"COPY {insertion.table} ({insertion.names}) FROM STDIN", rows)
    except (psycopg.errors.UniqueViolation, psycopg.DataError):
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT bulk")
        return False
    connection.exec_driver_sql("RELEASE SAVEPOINT bulk")
    return True


def _copy_and_merge(connection: Connection, insertion: Insertion, rows: Rows) -> None:
    """COPY into a temporary table and take over what is new."""
    names, table = insertion.names, insertion.table
    staging = f"staged_{table}"
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE {staging} ON COMMIT DROP AS SELECT {names} FROM {table} LIMIT 0"
    )
    _stream(connection, f"COPY {staging} ({names}) FROM STDIN", rows)
    connection.exec_driver_sql(
        f"INSERT INTO {table} ({names}) SELECT {names} FROM {staging} ON CONFLICT DO NOTHING"
    )
    connection.exec_driver_sql(f"DROP TABLE {staging}")


def _stream(connection: Connection, statement: str, rows: Rows) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        write = copy.write_row
        for row in rows:
            write(row)
