"""What a task's end means: exit codes, results, and who is to blame."""

from __future__ import annotations

import signal

import pytest

from hotfire_testframework.contract.exit_codes import RunnerExit


def test_a_command_that_succeeds_is_one_passed_test(stand):
    done = stand.run({"harness": "command", "command": ["sh", "-c", "echo hello"]})

    assert done.code == RunnerExit.PASSED
    assert done.verdict.is_valid
    assert done.outcomes() == {"kernels": "passed"}
    assert (done.root / "stdout.log").read_text() == "hello\n"
    assert (done.root / "exit").read_text() == "0\n"


def test_a_command_that_fails_is_red_with_its_last_words(stand):
    done = stand.run(
        {"harness": "command", "command": ["sh", "-c", "echo no such symbol >&2; exit 3"]}
    )

    assert done.code == RunnerExit.PRODUCT_FAILURE
    assert "exit 3" in done.result("kernels")["message"]
    assert "no such symbol" in done.result("kernels")["detail"]
    assert done.verdict.is_valid


def test_a_program_that_is_not_there_is_configuration_and_not_red(stand):
    done = stand.run({"harness": "command", "command": ["no-such-program"]})

    assert done.code == RunnerExit.BAD_CONFIGURATION
    assert done.result("kernels")["outcome"] == "errored"


@pytest.mark.parametrize(
    ("exit_code", "expected"),
    [
        (1, RunnerExit.SMOKE_TEST),
        (30, RunnerExit.DEVICE_MISSING),
        (31, RunnerExit.DEVICE_FAULT),
        (20, RunnerExit.BAD_CONFIGURATION),
    ],
)
def test_a_failing_setup_is_infrastructure_and_runs_nothing(stand, exit_code, expected):
    done = stand.run(
        {
            "harness": "command",
            "setup": [["sh", "-c", f"exit {exit_code}"]],
            "command": ["touch", "ran"],
        }
    )

    assert done.code == expected
    assert not (done.root / "work" / "ran").exists()
    assert done.of("test_start") == []


def test_a_failing_teardown_is_infrastructure_and_keeps_the_results(stand):
    done = stand.run({"harness": "command", "command": ["true"], "teardown": [["false"]]})

    assert done.code == RunnerExit.SMOKE_TEST
    assert done.outcomes() == {"kernels": "passed"}


def test_teardown_runs_after_a_failed_setup(stand):
    done = stand.run(
        {
            "harness": "command",
            "setup": [["false"]],
            "command": ["true"],
            "teardown": [["touch", "cleaned"]],
        }
    )

    assert (done.root / "work" / "cleaned").exists()


def test_phases_stand_in_the_stream_in_their_order(stand):
    done = stand.run(
        {"harness": "command", "setup": [["true"]], "command": ["true"], "teardown": [["true"]]}
    )

    steps = [(record["phase"], record["state"]) for record in done.of("phase")]
    assert steps == [
        (phase, state) for phase in ("setup", "run", "teardown") for state in ("begin", "end")
    ]


def test_collected_precedes_the_first_test(stand, cases):
    done = stand.run(cases("ok", "ok"))

    kinds = [record.kind for record in done.records]
    assert kinds.index("collected") < kinds.index("test_start")
    assert kinds[0] == "session"
    assert kinds[-1] == "manifest"


def test_every_case_is_reported_with_its_metrics(stand, cases):
    done = stand.run(cases("ok", "fail", "ok"))

    assert done.code == RunnerExit.PRODUCT_FAILURE
    assert list(done.outcomes().values()) == ["passed", "failed", "passed"]
    assert done.result("n=0")["metrics"] == {"impl": "scalar"}
    assert done.result("n=0")["test"] == "aestus.kernels/native/fake.f32:n=0,data=ok,seed=1"


