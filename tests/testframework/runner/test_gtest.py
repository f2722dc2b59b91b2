"""The harness `gtest`: lists first, filters by a file, goes on after a crash."""

from __future__ import annotations

from pathlib import Path

from hotfire_testframework.contract.exit_codes import RunnerExit

FAKE = Path(__file__).parent / "fake_gtest.py"


def test_listed_tests_are_collected_and_a_crash_costs_its_own(stand):
    done = stand.run({"harness": "gtest", "command": ["{python}", str(FAKE)]})

    assert done.code == RunnerExit.PRODUCT_FAILURE
    assert done.verdict.is_valid
    assert done.of("collected")[0]["tests"] == [
        "aestus.unit/gtest/Gemm.Small",
        "aestus.unit/gtest/Gemm.Crashes",
        "aestus.unit/gtest/Tail/Sizes.Each/0",
        "aestus.unit/gtest/Tail/Sizes.Each/1",
    ]
    assert list(done.outcomes().values()) == ["passed", "failed", "passed", "passed"]


def test_an_executable_that_cannot_list_is_configuration(stand):
    done = stand.run({"harness": "gtest", "command": ["false"]})

    assert done.code == RunnerExit.BAD_CONFIGURATION


def test_a_list_without_tests_is_nothing_collected(stand):
    done = stand.run({"harness": "gtest", "command": ["true"]})

    assert done.code == RunnerExit.NOTHING_COLLECTED
