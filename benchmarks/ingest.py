"""`python -m benchmarks.ingest`: results into the store, against the raw drivers with the same rows.

A fixed mix: attempts of 1,000 records; one result in ten failed with a message of 2 KB, half of
which were seen before; one test in 50 tried twice; one test in 100 never seen; a new environment in
every fifth attempt. The index for history is on, and two processes read pages all the while. The
limit writes the very rows that ours made, already interned, into the same schema in the same
transactions: `executemany` on SQLite, COPY of ready bytes on PostgreSQL.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from benchmarks.ingest_http import http_rows
from benchmarks.report import Row, print_report
from sqlalchemy import Connection, insert, select

from hotfire_infra.ingest.context import AttemptContext
from hotfire_infra.ingest.records import write_records
from hotfire_infra.store.database import Store, open_store
from hotfire_infra.store.models import (
    Attempt,
    Base,
    Cell,
    Environment,
    Message,
    Result,
    Run,
    SourceStamp,
    Task,
    Test,
    Variant,
)
from hotfire_infra.store.queries_pages import history_page
from hotfire_testframework.contract.stream import Record

A_BATCH = 1_000
MESSAGE_BYTES = 2_000
KNOWN_TESTS = 4_000
READERS = 2
SQLITE_GOAL, COPY_GOAL = 0.9, 0.6
# What ours writes for results; `attempt` is only pointed to its environment.
TABLES: tuple[type[Base], ...] = (Environment, Test, Message, Result)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that one batch of ours left in each table, in the order of columns."""

    tables: dict[str, list[tuple[Any, ...]]]


def batches(count: int, seed: int = 1) -> list[list[Record]]:
    """Return the records of `count` attempts."""
    chance = random.Random(seed)
    frequent = [_message(chance) for _ in range(200)]
    made = []
    for attempt in range(count):
        records: list[Record] = []

        def add(kind: str, body: dict[str, Any], into: list[Record] = records) -> None:
            into.append(Record(seq=len(into) + 1, kind=kind, mono_ns=0, body=body))

        if attempt % 5 == 0:
            add("environment", {"values": {"driver": f"{attempt}", "cpu": "Zen 5"}})
        while len(records) < A_BATCH:
            number = chance.randrange(KNOWN_TESTS)
            is_new = chance.random() < 0.01
            test = f"m/case/new-{attempt}-{len(records)}" if is_new else _name(number)
            for try_number in (1, 2) if chance.random() < 0.02 else (1,):
                failed = chance.random() < 0.1
                body: dict[str, Any] = {
                    "test": test,
                    "try": try_number,
                    "outcome": "failed" if failed else "passed",
                    "duration_ns": chance.randrange(10**9),
                    "environment_class": "cpu/avx2",
                }
                if failed:
                    is_known = chance.random() < 0.5
                    body["message"] = chance.choice(frequent) if is_known else _message(chance)
                    body["failure_class"] = "product"
                add("test_attempt", body)
        made.append(records)
    return made


def _name(number: int) -> str:
    return f"aestus.kernels/case/matmul.f32:m={number},n=64,k=64,seed=1"


