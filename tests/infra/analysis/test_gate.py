"""The gate is total, and says the same to everybody."""

from __future__ import annotations

import pytest

from hotfire_infra.analysis import gate
from hotfire_infra.analysis.gate import Effect, GateCell, Required, decide
from hotfire_infra.states import RunVerdict
from hotfire_testframework.contract.outcomes import Verdict


def cell(verdict: Verdict, **more) -> GateCell:
    return GateCell(key=str(verdict), verdict=verdict, **more)


def test_the_table_has_a_row_for_every_combination():
    assert len(gate.TABLE) == len(Verdict) * 2 * len(Required)


@pytest.mark.parametrize("answers", [gate.CLI_CODE, gate.JENKINS_RESULT, gate.COMMIT_STATUS])
def test_every_verdict_has_its_answer_for_every_reader(answers):
    assert set(answers) == set(RunVerdict)


def test_only_a_passed_run_is_green_for_anybody():
    assert [v for v, code in gate.CLI_CODE.items() if code == 0] == [RunVerdict.PASSED]
    assert [v for v, word in gate.JENKINS_RESULT.items() if word == "SUCCESS"] == ["passed"]
    assert [v for v, word in gate.COMMIT_STATUS.items() if word == "success"] == ["passed"]


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([Verdict.PASSED, Verdict.FLAKY, Verdict.SKIPPED], RunVerdict.PASSED),
        ([Verdict.PASSED, Verdict.FAILED, Verdict.ERRORED, Verdict.MISSING], RunVerdict.FAILED),
        ([Verdict.PASSED, Verdict.ERRORED, Verdict.MISSING], RunVerdict.ERRORED),
        ([Verdict.PASSED, Verdict.MISSING], RunVerdict.INCOMPLETE),
        ([Verdict.PASSED, Verdict.PRECLUDED], RunVerdict.INCOMPLETE),
        ([Verdict.PASSED, Verdict.NOT_EXECUTABLE], RunVerdict.INCOMPLETE),
        ([Verdict.SKIPPED], RunVerdict.INCOMPLETE),
        ([], RunVerdict.INCOMPLETE),
    ],
)
def test_the_worst_cell_decides_and_nothing_is_never_green(verdicts, expected):
    decision = decide([cell(verdict) for verdict in verdicts])
    assert decision.verdict is expected
    assert bool(decision.reasons) is (expected is not RunVerdict.PASSED)


def test_a_platform_that_is_not_available_blocks_only_where_it_is_required():
    optional = cell(Verdict.NOT_EXECUTABLE, required=Required.WHEN_AVAILABLE)
    assert decide([cell(Verdict.PASSED), optional]).verdict is RunVerdict.PASSED


def test_an_exoneration_excuses_a_failure_and_never_infrastructure():
    excused = cell(Verdict.FAILED, is_exonerated=True)
    assert decide([cell(Verdict.PASSED), excused]).verdict is RunVerdict.PASSED
    assert gate.TABLE[Verdict.ERRORED, True, Required.ALWAYS] is Effect.ERRORED


def test_a_regression_that_blocks_makes_the_run_failed_and_says_so():
    decision = decide([cell(Verdict.PASSED)], regressions=["decode 12 % slower"])
    assert (decision.verdict, decision.reasons) == (RunVerdict.FAILED, ("decode 12 % slower",))


def test_a_cancelled_run_is_neither_green_nor_red():
    assert decide([cell(Verdict.FAILED)], is_cancelled=True).verdict is RunVerdict.CANCELLED
