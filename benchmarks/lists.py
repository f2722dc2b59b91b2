"""`python -m benchmarks.lists`: first pages of 100 of every list, on a store of ten million results.

Beside each 95th percentile stands that of a bare lookup by primary key on the same file. How many
rows a page reads is a test (tests/infra/store/test_pages.py, test_pages_postgres.py). `--results` names
another size, `--postgres` asks a PostgreSQL of its own instead of SQLite. What is kept and measured
again next time: `--home` a folder with a store, `--database` the address of a database.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.grown_store import CELLS, TESTS, grown
from benchmarks.postgres_server import PostgresServer
from benchmarks.report import Row, print_report
from sqlalchemy import Connection

from hotfire_infra.store import queries, queries_lists, queries_measurements
from hotfire_infra.store import queries_pages as pages
from hotfire_infra.store.audit import AuditFilter, audit_log
from hotfire_infra.store.database import Store

LIMIT = 100
TRIALS = 200
SERIES = f"{7 * CELLS + 3:064x}"


def last_run(connection: Connection) -> int:
    """Return the surrogate of the newest run."""
    return queries.newest_runs(connection, limit=1)[0].id


def _failing(connection: Connection) -> Any:
    run = last_run(connection)
    return pages.verdicts_page(connection, run, limit=LIMIT, verdicts=["failed", "errored"]).items


LISTS: dict[str, Callable[[Connection], Any]] = {
    "runs": lambda c: queries.newest_runs(c, limit=LIMIT),
    "runs of a pipeline": lambda c: queries.newest_runs(c, limit=LIMIT, pipeline="pipeline-1"),
    "tests of a run": lambda c: queries_lists.tests_page(
        c, last_run(c), queries_lists.verdict_keys(c, last_run(c), limit=LIMIT)
    ),
    "failing tests of a run": _failing,
    "verdicts of a cell": lambda c: (
        pages.verdicts_page(c, last_run(c), limit=LIMIT, cell_id=last_run(c) * CELLS - 3).items
    ),
    "history of a test": lambda c: pages.history_page(c, 8, limit=LIMIT).items,
    "history of a test and variant": lambda c: (
        pages.history_page(c, 8, limit=LIMIT, variant_id=4).items
    ),
    "points of a series": lambda c: pages.points_page(c, SERIES, limit=LIMIT).items,
    "series of a test": lambda c: queries_measurements.series_of_test(c, 8),
    "series called": lambda c: queries_measurements.series_called(c, SERIES[:63]),
    "attempts of a run": lambda c: pages.attempts_keys(c, last_run(c), limit=LIMIT).items,
    "attempts of a run, listed": lambda c: queries_lists.attempts_page(c, last_run(c), limit=LIMIT),
    "events of a run": lambda c: queries_lists.events_between(
        c, last_run(c), after=0, until=1 << 62, limit=LIMIT
    ),
    "events": lambda c: queries_lists.outbox_after(c, 10, limit=LIMIT),
    "requests": lambda c: queries_lists.requests_page(c, limit=LIMIT),
    "audit": lambda c: audit_log(c, AuditFilter(), limit=LIMIT),
    "denied in the audit": lambda c: audit_log(c, AuditFilter(outcome="denied"), limit=LIMIT),
}
"""What pages ask for; every one reads about as many rows as it shows."""


def _p95_ms(store: Store, ask: Callable[[Connection], Any], trials: int) -> float:
    took = []
    for _ in range(trials):
        begin = time.perf_counter()
        with store.reading() as connection:
            ask(connection)
        took.append((time.perf_counter() - begin) * 1000)
    return statistics.quantiles(took, n=20)[-1]


def lookup_of(results: int, *, is_postgres: bool = False) -> Callable[[Connection], Any]:
    """Return a lookup of one result by its key, another one each time."""
    chance = random.Random(1)
    attempts = max(1, results // TESTS)
    sign = "%s" if is_postgres else "?"
    statement = f"SELECT * FROM result WHERE attempt_id = {sign} AND seq = {sign}"

    def ask(connection: Connection) -> Any:
        key = (chance.randrange(attempts) + 1, chance.randrange(TESTS) + 1)
        return connection.exec_driver_sql(statement, key).one()

    return ask


def main() -> None:
    """Grow a store, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within a minute")
    parser.add_argument("--results", type=int, default=None, metavar="N")
    parser.add_argument("--home", type=Path, default=None, metavar="FOLDER")
    parser.add_argument("--postgres", action="store_true", help="with a server of its own")
    parser.add_argument("--database", default=None, metavar="ADDRESS", help="postgresql://…")
    chosen = parser.parse_args()
    results = chosen.results or (200_000 if chosen.quick else 10_000_000)
    trials = 20 if chosen.quick else TRIALS
    with contextlib.ExitStack() as stack:
        home = chosen.home or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="hotfire-lists-"))
        )
        database = chosen.database
        if chosen.postgres and database is None:
            server = PostgresServer()
            stack.callback(server.close)
            server.start()
            database = server.address(server.create_database())
        store = stack.enter_context(
            contextlib.closing(grown(home, results=results, database=database))
        )
        lookup = _p95_ms(store, lookup_of(results, is_postgres=store.is_shared), trials)
        rows = [
            Row(
                name=f"{name}, p95", ours=_p95_ms(store, ask, trials), peer=lookup,
                peer_name="lookup by key", unit="ms", goal=None, better="lower",
            )
            for name, ask in LISTS.items()
        ]  # fmt: skip
    print_report("lists on PostgreSQL" if store.is_shared else "lists", rows)


if __name__ == "__main__":
    main()
