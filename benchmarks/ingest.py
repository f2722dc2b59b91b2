"""`python -m benchmarks.ingest`: results into the store, against the raw drivers with the same rows.

A fixed mix: attempts of 1,000 records; one result in ten failed with a message of 2 KB, half of
which were seen before; one test in 50 tried twice; one test in 100 never seen; one in 20 measured,
with ten replicates; a new environment in every fifth attempt. The index for history is on, and two
processes read pages all the while.

The limit writes rows into the same schema in the same transactions: `executemany` on SQLite, COPY of
ready bytes on PostgreSQL. Ours in two rows: the very same rows, written so that a redelivery changes
nothing and dictionaries are looked up first; and the whole way from decoded records, which finds
what the batch repeats, makes the rows and moves the acknowledgement.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.ingest_http import http_rows
from benchmarks.ingest_mix import KNOWN_TESTS, batches, prepare
from benchmarks.ingest_readers import Readers
from benchmarks.report import Row, print_report
from sqlalchemy import JSON, Text, cast, func, select

from hotfire_infra.ingest.stream import Arrival, store_arrival
from hotfire_infra.store import queries_lists, results
from hotfire_infra.store.database import Store, open_store
from hotfire_infra.store.dictionaries import add_messages, intern_environment, intern_tests
from hotfire_infra.store.models import (
    Base,
    Environment,
    Measurement,
    Message,
    Result,
    Test,
)
from hotfire_testframework.contract.stream import Record
from hotfire_testframework.contract.stream_reader import Position, StreamPart

SQLITE_GOAL, COPY_GOAL = 0.9, 0.6
# What a batch leaves, apart from its attempt's acknowledgement; dictionaries first.
TABLES: tuple[type[Base], ...] = (Environment, Test, Message, Result, Measurement)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that one batch left in each table, in the order of columns."""

    tables: dict[str, list[tuple[Any, ...]]]


@dataclass(slots=True)
class Spent:
    """What a way of writing took."""

    seconds: float = 0.0
    cpu: float = 0.0
    """Seconds of this process; on SQLite that is everything."""


@contextmanager
def timed() -> Iterator[Spent]:
    """Measure a block."""
    spent, begin, cpu = Spent(), time.perf_counter(), time.process_time()
    yield spent
    spent.seconds, spent.cpu = time.perf_counter() - begin, time.process_time() - cpu


def write_records(store: Store, work: Sequence[Sequence[Record]]) -> Spent:
    """Write decoded records, a transaction a batch."""
    with store.reading() as connection:
        attempts = [queries_lists.attempt_by_id(connection, n + 1) for n in range(len(work))]
    arrivals = [
        Arrival(
            acked_seq=0,
            part=StreamPart(records=tuple(records), position=Position(seq=len(records) + 1)),
            moved=(),
            lost=(),
        )
        for records in work
    ]
    with timed() as spent:
        for attempt, arrival in zip(attempts, arrivals, strict=True):
            with store.writing() as connection:
                if store_arrival(connection, attempt, arrival) is None:
                    raise AssertionError("a batch was refused")
    return spent


def write_rows(store: Store, work: Sequence[Rows]) -> Spent:
    """Write the rows as ingest does: idempotent, dictionaries looked up, a transaction a batch."""
    ready = [_in_our_words(batch) for batch in work]
    keys: list[dict[str, int]] = []
    with timed() as spent:
        for batch in ready:
            with store.writing() as connection:
                for fields in batch.environments:
                    intern_environment(connection, fields)
                keys.append(intern_tests(connection, batch.tests))
                keys.append(add_messages(connection, batch.messages))
                results.insert_rows(connection, results.RESULT, batch.results)
                results.insert_rows(connection, results.MEASUREMENT, batch.measurements)
    expected = [found for batch in ready for found in (batch.test_keys, batch.message_keys)]
    if keys != expected:
        raise AssertionError("a dictionary gave other keys than the rows have")
    return spent


@dataclass(frozen=True, slots=True, kw_only=True)
class OurRows:
    """The rows of one batch as the store takes them."""

    environments: list[dict[str, Any]]
    tests: list[str]
    test_keys: dict[str, int]
    messages: list[tuple[str, str]]
    message_keys: dict[str, int]
    results: list[tuple[Any, ...]]
    measurements: list[tuple[Any, ...]]


