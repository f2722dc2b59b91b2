"""Waivers in the gate: one look of one failure, until a day, and never what did not run."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import update

from hotfire_dashboards.run_page import run_page
from hotfire_infra.analysis.report import run_document
from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.analysis.waiving import assess, read_tests, record
from hotfire_infra.cli.main import main
from hotfire_infra.errors import PlanRefusedError
from hotfire_infra.executors.fake import Script
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.waiving import waivers_of
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import RunVerdict
from hotfire_infra.store import queries
from hotfire_infra.store.models import Run
from hotfire_pipelines.plan import WaiverSource

ONE, TWO = "m/s/one", "m/s/two"
SOURCE = StoredSource(
    repository="here",
    revision="3f2a91c" + "0" * 33,
    patch_digest="",
    subject="First",
    archive_sha256=None,
)


@pytest.fixture
def dialect() -> str:
    """One database is enough for all but the first test: the other was asked once."""
    return "sqlite"


@pytest.fixture
def today(clock) -> date:
    return datetime.fromtimestamp(clock.wall_ns() / 1e9, UTC).date()


class House:
    """Runs of two cells with two tests each; `says` is what fails where, and how."""

    def __init__(self, make_stand, make_plan, today):
        self.says, self.script, self.today = {}, {}, today
        self.executed = []
        self.stand = make_stand(self._director)
        self.plan = make_plan({"near": [ONE, TWO], "far": [ONE, TWO]})

    def _director(self, spec):
        self.executed.append(spec.task)
        said = self.says.get(spec.task, {})
        records = tuple(
            (
                "test_attempt",
                {
                    "test": test,
                    "try": 2,
                    "outcome": "failed",
                    "failure_class": "product",
                    "duration_ns": 1,
                    "message": message,
                },
            )
            for test, message in said.items()
        )
        script = self.script.get(spec.task, {})
        return Script(**{"outcomes": dict.fromkeys(said, "failed"), "records": records, **script})

    def waiver(self, **changes):
        return {
            "test": ONE,
            "variant": {},
            "owner": "kernels@example.org",
            "bug": "HF-12",
            "reason": "rounding",
            "signature": "off by [0-9]+",
            "created": str(self.today - timedelta(days=10)),
            "expires": str(self.today),
            "line": 3,
            **changes,
        }

    def run(self, *waivers, **options):
        plan = dataclasses.replace(
            self.plan,
            waivers=waivers,
            waiver_file=WaiverSource(file="waivers.yaml", sha256="0" * 64),
        )
        request = RunRequest(plan=plan, source=SOURCE, requested_by="tester", options=options)
        return self.stand.finish(create_run(self.stand.store, request))

    def report(self, run="latest"):
        return StoreReports(self.stand.store).find(run)

    def notices(self):
        return [(notice.kind, notice.text) for notice in self.report().notices]


@pytest.fixture
def house(make_stand, make_plan, today):
    return House(make_stand, make_plan, today)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_waived_failure_stays_failed_and_does_not_block(house):
    house.says = {"near": {ONE: "off by 4"}, "far": {ONE: "off by 5"}}
    done = house.run(house.waiver())
    assert (done.run.verdict, done.run.reasons) == (RunVerdict.PASSED, ())
    assert [cell.verdict for cell in done.cells] == ["failed", "failed"]
    report = house.report()
    assert report.notices == ()
    first, second = report.exonerations
    assert (first.kind, {first.cell, second.cell}) == ("waiver", {"near", "far"})
    assert dict(first.evidence) == {
        "cell": first.cell,
        "file": "waivers.yaml",
        "line": 3,
        "owner": "kernels@example.org",
        "bug": "HF-12",
        "reason": "rounding",
        "signature": "off by [0-9]+",
        "expires": str(house.today),
    }
    said = run_document(report)["exonerations"]
    assert said[0]["reason"] == f"rounding (HF-12, kernels@example.org, until {house.today})"
    assert report.failures[0].exoneration.startswith("waiver: rounding (HF-12")


def test_an_expired_waiver_blocks_and_says_when_it_ended(house):
    house.says = {"near": {ONE: "off by 4"}}
    ended = str(house.today - timedelta(days=1))
    done = house.run(house.waiver(expires=ended))
    assert done.run.verdict is RunVerdict.FAILED
    (failure,) = house.report().failures
    assert failure.not_waived == f"the waiver in line 3 (HF-12) expired on {ended}"
    assert failure.exoneration == ""


def test_another_failure_of_a_waived_test_blocks_and_says_why(house):
    house.says = {"near": {ONE: "segmentation fault"}}
    done = house.run(house.waiver())
    assert done.run.verdict is RunVerdict.FAILED
    (failure,) = house.report().failures
    assert "is for another failure: no 'off by [0-9]+' in it" in failure.not_waived
    assert house.notices()[0][0] == "not-waived"


def test_the_same_test_that_fails_otherwise_in_another_cell_blocks(house):
    house.says = {"near": {ONE: "off by 4"}, "far": {ONE: "segmentation fault"}}
    done = house.run(house.waiver())
    assert done.run.verdict is RunVerdict.FAILED
    (reason,) = done.run.reasons
    assert reason.startswith("far failed")
    assert [one.cell for one in house.report().exonerations] == ["near"]


def test_command_and_page_say_what_waives_and_what_does_not(house, store, monkeypatch, capsys):
    house.says = {"near": {ONE: "off by 4"}, "far": {ONE: "segmentation fault"}}
    house.run(house.waiver())
    monkeypatch.setenv("HOTFIRE_HOME", str(store.home))
    monkeypatch.delenv("HOTFIRE_SERVER", raising=False)
    assert main(["show", "latest"]) == 0
    printed = capsys.readouterr().out
    shown = [row.excuse for row in run_page(house.report()).failures]
    until = f"rounding (HF-12, kernels@example.org, until {house.today})"
    waived = f"does not block: waiver: {until}"
    refused = (
        "not waived: the waiver in line 3 (HF-12) is for another failure: no 'off by [0-9]+' in it"
    )
    assert {waived, refused} == set(shown)
    assert f"     {waived}\n" in printed
    assert f"     {refused}\n" in printed


def test_finalizing_twice_says_the_same_once(house, store, today):
    house.says = {"near": {ONE: "off by 4"}, "far": {ONE: "segmentation fault"}}
    run_id = house.run(house.waiver()).run.id
    before = house.report()
    with store.reading() as connection:
        cells = queries.cells_of(connection, run_id)
        tests = read_tests(connection, run_id, cells)
        plan = queries.run_by_id(connection, run_id).plan_sha256
    waivers = waivers_of(store, plan)
    with store.writing() as connection:
        record(connection, run_id, assess(waivers, cells, tests, today), waivers, 1)
    again = house.report()
    assert (again.exonerations, again.notices) == (before.exonerations, before.notices)


def test_a_test_that_errored_is_not_waived(house):
    house.script = {"near": {"outcomes": {ONE: "errored"}}}
    done = house.run(house.waiver(signature="."))
    assert done.run.verdict is RunVerdict.ERRORED
    assert house.report().exonerations == ()


def test_a_cancelled_run_is_not_judged(house, store):
    plan = dataclasses.replace(house.plan, waivers=(house.waiver(test="m/s/three"),))
    request = RunRequest(plan=plan, source=SOURCE, requested_by="tester")
    run_id = create_run(store, request)
    with store.writing() as connection:
        now = update(Run).where(Run.id == run_id).values(cancel_requested_ns=1)
        connection.execute(now)
    assert house.stand.finish(run_id).run.verdict is RunVerdict.CANCELLED
    assert house.notices() == []


def test_a_waiver_hides_no_other_failure_of_the_cell(house):
    house.says = {"near": {ONE: "off by 4", TWO: "off by 4"}}
    assert house.run(house.waiver()).run.verdict is RunVerdict.FAILED


def test_a_waiver_hides_no_missing_test(house):
    house.says = {"near": {ONE: "off by 4"}}
    house.script = {"near": {"omitted_tests": frozenset({TWO})}}
    done = house.run(house.waiver(test="*"))
    assert done.run.verdict is RunVerdict.INCOMPLETE
    assert done.run.reasons[0].startswith("near missing: 1 test missing")


def test_a_waiver_that_matches_no_test_is_told(house):
    done = house.run(house.waiver(test="m/s/three"))
    assert done.run.verdict is RunVerdict.PASSED
    text = "waivers.yaml:3 (HF-12) matches nothing: no test of this run is 'm/s/three'; remove it"
    assert house.notices() == [("waiver-matches-nothing", text)]


def test_an_incomplete_cell_may_hold_the_test_that_a_waiver_means(house):
    house.script = {"near": {"omitted_tests": frozenset({TWO})}}
    house.run(house.waiver(test="m/s/three"))
    assert house.notices() == []


def test_a_waived_test_that_passes_again_is_told(house):
    house.run(house.waiver())
    text = f"waivers.yaml:3 (HF-12) passes again: remove the waiver ({ONE})"
    assert house.notices() == [("waiver-passes-again", text)]


def test_a_waiver_wider_than_its_failure_is_told(house):
    house.says = {"near": {ONE: "off by 4"}}
    assert house.run(house.waiver()).run.verdict is RunVerdict.PASSED
    text = f"passes again in 1 of 2 results: remove the waiver, or narrow it ({ONE})"
    assert house.notices() == [("waiver-passes-again", f"waivers.yaml:3 (HF-12) {text}")]


def test_a_waived_failure_is_executed_again_where_results_are_reused(house):
    house.says = {"near": {ONE: "off by 4"}}
    assert house.run(house.waiver()).run.verdict is RunVerdict.PASSED
    house.executed.clear()
    done = house.run(house.waiver(), reuse="any")
    assert set(house.executed) == {"near"}
    assert done.run.verdict is RunVerdict.PASSED


def test_a_waiver_that_no_file_could_hold_is_refused_with_its_plan(house):
    forever = str(house.today + timedelta(days=400))
    with pytest.raises(PlanRefusedError, match="waiver 1 of the plan waives more"):
        house.run(house.waiver(expires=forever))
