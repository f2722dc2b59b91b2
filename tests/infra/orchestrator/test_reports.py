"""A task whose command writes a report: its tests are those of the report, and no answer is green."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from hotfire_infra.clock import SystemClock
from hotfire_infra.executors.fake import Script
from hotfire_infra.executors.local import LocalExecutor
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.lock import acquire
from hotfire_infra.orchestrator.loop import Orchestrator
from hotfire_infra.states import AttemptState
from hotfire_infra.store import queries
from hotfire_infra.store.models import Record, Result
from hotfire_testframework.runner.bundle import build_bundle

from ..conftest import SOURCE

JUNIT = b"""<testsuite name="unit">
<testcase classname="a.Math" name="adds" time="0.25"/>
<testcase classname="a.Math" name="divides" time="0.5">%s</testcase>
</testsuite>"""
GREEN = JUNIT % b""
RED = JUNIT % b'<failure message="1 is not 2">trace</failure>'
BROKEN_FIXTURE = JUNIT % b'<error message="no device">trace</error>'


@pytest.fixture
def ending(make_stand, make_plan, make_spec, store):
    """Play an attempt whose command left a report; return (state, class, reason, cell)."""

    def play(report, *, code=0, exit_code=0, name="report-1.xml", tests=()):
        body = {"path": "results.xml", "format": "junit", "exit_code": code}
        if report is not None:
            body["artifact"] = name
        script = Script(
            omitted_tests=frozenset({"tasks/command/unit"}),
            extra_tests=tuple(tests),
            outcomes=dict.fromkeys(tests, "failed"),
            artifacts={} if report is None else {"report-1.xml": report},
            records=(("report", body),),
            exit_code=exit_code,
        )
        stand = make_stand(lambda _: script)
        reports = [{"path": "results.xml", "format": "junit"}]
        plan = make_plan({"unit": []}, specs={"unit": make_spec(reports=reports)})
        done = stand.run(plan)
        with store.reading() as connection:
            (attempt,) = queries.attempts_of(connection, done.run.id)
        return attempt, done.cells[0], done.run

    return play


def test_the_tests_of_the_report_are_the_tests_of_the_task(ending, store):
    attempt, cell, run = ending(GREEN)
    assert attempt.state is AttemptState.PASSED
    assert (cell.verdict, cell.tests) == ("passed", {"passed": 2})
    assert run.verdict == "passed"
    with store.reading() as connection:
        seqs = connection.execute(select(Result.seq).order_by(Result.seq)).scalars().all()
        kinds = connection.execute(select(Record.kind)).scalars().all()
    assert len(set(seqs)) == 2
    assert min(seqs) > attempt.acked_seq
    assert {"report", "imported_report"} <= set(kinds)
    assert not (store.attempts / attempt.ulid / "reports").exists()


def test_a_failed_test_of_the_report_is_red_whatever_the_command_ended_with(ending):
    for code in (0, 1):
        attempt, cell, _ = ending(RED, code=code)
        assert attempt.state is AttemptState.FAILED
        assert (cell.verdict, cell.tests) == ("failed", {"passed": 1, "failed": 1})
        assert cell.failure_class == "product"


def test_a_command_that_fails_beside_a_green_report_is_red(ending):
    attempt, cell, run = ending(GREEN, code=3)
    assert attempt.state is AttemptState.FAILED
    assert "ended with 3, and no test in results.xml failed" in attempt.reason
    assert (cell.verdict, run.verdict) == ("failed", "failed")


def test_tests_that_could_not_be_asked_are_errored_and_not_the_products(ending):
    attempt, cell, run = ending(BROKEN_FIXTURE, code=1)
    assert (attempt.state, attempt.failure_class) == (AttemptState.ERRORED, "test")
    assert cell.verdict == "errored"
    assert run.verdict != "failed"


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (None, "ended with 1, has not written it"),
        (b"<testsuite", "results.xml"),
        (b"%PDF-1.7 not a report", "results.xml"),
        (RED[: len(RED) // 2], "results.xml"),
    ],
)
def test_a_report_that_is_missing_or_broken_is_errored_by_the_harness(ending, report, words):
    attempt, cell, run = ending(report, code=1)
    assert (attempt.state, attempt.failure_class) == (AttemptState.ERRORED, "harness")
    assert attempt.reason.startswith("report 'results.xml' (junit)")
    assert words in attempt.reason
    assert cell.verdict == "errored"
    assert run.verdict == "errored"


def test_an_empty_report_is_nothing_collected(ending):
    attempt, _, run = ending(b'<testsuite name="unit" tests="0"/>')
    assert (attempt.state, attempt.failure_class) == (AttemptState.ERRORED, "config")
    assert "no test is in results.xml" in attempt.reason
    assert run.verdict != "passed"


def test_a_file_name_that_leads_out_is_not_read(ending, store):
    attempt, _, _ = ending(GREEN, name="../../../hotfire.db")
    assert attempt.failure_class == "harness"
    assert "its file did not come" in attempt.reason


def test_what_a_crashed_command_had_written_is_kept_beside_the_crash(ending, store):
    attempt, cell, _ = ending(GREEN, code=-11, exit_code=10, tests=["tasks/command/crash"])
    assert attempt.state is AttemptState.FAILED
    assert cell.tests == {"passed": 2, "failed": 1}
    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(Result)).scalar() == 3


WRITES_JUNIT = """
import pathlib, sys
pathlib.Path("results.xml").write_text(
    '<testsuite name="unit"><testcase classname="a" name="one"/>'
    '<testcase classname="a" name="two"><failure message="no"/></testcase></testsuite>'
)
sys.exit(1)
"""


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_a_real_command_that_writes_junit_is_ingested(store, make_plan, make_spec, tmp_path):
    bundle = tmp_path / "runner.pyz"
    bundle.write_bytes(build_bundle())
    clock = SystemClock()
    executor = LocalExecutor(store.attempts, bundle, tmp_path / "cache", clock)
    store = replace(store, clock=clock)
    orchestrator = Orchestrator(
        store=store, executor=executor, cache=tmp_path / "cache", lock=acquire(store)
    )
    spec = make_spec(
        command=["{python}", "-c", WRITES_JUNIT],
        reports=[{"path": "results.xml", "format": "junit"}],
    )
    plan = make_plan({"unit": ["unit/junit/a.three"]}, specs={"unit": spec})
    run_id = create_run(store, RunRequest(plan=plan, source=SOURCE, requested_by="tester"))
    orchestrator.run_until_idle(threading.Event())
    with store.reading() as connection:
        (cell,) = queries.cells_of(connection, run_id)
        (attempt,) = queries.attempts_of(connection, run_id)
    assert attempt.state is AttemptState.FAILED, attempt.reason
    assert (cell.tests["passed"], cell.tests["failed"]) == (1, 1)
    # What the last run had and this one does not is missing, as with any other harness.
    assert cell.tests["missing"] == 1
