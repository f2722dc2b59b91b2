"""A task cut down to one test, for each harness that has a filter."""

import pytest

from hotfire_infra.cli.reproduction import narrowed
from hotfire_testframework.contract.listing import ListedTest
from hotfire_testframework.contract.task import TaskSpec

LISTED = TaskSpec.from_json(
    {
        "harness": "pytest",
        "paths": ["suite"],
        "tests": [
            {"test": "unit", "keyword": "fast", "timeout_s": 60.0},
            {"test": "other.py", "isolation": True},
        ],
    }
)


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("unit.test_a/pytest/T::test_b[1]",
         ListedTest(test="unit/test_a.py::T::test_b[1]", timeout_s=60.0)),
        ("other/pytest/test_x", ListedTest(test="other.py::test_x", isolation=True)),
    ],
)  # fmt: skip
def test_a_listed_test_is_repeated_alone_with_the_limits_of_its_entry(test, expected):
    assert narrowed(LISTED, test).tests == (expected,)


def test_a_test_that_no_entry_lists_is_repeated_with_all():
    assert narrowed(LISTED, "gone/pytest/test_x") == LISTED


def test_other_harnesses_have_filters_of_their_own():
    plain = TaskSpec.from_json({"harness": "pytest", "paths": ["suite"]})
    assert narrowed(plain, "a/pytest/T::test_b[1]").args == ("-k", "test_b")
    native = TaskSpec.from_json({"harness": "gtest", "command": ["unit"]})
    assert narrowed(native, "a/gtest/Case.name").args == ("--gtest_filter=Case.name",)
