"""What the next plan cuts its shards by: medians and spreads of a cell's newest runs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from benchmarks.grown_store import CELLS, TESTS, grown
from sqlalchemy import event, update

from hotfire_infra.executors.fake import Script
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Attempt, Result
from hotfire_infra.store.queries_durations import MEASURED_RUNS, cell_history
from hotfire_pipelines.history import CellHistory, definition_of

TESTS_OF = {"unit": ["m/s/fast", "m/s/slow"]}
SECOND = 1_000_000_000


def asked(store: Store, cell: str = "unit", task: str = "unit") -> CellHistory | None:
    with store.reading() as connection:
        return cell_history(connection, "small", cell, task, "here")


def set_times(store: Store, test_ns: int, attempt_ns: int, newer_than: int = 0) -> int:
    """Give every result of the newest attempts a duration; return the newest attempt."""
    with store.writing() as connection:
        newest = Attempt.id > newer_than
        connection.execute(
            update(Result).where(Result.attempt_id > newer_than).values(duration_ns=test_ns)
        )
        times = {"started_ns": 5 * SECOND, "ended_ns": 5 * SECOND + attempt_ns}
        connection.execute(update(Attempt).where(newest).values(**times))
        return newer_than + 1


def test_nothing_is_known_of_a_cell_that_never_ran(store):
    assert asked(store) is None


def test_the_median_of_the_last_runs_counts_with_its_spread(store, make_stand, make_plan):
    stand = make_stand()
    last = 0
    for seconds in (100, *[2] * (MEASURED_RUNS - 1), 8):
        stand.run(make_plan(TESTS_OF))
        last = set_times(store, seconds * SECOND, (2 * seconds + 3) * SECOND, last)
    found = asked(store)
    assert found is not None
    assert found.is_own
    assert set(found.tests) == set(TESTS_OF["unit"])
    slow = found.tests["m/s/slow"]
    assert (slow.seconds, slow.samples) == (2.0, MEASURED_RUNS)
    assert 0.3 < slow.spread < 1.4
    assert found.setup is not None
    assert found.setup.seconds == pytest.approx(3.0)


def test_a_failed_test_says_nothing_of_its_duration(store, make_stand, make_plan):
    stand = make_stand(lambda _: Script(outcomes={"m/s/slow": "failed"}))
    stand.run(make_plan(TESTS_OF))
    found = asked(store)
    assert found is not None
    assert set(found.tests) == {"m/s/fast"}
    assert found.setup is None


def test_the_shards_are_those_of_the_newest_run(store, make_stand, make_plan, make_spec):
    lines = ("gemm.f32:m=1,n=1,k=1,data=exact,seed=1", "gemm.f32:m=2,n=1,k=1,data=exact,seed=1")
    spec = make_spec(harness="cases", cases=list(lines), module="m")
    tests = {"unit": [f"m/native/{line}" for line in lines]}
    make_stand().run(make_plan(tests, specs={"unit": spec}))
    found = asked(store)
    assert found is not None
    assert found.shards == (lines,)


def test_another_cell_of_the_task_on_the_platform_is_a_neighbour(store, make_stand, make_plan):
    make_stand().run(make_plan(TESTS_OF))
    found = asked(store, cell="unit|build_type=debug")
    assert found is not None
    assert not found.is_own
    assert found.shards == ()
    assert asked(store, cell="other", task="other") is None


def test_the_question_takes_no_scan_of_a_large_table(tmp_path):
    store = grown(tmp_path, results=40_000)
    plans: set[str] = set()
    rows = [0]
    with store.reading() as connection:
        driver = connection.connection.driver_connection

        def explain(_c, _cursor, statement, parameters, *_):
            found = driver.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            plans.update(row[3] for row in found)

        event.listen(connection, "before_cursor_execute", explain)
        history = cell_history(connection, "pipeline-1", "cell-3", "task", "here")
        assert history is not None
        rows[0] = sum(one.samples for one in history.tests.values())
    store.close()
    assert len(history.tests) <= TESTS
    assert rows[0] <= MEASURED_RUNS * TESTS
    assert CELLS > MEASURED_RUNS
    big = ("result", "attempt", "task", "cell", "test")
    assert not {plan for plan in plans if plan in {f"SCAN {table}" for table in big}}
    assert not any(f"ix_{table}_state" in plan for plan in plans for table in ("attempt", "run"))


def told_by(make_plan: Any, spec: Any, pipeline: str) -> Any:
    return replace(make_plan(TESTS_OF, specs={"unit": spec}), pipeline=pipeline)


def test_a_pipeline_profits_from_the_runs_of_another_with_the_same_task(
    store, make_stand, make_plan, make_spec
):
    spec = make_spec(env={"MODE": "fast"})
    definition = definition_of(spec.to_json())
    stand = make_stand()
    stand.run(told_by(make_plan, spec, "pre-merge"))
    last = set_times(store, 2 * SECOND, 7 * SECOND)
    with store.reading() as connection:
        asked_here = partial(cell_history, connection, "release", "unit", "unit", "here")
        same, other = asked_here(definition), asked_here("0" * 64)
    assert same is not None
    assert other is not None
    assert (same.is_own, same.pipelines, same.shards) == (True, ("pre-merge",), ())
    assert {test: one.seconds for test, one in same.tests.items()} == {
        "m/s/fast": 2.0, "m/s/slow": 2.0,
    }  # fmt: skip
    assert (other.is_own, other.pipelines) == (False, ()), "defined otherwise, a neighbour"
    # Its own runs win as soon as there are some; what they lack comes from the others.
    stand.run(told_by(make_plan, spec, "release"))
    set_times(store, 5 * SECOND, 12 * SECOND, last)
    with store.reading() as connection:
        own = cell_history(connection, "release", "unit", "unit", "here", definition)
    assert own is not None
    assert {one.seconds for one in own.tests.values()} == {5.0}
    assert own.setup is not None
    assert own.setup.seconds == pytest.approx(2.0)


def test_of_the_runs_of_others_the_newest_definition_decides(
    store, make_stand, make_plan, make_spec
):
    old, new = make_spec(env={"MODE": "old"}), make_spec(env={"MODE": "new"})
    stand = make_stand()
    for spec in (old, new):
        stand.run(told_by(make_plan, spec, "pre-merge"))
    with store.reading() as connection:
        found = [
            cell_history(
                connection, "release", "unit", "unit", "here", definition_of(spec.to_json())
            )
            for spec in (old, new)
        ]
    assert [one is not None and one.is_own for one in found] == [False, True]
