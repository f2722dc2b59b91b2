"""Quarantine of a flaky test: what passes by it, what never does, how it ends, who is proposed."""

from __future__ import annotations

import pytest

from hotfire_infra.analysis.flake_quarantine import LIMIT
from hotfire_infra.analysis.flakes import passes_needed
from hotfire_infra.analysis.quarantining import allowed_beside
from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.client.quarantine_desk import StoreQuarantines, Terms
from hotfire_infra.errors import RequestRefusedError
from hotfire_infra.executors.fake import Script
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import RunVerdict
from hotfire_infra.store.audit import AuditFilter, audit_log
from hotfire_infra.store.quarantines import change_quarantine, quarantines

FLAKY, OTHER, THIRD = "m/s/flaky", "m/s/other", "m/s/third"
TERMS = Terms(owner="kernels@example.org", bug="HF-12", days=14)
KNOWN = "timeout after 31 s"


@pytest.fixture
def dialect() -> str:
    """One database is enough for all but the first test: the other was asked once."""
    return "sqlite"


class Suite:
    """Runs of one suite; `says` is what fails, `dies` whether its attempt is lost."""

    def __init__(self, make_stand, make_plan, clock):
        self.says: dict[str, str] = {}
        self.script: dict = {}
        self.clock = clock
        self.stand = make_stand(self._director)
        self.plan = make_plan({"suite": [FLAKY, OTHER, THIRD]})
        self.desk = StoreQuarantines(self.stand.store, "ada")
        self.commits = 0

    def _director(self, spec):
        records = tuple(
            (
                "test_attempt",
                {
                    "test": test, "try": 2, "outcome": "failed", "failure_class": "product",
                    "duration_ns": 1, "message": message,
                },
            )
            for test, message in self.says.items()
        )  # fmt: skip
        return Script(
            **{"outcomes": dict.fromkeys(self.says, "failed"), "records": records, **self.script}
        )

    def run(self, **says):
        self.says = {f"m/s/{name}": message for name, message in says.items()}
        self.clock.advance(60)
        return self.stand.finish(
            create_run(
                self.stand.store,
                RunRequest(
                    plan=self.plan,
                    source=StoredSource(
                        repository="here", revision=self.plan.source.revision, patch_digest="",
                        subject="", archive_sha256=None,
                    ),
                    requested_by="tester",
                ),
            )
        ).run  # fmt: skip

    def notices(self, run):
        found = StoreReports(self.stand.store).find(str(run.number)).notices
        return {one.kind: one.text for one in found}


@pytest.fixture
def suite(make_stand, make_plan, clock):
    return Suite(make_stand, make_plan, clock)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_known_failure_does_not_block_and_says_why(suite):
    assert suite.run(flaky=KNOWN).verdict is RunVerdict.FAILED
    (made,) = suite.desk.begin(FLAKY, {}, TERMS)
    run = suite.run(flaky="timeout after 57 s")
    assert (run.verdict, run.reasons) == (RunVerdict.PASSED, ())
    report = StoreReports(suite.stand.store).find(str(run.number))
    (excuse,) = report.exonerations
    assert (excuse.kind, excuse.test) == ("quarantine", FLAKY)
    assert excuse.reason.endswith("kernels@example.org (HF-12)")
    assert excuse.evidence["quarantine"] == made.id
    assert report.failures[0].exoneration.startswith("quarantine: known flake until ")
    (words,) = StoreReports(suite.stand.store).test(FLAKY).quarantines
    assert "0 of 299 passes in a row" in words


def test_a_new_failure_of_a_quarantined_test_blocks(suite):
    suite.run(flaky=KNOWN)
    suite.desk.begin(FLAKY, {}, TERMS)
    run = suite.run(flaky="sum is wrong by 4")
    assert run.verdict is RunVerdict.FAILED
    assert "its failure says something new" in suite.notices(run)["not-quarantined"]
    # It is not known because it was seen since, only where somebody says so again.
    assert suite.run(flaky="sum is wrong by 4").verdict is RunVerdict.FAILED


def test_a_failure_without_words_agrees_with_nothing(suite):
    suite.run(flaky=KNOWN)
    suite.desk.begin(FLAKY, {}, TERMS)
    assert suite.run(flaky="").verdict is RunVerdict.FAILED


