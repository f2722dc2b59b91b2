"""The first page of a list reads about as many rows as it shows, however long the list became.

What SQLite does is counted in steps of its machine; a scan of one big table alone would be a
hundred times what is allowed. `make test-scale` asks the same of a million rows;
HOTFIRE_SCALE_RESULTS names another number, HOTFIRE_SCALE_HOME a folder in which the store is kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from benchmarks.grown_store import CELLS, PER_RUN, TESTS, grown
from benchmarks.lists import LISTS, SERIES, last_run
from sqlalchemy import Connection, event

from hotfire_infra.store import queries_measurements
from hotfire_infra.store import queries_pages as pages
from hotfire_infra.store.database import Store

STEPS_A_ROW = 150
"""Of SQLite's machine, for a row of forty columns out of a dozen joined tables."""
BIG = ("result", "verdict", "measurement", "attempt", "task", "cell", "run", "outbox", "audit")
SMALL_RESULTS = 40_000
SCALE_RESULTS = int(os.environ.get("HOTFIRE_SCALE_RESULTS", "1000000"))


@pytest.fixture
def dialect() -> str:
    return "sqlite"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = grown(tmp_path_factory.mktemp("small"), results=SMALL_RESULTS)
    yield store
    store.close()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    kept = os.environ.get("HOTFIRE_SCALE_HOME")
    store = grown(Path(kept) if kept else tmp_path_factory.mktemp("large"), results=SCALE_RESULTS)
    yield store
    store.close()


PAGES = {
    **LISTS,
    "measurements of a run": lambda c: queries_measurements.measurements_of_run(c, last_run(c)),
}


@contextmanager
def counted(store: Store) -> Iterator[tuple[list[int], set[str], Connection]]:
    """Yield steps of SQLite's machine, the plans of what is asked, and a connection to ask on."""
    steps, plans = [0], set()
    with store.reading() as connection:
        driver: Any = connection.connection.driver_connection

        def tick() -> int:
            steps[0] += 100
            return 0

        def explain(_c: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            driver.set_progress_handler(None, 0)
            rows = driver.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            plans.update(row[3] for row in rows)
            driver.set_progress_handler(tick, 100)

        event.listen(connection, "before_cursor_execute", explain)
        try:
            yield steps, plans, connection
        finally:
            driver.set_progress_handler(None, 0)


def check(store: Store, name: str) -> None:
    with counted(store) as (steps, plans, connection):
        items = PAGES[name](connection)
    shown = max(len(items), CELLS)
    assert steps[0] <= 10 * shown * STEPS_A_ROW, (name, steps[0], sorted(plans))
    whole = {f"SCAN {table}" for table in BIG}
    # The newest rows of a table by its key are a scan that ends with the page.
    by_key = {"SCAN run", "SCAN audit"}
    assert not (plans & whole) - by_key, (name, sorted(plans))


@pytest.mark.parametrize("name", PAGES)
def test_a_first_page_reads_what_it_shows(small, name):
    check(small, name)


@pytest.mark.scale
@pytest.mark.parametrize("name", PAGES)
def test_a_first_page_of_a_million_rows_reads_what_it_shows(large, name):
    check(large, name)


def test_the_counter_notices_a_scan(small):
    with counted(small) as (steps, plans, connection):
        connection.exec_driver_sql("SELECT count(*) FROM result WHERE outcome = 'lost'").scalar()
    assert "SCAN result" in plans
    assert steps[0] > SMALL_RESULTS


def all_pages(read: Callable[..., pages.Page[Any]], limit: int) -> list[Any]:
    found, page = [], read(limit=limit, after=None)
    while True:
        assert len(page.items) <= limit
        found += page.items
        if page.after is None:
            return found
        page = read(limit=limit, after=page.after)


@pytest.mark.parametrize("limit", [7, 100, 5000])
def test_pages_join_up_to_the_whole_list_without_gap_or_repetition(small, limit):
    with small.reading() as connection:
        run = last_run(connection)
        every = all_pages(lambda **at: pages.verdicts_page(connection, run, **at), limit)
        kinds = ["failed", "passed"]
        both = all_pages(
            lambda **at: pages.verdicts_page(connection, run, verdicts=kinds, **at), limit
        )
        attempts = all_pages(lambda **at: pages.attempts_keys(connection, run, **at), limit)
        history = all_pages(lambda **at: pages.result_keys(connection, 8, **at), limit)
        points = all_pages(lambda **at: pages.points_page(connection, SERIES, **at), limit)
    assert len(every) == len(set(every)) == PER_RUN
    assert both == every == sorted(every)
    assert len(attempts) == len(set(attempts)) == CELLS
    assert history == sorted(history, reverse=True)
    assert len(history) == len(set(history)) == SMALL_RESULTS // TESTS
    assert len(points) == SMALL_RESULTS // PER_RUN
    assert [point.run_number for point in points] == sorted(
        (point.run_number for point in points), reverse=True
    )