def _in_our_words(batch: Rows) -> OurRows:
    tests = {"/".join(parts): key for key, *parts in batch.tables["test"]}
    messages = batch.tables["message"]
    columns = len(results.MEASUREMENT.columns)
    return OurRows(
        environments=[json.loads(fields) for _, _, fields in batch.tables["environment"]],
        tests=list(tests),
        test_keys=tests,
        messages=[(digest, text) for _, digest, text in messages],
        message_keys={digest: key for key, digest, _ in messages},
        results=batch.tables["result"],
        # The last columns are filled in later, by analysis.
        measurements=[row[:columns] for row in batch.tables["measurement"]],
    )


def rows_of(store: Store, count: int) -> list[Rows]:
    """Return what each batch left: by attempt, dictionaries with the first that needs them."""
    made = [Rows({model.__tablename__: [] for model in TABLES}) for _ in range(count)]
    first: dict[str, dict[int, int]] = {"test": {}, "message": {}}
    with store.reading() as connection:
        for model in (Result, Measurement):
            # In the order of records: so the keys of what is new are the same the next time.
            query = select(*_plain(model)).order_by(model.attempt_id, model.seq)
            for row in connection.execute(query):
                batch = row.attempt_id - 1
                made[batch].tables[model.__tablename__].append(tuple(row))
                first["test"].setdefault(row.test_id, batch)
                first["test"][row.test_id] = min(first["test"][row.test_id], batch)
                if getattr(row, "message_id", None) is not None:
                    first["message"].setdefault(row.message_id, batch)
        for dictionary in (Test, Message):
            name = dictionary.__tablename__
            query = select(*_plain(dictionary)).order_by(dictionary.id)
            for row in connection.execute(query):
                if name == "message" or row.id > KNOWN_TESTS:
                    made[first[name][row.id]].tables[name].append(tuple(row))
        for row in connection.execute(select(*_plain(Environment))):
            made[(row.id - 1) * 5].tables["environment"].append(tuple(row))
    return made


def _plain(model: type[Base]) -> list[Any]:
    """Return the columns of a model with JSON as its text, which any driver takes."""
    return [
        cast(column, Text).label(column.name) if isinstance(column.type, JSON) else column
        for column in model.__table__.c
    ]


