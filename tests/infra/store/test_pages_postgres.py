"""On PostgreSQL, too, the first page of a list reads about as many rows as it shows.

What its executor really read is asked of EXPLAIN ANALYZE: every row that a scan of a big table
produced or threw away. `make test-scale` asks the same of a million rows, or of as many as
HOTFIRE_SCALE_RESULTS says; HOTFIRE_SCALE_DATABASE names an empty database in which they are kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from benchmarks.grown_store import CELLS, grown
from benchmarks.lists import LISTS
from sqlalchemy import Connection, event

from hotfire_infra.store.database import Store

BIG = ("result", "verdict", "measurement", "attempt", "task", "cell", "run", "outbox", "audit")
SMALL_RESULTS = 40_000
SCALE_RESULTS = int(os.environ.get("HOTFIRE_SCALE_RESULTS", "1000000"))


def opened(
    postgres: Any, tmp_path_factory: pytest.TempPathFactory, results: int
) -> Iterator[Store]:
    name = postgres.create_database()
    store = grown(
        tmp_path_factory.mktemp("grown"), results=results, database=postgres.address(name)
    )
    yield store
    store.close()
    postgres.drop_database(name)


@pytest.fixture(scope="module")
def small(postgres, tmp_path_factory) -> Iterator[Store]:
    yield from opened(postgres, tmp_path_factory, SMALL_RESULTS)


@pytest.fixture(scope="module")
def large(request, tmp_path_factory) -> Iterator[Store]:
    if kept := os.environ.get("HOTFIRE_SCALE_DATABASE"):
        store = grown(tmp_path_factory.mktemp("grown"), results=SCALE_RESULTS, database=kept)
        yield store
        store.close()
    else:
        server = request.getfixturevalue("postgres")
        yield from opened(server, tmp_path_factory, SCALE_RESULTS)


def scans(node: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield (table, rows read) of every scan of a plan that ran."""
    table = node.get("Relation Name", "")
    if table:
        thrown = sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
        yield table, (node["Actual Rows"] + thrown) * node["Actual Loops"]
    for inner in node.get("Plans", ()):
        yield from scans(inner)


@contextmanager
def watched(
    store: Store, discouraged: Sequence[str] = ()
) -> Iterator[tuple[dict[str, float], Connection]]:
    """Yield the rows read of each big table, and a connection to ask on."""
    read: dict[str, float] = {}
    with store.reading() as connection:
        driver: Any = connection.connection.driver_connection
        for method in discouraged:
            driver.execute(f"SET LOCAL enable_{method} = off")
        runs = driver.execute("SELECT count(*) FROM run").fetchone()[0]

        def explain(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            asked = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}"
            (plan,) = driver.execute(asked, parameters or None).fetchone()[0]
            for table, rows in scans(plan["Plan"]):
                big = table.partition("_2")[0]
                # A thousand runs are a few pages, and cheapest read whole.
                if big in BIG and (big, rows) != ("run", min(runs, 1000)):
                    read[big] = read.get(big, 0) + rows

        event.listen(connection, "before_cursor_execute", explain)
        yield read, connection


def check(store: Store, name: str, *, discouraged: Sequence[str] = ()) -> None:
    with watched(store, discouraged) as (read, connection):
        shown = max(len(LISTS[name](connection)), CELLS)
    assert max(read.values(), default=0) <= 10 * shown, (name, shown, read)


@pytest.mark.parametrize("name", LISTS)
def test_a_first_page_reads_what_it_shows(small, name):
    # A table of a few pages is rightly read whole: ask what is done where that is dear.
    check(small, name, discouraged=("seqscan", "hashjoin", "mergejoin"))


@pytest.mark.scale
@pytest.mark.parametrize("name", LISTS)
def test_a_first_page_of_a_million_rows_reads_what_it_shows(large, name):
    check(large, name)


def test_the_counter_notices_a_scan(small):
    with watched(small) as (read, connection):
        connection.exec_driver_sql("SELECT count(*) FROM result WHERE outcome = 'lost'").scalar()
        connection.exec_driver_sql("SELECT max(value) FROM measurement").scalar()
    assert read["result"] == read["measurement"] == SMALL_RESULTS