def test_a_segfault_loses_only_its_case_and_that_case_is_red(stand, cases):
    done = stand.run(cases("ok", "segv", "ok", "segv", "ok"))

    assert done.code == RunnerExit.PRODUCT_FAILURE
    assert list(done.outcomes().values()) == ["passed", "failed", "passed", "failed", "passed"]
    assert "SIGSEGV" in done.result("n=1")["message"]
    assert done.result("n=1")["failure_class"] == "product"
    assert done.verdict.is_valid


def test_a_crash_event_names_the_signal_even_if_the_end_looks_like_a_kill(stand, cases):
    done = stand.run(cases("crash", "ok"))

    assert done.result("n=0")["outcome"] == "failed"
    assert "SIGFPE" in done.result("n=0")["message"]


def test_an_exit_in_the_middle_of_a_case_is_that_cases_failure(stand, cases):
    done = stand.run(cases("exit", "ok"))

    assert list(done.outcomes().values()) == ["failed", "passed"]


def test_a_kill_from_outside_is_infrastructure_and_ends_the_attempt(stand, cases):
    done = stand.run(cases("ok", "kill", "ok"))

    assert done.code == RunnerExit.LAUNCHER_DIED
    assert done.result("n=1")["outcome"] == "errored"
    assert done.result("n=1")["failure_class"] == "infra-node"
    assert len(done.of("test_attempt")) == 2


def test_an_emulator_that_dies_in_silence_is_infrastructure(stand, cases):
    done = stand.run(cases("ok", "segv", "ok", emulated=True))

    assert done.code == RunnerExit.LAUNCHER_DIED
    assert done.result("n=1")["failure_class"] == "infra-node"


def test_a_guest_that_dies_under_its_emulator_is_red(stand, cases):
    done = stand.run(cases("ok", "guest", "ok", emulated=True))

    assert done.code == RunnerExit.PRODUCT_FAILURE
    assert list(done.outcomes().values()) == ["passed", "failed", "passed"]
    assert signal.Signals.SIGSEGV.name in done.result("n=1")["message"]


def test_an_executable_that_dies_before_its_first_case_makes_all_of_them_red(stand, cases):
    done = stand.run(cases("early", "ok"))

    assert done.code == RunnerExit.PRODUCT_FAILURE
    assert set(done.outcomes().values()) == {"failed"}
    assert done.verdict.is_valid


def test_a_case_line_the_executable_refuses_is_configuration(stand, cases):
    done = stand.run(cases("badline", "ok"))

    assert done.code == RunnerExit.BAD_CONFIGURATION
    assert done.of("test_attempt") == []


def test_a_result_the_contract_refuses_is_the_harness_fault_and_not_lost(stand, cases):
    done = stand.run(cases("garbage", "ok"))

    assert done.code == RunnerExit.BAD_CONFIGURATION
    assert done.result("n=0")["failure_class"] == "harness"
    assert done.result("n=1")["outcome"] == "passed"


def test_a_suite_that_collects_nothing_is_an_error(stand, tmp_path):
    (tmp_path / "test_empty.py").write_text("")
    done = stand.run(
        {
            "harness": "pytest",
            "paths": [str(tmp_path / "test_empty.py")],
            "args": ["-p", "no:cacheprovider"],
        }
    )

    assert done.code == RunnerExit.NOTHING_COLLECTED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"attempt": 1}',
        '{"attempt":"01ARZ3NDEKTSV4RRFFQ69G5FAV","run":"r","task":"t","spec":{"harness":"no"}}',
    ],
)
def test_a_bad_attempt_file_is_configuration(stand, text):
    directory = stand.make({"harness": "command", "command": ["true"]})
    (directory / "attempt.json").write_text(text)
    done = stand.finish(stand.start(directory), directory)

    assert done.code == RunnerExit.BAD_CONFIGURATION
    assert "attempt.json" in done.stderr


def test_an_unknown_placeholder_is_configuration_and_names_the_known_ones(stand):
    done = stand.run({"harness": "command", "command": ["echo", "{input:weights}"]})

    assert done.code == RunnerExit.BAD_CONFIGURATION
    assert "{work}" in done.of("problem")[0]["what"]