def write_executemany(path: Path, work: Sequence[Rows]) -> Spent:
    """Write the rows with the driver alone, a transaction a batch."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in (
        "synchronous = NORMAL", "foreign_keys = 1", "cache_size = -32768",
        "wal_autocheckpoint = 8000",
    ):  # fmt: skip
        connection.execute(f"PRAGMA {pragma}")
    statements = {
        model.__tablename__: f"INSERT INTO {model.__tablename__} VALUES "
        f"({', '.join('?' for _ in model.__table__.c)})"
        for model in TABLES
    }
    with timed() as spent:
        for batch in work:
            connection.execute("BEGIN IMMEDIATE")
            for name, rows in batch.tables.items():
                if rows:
                    connection.executemany(statements[name], rows)
            connection.execute("COMMIT")
    connection.close()
    return spent


def write_copy(store: Store, work: Sequence[Rows]) -> Spent:
    """COPY ready bytes, a transaction a batch."""
    ready = [
        {name: _copy_text(rows) for name, rows in batch.tables.items() if rows} for batch in work
    ]
    with timed() as spent:
        for tables in ready:
            with store.writing() as connection:
                driver: Any = connection.connection.driver_connection
                for name, content in tables.items():
                    with driver.cursor() as cursor, cursor.copy(f"COPY {name} FROM STDIN") as copy:
                        copy.write(content)
    return spent


def _copy_text(rows: Sequence[tuple[Any, ...]]) -> bytes:
    def field(value: Any) -> str:
        if value is None:
            return r"\N"
        return str(value).replace("\\", r"\\").replace("\n", r"\n").replace("\t", r"\t")

    return "".join("\t".join(map(field, row)) + "\n" for row in rows).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is written, how often, and who reads meanwhile."""

    work: Sequence[Sequence[Record]]
    trials: int
    readers: Readers


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Of one way of writing: medians over the trials."""

    records: float
    """A second."""
    cpu_us: float
    """Of this process, per record."""


def measure(
    fresh: Callable[[], tuple[Store, str | None]],
    limit: Callable[[Store, Sequence[Rows]], Spent],
    load: Load,
) -> tuple[Rates, Rates, Rates]:
    """Return what rows, whole records and the limit reach, each trial of all three in turn."""
    work, trials = load.work, load.trials
    # Once untimed: it makes the rows, and what is compiled once is compiled.
    store, _ = fresh()
    write_records(store, work)
    rows = rows_of(store, len(work))
    store.close()
    ways: tuple[Callable[[Store], Spent], ...] = (
        lambda made: write_rows(made, rows),
        lambda made: write_records(made, work),
        lambda made: limit(made, rows),
    )
    spent: list[list[Spent]] = [[] for _ in ways]
    for _ in range(trials):
        for way, mine in zip(ways, spent, strict=True):
            store, database = fresh()
            with load.readers.reading(store.home, database):
                mine.append(way(store))
            _require_same(store, rows)
            store.close()
    total = sum(map(len, work))
    one, two, three = (
        Rates(
            records=total / statistics.median(each.seconds for each in mine),
            cpu_us=statistics.median(each.cpu for each in mine) / total * 1e6,
        )
        for mine in spent
    )
    return one, two, three


def _require_same(store: Store, rows: Sequence[Rows]) -> None:
    with store.reading() as connection:
        for model in (Message, Result, Measurement):
            found = connection.execute(select(func.count()).select_from(model)).scalar_one()
            expected = sum(len(batch.tables[model.__tablename__]) for batch in rows)
            if found != expected:
                raise AssertionError(f"{found} rows of {model.__tablename__}, not {expected}")


def sqlite_rows(folder: Path, load: Load) -> list[Row]:
    """Measure SQLite."""
    template = folder / "template"
    store = open_store(template)
    prepare(store, len(load.work))
    store.close()

    def fresh() -> tuple[Store, str | None]:
        home = Path(tempfile.mkdtemp(dir=folder))
        shutil.copy(template / "hotfire.db", home)
        return open_store(home), None

    rows, records, bare = measure(
        fresh, lambda made, some: write_executemany(made.home / "hotfire.db", some), load
    )
    peer = "sqlite3 executemany"
    cpu = [
        Row(
            name=f"SQLite, CPU of {what}", ours=ours.cpu_us, peer=bare.cpu_us, peer_name=peer,
            unit="µs/record", goal=None, better="lower",
        )
        for what, ours in (("rows", rows), ("records", records))
    ]  # fmt: skip
    return [*_two_rows("SQLite", rows, records, bare, peer, SQLITE_GOAL), *cpu]


def _two_rows(
    name: str, rows: Rates, records: Rates, bare: Rates, peer: str, goal: float
) -> list[Row]:
    return [
        Row(
            name=f"{name}, {what}, two readers", ours=ours.records, peer=bare.records,
            peer_name=peer, unit="records/s", goal=aim, better="higher",
        )
        for what, ours, aim in (
            ("rows to store", rows, goal),
            ("records to store", records, None),
        )
    ]  # fmt: skip


def postgres_rows(folder: Path, load: Load) -> list[Row]:
    """Measure PostgreSQL with its fsync on."""
    from benchmarks.postgres_server import PostgresServer

    server = PostgresServer({"fsync": "on", "full_page_writes": "on", "shared_buffers": "256MB"})
    server.start()
    try:
        template = server.create_database()
        store = open_store(folder / "postgres", database=server.address(template))
        prepare(store, len(load.work))
        with store.writing() as connection:
            connection.exec_driver_sql(
                "SELECT setval(pg_get_serial_sequence('test', 'id'), max(id)) FROM test"
            )
        store.close()

        def fresh() -> tuple[Store, str | None]:
            address = server.address(server.create_database(template))
            return open_store(Path(tempfile.mkdtemp(dir=folder)), database=address), address

        rows, records, bare = measure(fresh, write_copy, load)
    finally:
        server.close()
    return _two_rows("PostgreSQL", rows, records, bare, "COPY of ready bytes", COPY_GOAL)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within a minute")
    quick = parser.parse_args().quick
    count, trials = (20, 2) if quick else (200, 5)
    load = Load(work=batches(count), trials=trials, readers=Readers())
    with tempfile.TemporaryDirectory(prefix="hotfire-ingest-") as folder:
        rows = sqlite_rows(Path(folder), load) + postgres_rows(Path(folder), load)
    rows += http_rows(load.readers, quick=quick)
    load.readers.close()
    print_report("ingest", rows)


if __name__ == "__main__":
    main()
