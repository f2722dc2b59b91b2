"""Errors of kernels are recorded run by run, and a rise is told long before a tolerance trips."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select

from hotfire_infra.analysis.numerics.history import error_histories
from hotfire_infra.analysis.numerics.watching import watch_numerics
from hotfire_infra.orchestrator.creation import create_run
from hotfire_infra.store.dictionaries import intern_tests
from hotfire_infra.store.models import Attempt, Cell, Finding, KernelError, Result, Task
from hotfire_infra.store.queries_numerics import case_errors_of_run
from hotfire_testframework.contract.ulid import new_ulid

CASES = [f"gemm.f32:m={m},n=8,k=8,data=normal,seed={m}" for m in (1, 2, 3)]


@pytest.fixture
def branch(any_branch):
    return any_branch


def measured(branch, commit, errors, *, bound=0.1, **terms):
    """Record a run whose kernel cases had these ULP errors; watch it."""
    run_id = create_run(branch.store, branch.request(commit, **terms))
    with branch.store.writing() as connection:
        query = select(Task.id, Cell.variant_id).join(Cell, Cell.id == Task.cell_id)
        task = connection.execute(query.where(Task.run_id == run_id)).one()
        now = branch.store.clock.wall_ns()
        attempt = connection.execute(
            insert(Attempt)
            .values(
                ulid=new_ulid(), task_id=task.id, number=1, state="passed", executor="fake",
                pool="here", token_sha256="0" * 64, boot_id="", lease_expires_mono_ns=0,
                created_ns=now, started_ns=now, ended_ns=now, in_flight=[],
            )
            .returning(Attempt.id)
        ).scalar_one()  # fmt: skip
        ids = intern_tests(connection, [f"aestus.kernels/native/{name}" for name in errors])
        for seq, (name, ulp) in enumerate(errors.items(), start=1):
            metrics = {"impl": "avx2", "isa": "avx2", "max_ulp": ulp, "max_rel": ulp if ulp == "inf" else ulp * 6e-8,
                       "error_over_bound": bound}  # fmt: skip
            connection.execute(
                insert(Result).values(
                    attempt_id=attempt, seq=seq, test_id=ids[f"aestus.kernels/native/{name}"],
                    try_number=1, variant_id=task.variant_id, outcome="passed", duration_ns=1,
                    metrics=metrics,
                )
            )  # fmt: skip
    watch_numerics(branch.store, run_id)
    return run_id


def recorded(branch):
    with branch.store.reading() as connection:
        query = select(*KernelError.__table__.c).order_by(KernelError.run_id)
        return connection.execute(query).all()


def notices(branch):
    with branch.store.reading() as connection:
        query = select(Finding.run_id, Finding.text).where(Finding.kind == "numeric-drift")
        return [(row.run_id, row.text) for row in connection.execute(query)]


def test_a_rise_is_told_once_within_a_few_runs_and_far_from_the_tolerance(branch):
    runs = [measured(branch, n, dict.fromkeys(CASES, 4.0 + n % 2)) for n in range(1, 26)]
    runs += [measured(branch, n, dict.fromkeys(CASES, 12.0 + n % 2)) for n in range(26, 36)]
    told = notices(branch)
    assert {text.split(" error ")[0] for _, text in told} == {
        "gemm.f32 tiny on here avx2: ULP", "gemm.f32 tiny on here avx2: relative"
    }  # fmt: skip
    assert all(25 < runs.index(run) + 1 <= 33 for run, _ in told)
    assert all("since run 26" in text and "0.1 of the tolerance" in text for _, text in told)
    assert len(recorded(branch)) == 35


def test_what_is_recorded_is_the_distribution_of_the_run(branch):
    measured(branch, 1, dict(zip(CASES, (1.0, 5.0, "inf"), strict=True)), bound=2.0)
    (row,) = recorded(branch)
    assert (row.kernel, row.dtype, row.shape, row.arch) == ("gemm", "f32", "tiny", "here avx2")
    assert (row.cases, row.ulp[0], row.ulp[-1], row.over_bound) == (3, 5.0, 1e30, 2.0)


def test_a_case_that_comes_or_goes_moves_no_level(branch):
    measured(branch, 1, {CASES[0]: 4.0})
    measured(branch, 2, {CASES[0]: 4.0, CASES[1]: 400.0})
    measured(branch, 3, {CASES[1]: 400.0})
    assert [row.ulp_level for row in recorded(branch)] == [0.0, 0.0, 0.0]


def test_the_chained_level_is_that_of_the_whole_history(branch):
    errors = [2.0, 3.0, 9.0, 5.0]
    runs = [measured(branch, n, dict.fromkeys(CASES, e)) for n, e in enumerate(errors, start=1)]
    with branch.store.reading() as connection:
        rows = [row for run in runs for row in case_errors_of_run(connection, run)]
    (whole,) = error_histories(rows)
    chained = [row.ulp_level for row in recorded(branch)]
    assert chained == pytest.approx([one.ulp_level for one in whole.runs])


def test_a_step_repeated_after_a_crash_records_the_same(branch):
    runs = [measured(branch, n, dict.fromkeys(CASES, 3.0 + n % 3)) for n in range(1, 6)]
    before = recorded(branch)
    watch_numerics(branch.store, runs[-1])
    assert recorded(branch) == before


def test_a_run_of_a_change_is_no_part_of_the_history(branch):
    measured(branch, 1, dict.fromkeys(CASES, 4.0), revision="f" * 40)
    assert recorded(branch) == []
