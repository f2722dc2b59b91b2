"""Launches of a confirmation run the suspected benchmark alone, where the suite allows that."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from hotfire_infra.orchestrator.confirming import Confirmer
from hotfire_infra.store import models
from hotfire_infra.store.confirmations import PURPOSE
from hotfire_infra.store.models import Measurement, Run, SourceStamp
from hotfire_infra.store.queries import run_by_id
from hotfire_pipelines.plan import Plan
from hotfire_testframework.contract.outcomes import Harness
from hotfire_testframework.contract.task import TaskSpec

TESTS = [f"perf/pytest/{name}" for name in ("clock", "decode", "prefill")]


def launched(branch, make_plan, env):
    """Ask about decode after five runs; return the confirmation and the plan of its first launch."""
    spec = TaskSpec(harness=Harness.PYTEST, paths=("suite",), env=env)
    branch.plan = make_plan({"speed": TESTS}, specs={"speed": spec})
    store = branch.store
    for commit in range(1, 6):
        branch.run(commit, {"decode": 100.0 + commit, "prefill": 50.0})
    clock = branch.measure(6, {"decode": 90.0, "prefill": 50.0, "clock": 1.0})
    with store.writing() as connection:
        connection.execute(
            update(Measurement)
            .where(Measurement.test_id == select(models.Test.id).where(models.Test.name == "clock").scalar_subquery())
            .values(metric="canary.clock_time", unit="s")
        )  # fmt: skip
        archive = store.blobs.put_bytes(b"source").sha256
        connection.execute(update(SourceStamp).values(archive_sha256=archive))
    branch.finalize(clock)
    with store.reading() as connection:
        run = run_by_id(connection, clock)
        query = select(Measurement.series_key).join(
            models.Test, models.Test.id == Measurement.test_id
        )
        key = connection.execute(query.where(models.Test.name == "decode").limit(1)).scalar_one()
    confirmer = Confirmer(store)
    row = confirmer.of_gate(run, [key], 600)
    assert confirmer.advance_one(row)
    with store.reading() as connection:
        sha256 = connection.execute(
            select(Run.plan_sha256).where(Run.purpose == PURPOSE)
        ).scalar_one()
    return row, Plan.from_json(store.blobs.read(sha256))


def test_the_benchmark_runs_alone_with_what_measures_the_machine(branch, make_plan):
    row, plan = launched(branch, make_plan, {"HOTFIRE_SEPARABLE": "yes"})
    assert row.body["tests"] == {"speed": TESTS[:2]}
    (task,), (cell,) = plan.tasks, plan.cells
    assert task.spec.leave_out == (TESTS[2],)
    assert plan.expected(cell) == tuple(TESTS[:2])


@pytest.mark.parametrize("env", [{}, {"HOTFIRE_SEPARABLE": "no"}])
def test_a_suite_that_does_not_say_so_runs_as_a_whole(branch, make_plan, env):
    row, plan = launched(branch, make_plan, env)
    assert row.body["tests"] == {}
    assert plan.tasks[0].spec.leave_out == ()