def test_another_failing_test_is_not_let_pass_with_it(suite):
    suite.run(flaky=KNOWN)
    suite.desk.begin(FLAKY, {}, TERMS)
    run = suite.run(flaky=KNOWN, other="off by one")
    assert run.verdict is RunVerdict.FAILED
    assert len(StoreReports(suite.stand.store).find(str(run.number)).exonerations) == 1


def test_it_expires_and_the_test_blocks_again(suite):
    suite.run(flaky=KNOWN)
    suite.desk.begin(FLAKY, {}, TERMS)
    suite.clock.advance(15 * 86_400)
    run = suite.run(flaky=KNOWN)
    assert run.verdict is RunVerdict.FAILED
    assert "quarantine of m/s/flaky expired" in suite.notices(run)["quarantine-ended"]
    (one,) = suite.desk.quarantines(all_states=True)
    assert one.state == "expired"


def test_passes_in_a_row_end_it_and_what_errored_neither_helps_nor_hurts(suite):
    suite.run(flaky=KNOWN)
    (made,) = suite.desk.begin(FLAKY, {}, TERMS)
    with suite.stand.store.writing() as connection:
        (row,) = quarantines(connection)
        change_quarantine(connection, row.id, {"limit_rate": 0.5})
    needed = passes_needed(0.5)
    assert needed == 5
    for _ in range(2):
        suite.run()
    suite.script = {"exit_code": 31}
    suite.run(flaky=KNOWN)
    suite.script = {}
    assert suite.desk.quarantines(all_states=False)[0].passes == 2
    for _ in range(3):
        run = suite.run()
    assert (
        "quarantine of m/s/flaky passed: 5 passes in a row"
        in suite.notices(run)["quarantine-ended"]
    )
    assert suite.desk.quarantines(all_states=False) == []
    assert suite.run(flaky=KNOWN).verdict is RunVerdict.FAILED
    assert passes_needed(LIMIT) == made.needed == 299


def test_a_suite_may_not_have_too_many(suite):
    suite.run(flaky=KNOWN, other=KNOWN)
    suite.desk.begin(FLAKY, {}, TERMS)
    with pytest.raises(RequestRefusedError, match="1 of 3 tests of suite are in quarantine"):
        suite.desk.begin(OTHER, {}, TERMS)
    assert [allowed_beside(tests) for tests in (1, 3, 20, 400)] == [1, 1, 1, 20]


def test_what_is_no_flake_for_anybody_is_refused(suite):
    suite.run()
    with pytest.raises(RequestRefusedError, match="no failure of it is known"):
        suite.desk.begin(FLAKY, {}, TERMS)
    with pytest.raises(RequestRefusedError, match="nobody recorded a test"):
        suite.desk.begin("m/s/unheard", {}, TERMS)
    suite.run(flaky=KNOWN)
    with pytest.raises(RequestRefusedError, match="--owner and a --bug"):
        suite.desk.begin(FLAKY, {}, Terms(owner=" ", bug="HF-1", days=3))
    suite.desk.begin(FLAKY, {}, TERMS)
    with pytest.raises(RequestRefusedError, match="in quarantine already"):
        suite.desk.begin(FLAKY, {}, TERMS)


def test_a_known_flake_is_proposed_once_and_lets_nothing_pass_until_somebody_takes_it_on(suite):
    for number in range(14):
        run = suite.run(**({"flaky": KNOWN} if number % 3 == 0 else {}))
    run = suite.run(flaky=KNOWN)
    assert run.verdict is RunVerdict.FAILED
    (one,) = suite.desk.quarantines(all_states=False)
    assert (one.state, one.owner, one.test) == ("proposed", "", FLAKY)
    assert suite.run(flaky=KNOWN).verdict is RunVerdict.FAILED
    assert len(suite.desk.quarantines(all_states=False)) == 1
    approved = suite.desk.approve(one.id[:12], TERMS)
    assert (approved.state, approved.owner) == ("active", "kernels@example.org")
    assert suite.run(flaky=KNOWN).verdict is RunVerdict.PASSED
    assert suite.desk.end(one.id, "repaired").state == "withdrawn"
    assert suite.run(flaky=KNOWN).verdict is RunVerdict.FAILED
    with suite.stand.store.reading() as connection:
        rows = audit_log(connection, AuditFilter(action="quarantine"))
    assert [(row.actor, row.action) for row in rows] == [
        ("user:ada", "quarantine end"),
        ("user:ada", "quarantine approve"),
    ]
