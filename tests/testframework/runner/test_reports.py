"""A command that writes its tests down itself: the runner keeps the report and judges nothing of it."""

from __future__ import annotations

import pytest

from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.outcomes import ReportFormat
from hotfire_testframework.contract.task import TaskSpec
from hotfire_testframework.errors import ContractError

REPORTS = [{"path": "out/results.xml", "format": "junit"}]


def writing(script, **more):
    return {
        "harness": "command",
        "command": ["sh", "-c", f"mkdir -p out; {script}"],
        "reports": REPORTS,
        **more,
    }


@pytest.mark.parametrize("code", [0, 1])
def test_the_report_is_an_artifact_and_the_command_is_no_test(stand, code):
    done = stand.run(writing(f"echo '<testsuite/>' > out/results.xml; exit {code}"))

    assert done.code == RunnerExit.PASSED
    assert done.verdict.is_valid
    assert done.outcomes() == {}
    (report,) = done.verdict.reports
    assert report.body == {**REPORTS[0], "exit_code": code, "artifact": "report-1.xml"}
    assert (done.root / "artifacts" / "report-1.xml").read_text() == "<testsuite/>\n"


def test_a_report_that_was_not_written_is_named_without_a_file(stand):
    done = stand.run(writing("exit 2"))

    assert done.code == RunnerExit.PASSED
    assert "artifact" not in done.verdict.reports[0].body
    assert done.verdict.reports[0]["exit_code"] == 2


def test_a_report_that_came_before_the_command_is_no_result(stand):
    early = [["sh", "-c", "mkdir -p out; echo old > out/results.xml"]]
    done = stand.run(writing("true", setup=early))

    assert "artifact" not in done.verdict.reports[0].body


def test_a_link_that_leads_out_is_not_kept(stand):
    done = stand.run(writing("ln -s /etc/passwd out/results.xml"))

    assert "artifact" not in done.verdict.reports[0].body


@pytest.mark.parametrize(
    ("script", "more", "words"),
    [
        ("kill -SEGV $$", {}, "SIGSEGV"),
        ("sleep 60", {"timeouts": {"silence_s": 0.5}}, "gave no output"),
    ],
)
def test_a_command_that_did_not_end_itself_is_a_failed_test_beside_its_report(
    stand, script, more, words
):
    done = stand.run(writing(f"echo '<testsuite/>' > out/results.xml; {script}", **more))

    assert done.code in (RunnerExit.PRODUCT_FAILURE, RunnerExit.TIMED_OUT)
    assert words in done.result("kernels")["message"]
    assert done.verdict.reports[0]["artifact"] == "report-1.xml"
    assert done.verdict.is_valid


def test_a_program_that_is_not_there_is_configuration(stand):
    done = stand.run({"harness": "command", "command": ["no-such-program"], "reports": REPORTS})

    assert done.code == RunnerExit.BAD_CONFIGURATION
    assert done.result("kernels")["outcome"] == "errored"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"harness": "pytest", "paths": ["tests"], "command": []}, "harness command"),
        ({"reports": [*REPORTS, *REPORTS]}, "names that differ"),
        ({"reports": [{"path": "../out.xml", "format": "junit"}]}, "without '..'"),
        ({"reports": [{"path": "out.xml", "format": "html"}]}, "format"),
    ],
)
def test_a_report_that_cannot_be_is_refused(change, message):
    with pytest.raises(ContractError, match=message):
        TaskSpec.from_json({**writing("true"), **change})


def test_a_task_without_reports_keeps_its_digest():
    plain = {"harness": "command", "command": ["true"]}

    assert TaskSpec.from_json(plain).to_json() == plain
    assert {item.value for item in ReportFormat} >= {"junit", "tap", "gtest-json"}