def _message(chance: random.Random) -> str:
    return chance.randbytes(MESSAGE_BYTES // 2).hex()


def prepare(store: Store, attempts: int) -> None:
    """Fill in what results point to: a run with one cell and so many attempts; the known tests."""
    with store.writing() as connection:

        def one(model: type[Base], **values: Any) -> None:
            connection.execute(insert(model).values(**values))

        one(SourceStamp, id=1, repository="here", revision="r", patch_digest="", subject="")
        one(Variant, id=1, hash="0", axes={})
        one(
            Run, id=1, ulid="1", number=1, pipeline="p", source_stamp_id=1, plan_digest="0",
            plan_sha256="0", state="running", requested_by="me", created_ns=0,
        )  # fmt: skip
        one(
            Cell, id=1, run_id=1, key="c", task="t", platform="here", variant_id=1,
            required="always", requires={}, state="running",
        )  # fmt: skip
        one(
            Task, id=1, run_id=1, cell_id=1, key="c", shard=1, shards=1, spec={},
            requested_digest="0", state="running",
        )  # fmt: skip
        connection.execute(
            insert(Attempt),
            [
                {
                    "id": number + 1, "ulid": str(number), "task_id": 1, "number": number + 1,
                    "state": "started", "executor": "e", "pool": "p", "token_sha256": "0",
                    "boot_id": "b", "lease_expires_mono_ns": 0, "created_ns": 0,
                }
                for number in range(attempts)
            ],
        )  # fmt: skip
        connection.execute(
            insert(Test),
            [
                dict(zip(("module", "scheme", "name"), _name(number).split("/", 2), strict=True))
                for number in range(KNOWN_TESTS)
            ],
        )


def context_of(attempt: int) -> AttemptContext:
    """Return what the rows of an attempt repeat."""
    fields = {"attempt_id": attempt, "run_id": 1, "variant_id": 1, "platform": "here"}
    return AttemptContext(**fields, month=202601)  # type: ignore[arg-type]  # ints and a text


def write_ours(store: Store, work: Sequence[Sequence[Record]]) -> float:
    """Write all batches, a transaction each; return the seconds."""
    begin = time.perf_counter()
    for number, records in enumerate(work):
        with store.writing() as connection:
            write_records(connection, context_of(number + 1), records)
    return time.perf_counter() - begin


def rows_of(store: Store, count: int) -> list[Rows]:
    """Return what each batch left: results by attempt, dictionaries with the first that needs them."""
    made = [Rows({model.__tablename__: [] for model in TABLES}) for _ in range(count)]
    with store.reading() as connection:
        first = {"test": {}, "message": {}}  # type: dict[str, dict[int, int]]
        for row in connection.execute(select(*Result.__table__.c).order_by(Result.attempt_id)):
            batch = row.attempt_id - 1
            made[batch].tables["result"].append(tuple(row))
            first["test"].setdefault(row.test_id, batch)
            if row.message_id is not None:
                first["message"].setdefault(row.message_id, batch)
        for model in (Test, Message):
            name = model.__tablename__
            for row in connection.execute(select(*model.__table__.c)):
                is_known = name == "test" and row.id <= KNOWN_TESTS
                if not is_known:
                    made[first[name][row.id]].tables[name].append(tuple(row))
        for row in connection.exec_driver_sql(
            "SELECT id, sha256, CAST(fields AS TEXT) FROM environment"
        ):
            made[(row.id - 1) * 5].tables["environment"].append(tuple(row))
    return made


def write_executemany(path: Path, work: Sequence[Rows]) -> float:
    """Write the rows with the driver alone, a transaction a batch; return the seconds."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("synchronous = NORMAL", "foreign_keys = 1", "cache_size = -32768"):
        connection.execute(f"PRAGMA {pragma}")
    statements = {
        model.__tablename__: f"INSERT INTO {model.__tablename__} VALUES "
        f"({', '.join('?' for _ in model.__table__.c)})"
        for model in TABLES
    }
    begin = time.perf_counter()
    for batch in work:
        connection.execute("BEGIN IMMEDIATE")
        for name, rows in batch.tables.items():
            if rows:
                connection.executemany(statements[name], rows)
        connection.execute("COMMIT")
    seconds = time.perf_counter() - begin
    connection.close()
    return seconds


def write_copy(store: Store, work: Sequence[Rows]) -> float:
    """COPY ready bytes, a transaction a batch; return the seconds."""
    ready = [
        {name: _copy_text(rows) for name, rows in batch.tables.items() if rows} for batch in work
    ]
    begin = time.perf_counter()
    for tables in ready:
        with store.writing() as connection:
            driver: Any = connection.connection.driver_connection
            for name, content in tables.items():
                with driver.cursor() as cursor, cursor.copy(f"COPY {name} FROM STDIN") as copy:
                    copy.write(content)
    return time.perf_counter() - begin


def _copy_text(rows: Sequence[tuple[Any, ...]]) -> bytes:
    def field(value: Any) -> str:
        if value is None:
            return r"\N"
        return str(value).replace("\\", r"\\").replace("\n", r"\n").replace("\t", r"\t")

    return "".join("\t".join(map(field, row)) + "\n" for row in rows).encode()


def _read(home: Path, database: str | None, stop: Event, ready: Event) -> None:
    store = open_store(home, database=database)
    chance = random.Random(0)
    while not stop.is_set():
        with store.reading() as connection:
            history_page(connection, chance.randrange(KNOWN_TESTS) + 1, limit=100)
        ready.set()
    store.close()


@contextmanager
def being_read(home: Path, database: str | None) -> Iterator[None]:
    """Let two other processes read the history of tests, page after page, without a pause."""
    spawn = multiprocessing.get_context("spawn")
    stop, ready = spawn.Event(), [spawn.Event() for _ in range(READERS)]
    readers = [spawn.Process(target=_read, args=(home, database, stop, one)) for one in ready]
    for reader in readers:
        reader.start()
    for one in ready:
        one.wait()
    try:
        yield
    finally:
        stop.set()
        for reader in readers:
            reader.join()


def measure(
    fresh: Callable[[], tuple[Store, str | None]],
    limit: Callable[[Store, Sequence[Rows]], float],
    work: Sequence[Sequence[Record]],
    trials: int,
) -> tuple[float, float]:
    """Return records a second of ours and of the limit: medians of trials in turn."""
    ours, bare = [], []
    rows: list[Rows] = []
    total = sum(map(len, work))
    for _ in range(trials):
        store, database = fresh()
        with being_read(store.home, database):
            ours.append(total / write_ours(store, work))
        rows = rows or rows_of(store, len(work))
        store.close()
        store, database = fresh()
        with being_read(store.home, database):
            bare.append(total / limit(store, rows))
        _require_same(store, rows)
        store.close()
    return statistics.median(ours), statistics.median(bare)


def _require_same(store: Store, rows: Sequence[Rows]) -> None:
    with store.reading() as connection:
        found = _count(connection)
    expected = sum(len(batch.tables["result"]) for batch in rows)
    if found != expected:
        raise AssertionError(f"the limit wrote {found} results, ours {expected}")


def _count(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT count(*) FROM result").scalar_one())


def sqlite_row(folder: Path, work: Sequence[Sequence[Record]], trials: int) -> Row:
    """Measure SQLite."""
    template = folder / "template"
    store = open_store(template)
    prepare(store, len(work))
    store.close()

    def fresh() -> tuple[Store, str | None]:
        home = Path(tempfile.mkdtemp(dir=folder))
        shutil.copy(template / "hotfire.db", home)
        return open_store(home), None

    ours, bare = measure(
        fresh, lambda made, rows: write_executemany(made.home / "hotfire.db", rows), work, trials
    )
    return Row(
        name="SQLite, two readers", ours=ours, peer=bare, peer_name="sqlite3 executemany",
        unit="records/s", goal=SQLITE_GOAL, better="higher",
    )  # fmt: skip


def postgres_row(folder: Path, work: Sequence[Sequence[Record]], trials: int) -> Row:
    """Measure PostgreSQL with its fsync on."""
    from benchmarks.postgres_server import PostgresServer

    server = PostgresServer({"fsync": "on", "full_page_writes": "on", "shared_buffers": "256MB"})
    server.start()
    try:
        template = server.create_database()
        store = open_store(folder / "postgres", database=server.address(template))
        prepare(store, len(work))
        with store.writing() as connection:
            connection.exec_driver_sql(
                "SELECT setval(pg_get_serial_sequence('test', 'id'), max(id)) FROM test"
            )
        store.close()

        def fresh() -> tuple[Store, str | None]:
            address = server.address(server.create_database(template))
            return open_store(Path(tempfile.mkdtemp(dir=folder)), database=address), address

        ours, bare = measure(fresh, write_copy, work, trials)
    finally:
        server.close()
    return Row(
        name="PostgreSQL, two readers", ours=ours, peer=bare, peer_name="COPY of ready bytes",
        unit="records/s", goal=COPY_GOAL, better="higher",
    )  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within a minute")
    quick = parser.parse_args().quick
    count, trials = (10, 1) if quick else (200, 5)
    work = batches(count)
    with tempfile.TemporaryDirectory(prefix="hotfire-ingest-") as folder:
        rows = [
            sqlite_row(Path(folder), work, trials),
            postgres_row(Path(folder), work, trials),
            *http_rows(quick=quick),
        ]
    print_report("ingest", rows)


if __name__ == "__main__":
    main()
