"""Entries of a test list under pytest: what is selected, alone, limited, lost, and what a crash costs."""

from __future__ import annotations

import json

import pytest

from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.listing import ListedTest
from hotfire_testframework.contract.task import TaskSpec
from hotfire_testframework.errors import DecodeError
from hotfire_testframework.runner.harnesses.pytest import files_of, parts_of

PLAIN = ["-p", "no:cacheprovider"]

SUITE = {
    "unit/test_a.py": """
import os, pytest
@pytest.mark.parametrize("n", [1, 2])
def test_one(n): pass
def test_two(): pass
class TestC:
    def test_three(self): pass
    @pytest.mark.filterwarnings("ignore")
    def test_four(self): pass
""",
    "unit/deep/test_b.py": "def test_deep(): pass\ndef test_other(): pass\n",
    "test_alone.py": """
import os, pathlib
def test_alone(): print(os.getpid(), file=open("pids", "a"))
def test_beside(): print(os.getpid(), file=open("pids", "a"))
""",
    "test_crash.py": "import os\ndef test_dies(): os.abort()\ndef test_lives(): pass\n",
    "test_hang.py": "import time\ndef test_waits(): time.sleep(600)\ndef test_next(): pass\n",
    "test_broken.py": "import nothing_of_this_name\ndef test_never(): pass\n",
}


@pytest.fixture
def listed(stand, tmp_path):
    root = tmp_path / "suite"
    for name, text in SUITE.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(*tests, **fields):
        entries = [{"test": one} if isinstance(one, str) else one for one in tests]
        spec = {"harness": "pytest", "paths": [str(root)], "args": PLAIN, "tests": entries}
        return stand.run({**spec, **fields})

    return run


def names(done):
    return {
        record["test"].replace("/pytest/", "::"): record["outcome"]
        for record in done.of("test_attempt")
    }


def processes(done):
    return len(list((done.root / "events").glob("pytest-*.jsonl")))


def test_each_kind_of_entry_selects_its_tests_and_no_others(listed):
    done = listed("unit/test_a.py::test_one[2]", "unit/test_a.py::TestC", "unit/deep")
    assert names(done) == {
        "unit.test_a::test_one[2]": "passed",
        "unit.test_a::TestC::test_three": "passed",
        "unit.test_a::TestC::test_four": "passed",
        "unit.deep.test_b::test_deep": "passed",
        "unit.deep.test_b::test_other": "passed",
    }
    assert done.code == RunnerExit.PASSED
    assert processes(done) == 1


def test_expressions_are_of_their_entry_alone(listed):
    done = listed(
        {"test": "unit/test_a.py", "keyword": "two or three"},
        {"test": "unit/test_a.py", "marker": "filterwarnings"},
        "unit/deep/test_b.py::test_deep",
    )
    # An identifier begins at the list's root, whatever else its process runs.
    assert set(names(done)) == {
        "unit.test_a::test_two",
        "unit.test_a::TestC::test_three",
        "unit.test_a::TestC::test_four",
        "unit.deep.test_b::test_deep",
    }
    assert processes(done) == 3


def test_what_is_left_out_does_not_run_and_its_entry_is_not_lost(listed):
    done = listed(
        "unit/test_a.py::TestC",
        "unit/deep",
        {"test": "unit/test_a.py", "keyword": "two"},
        leave_out=[
            "unit.test_a/pytest/TestC::test_three",
            "unit.deep.test_b/pytest/test_deep",
            "unit.deep.test_b/pytest/test_other",
            "unit.test_a/pytest/test_two",
        ],
    )
    assert names(done) == {"unit.test_a::TestC::test_four": "passed"}
    assert (done.code, processes(done)) == (RunnerExit.PASSED, 2)


def test_what_is_isolated_runs_alone_and_last(listed):
    done = listed(
        {"test": "test_alone.py::test_alone", "isolation": True},
        "test_alone.py::test_beside",
        "unit/deep",
    )
    assert list(names(done))[-1] == "test_alone::test_alone"
    beside, alone = (done.root / "work" / "pids").read_text().split()
    assert beside != alone


def test_an_entry_has_its_own_limit(listed):
    limits = {"test_s": 100.0, "run_s": 240.0, "silence_s": 100.0, "grace_s": 2.0}
    done = listed(
        {"test": "test_hang.py", "timeout_s": 4.0}, "unit/deep/test_b.py", timeouts=limits
    )
    assert names(done)["test_hang::test_waits"] == "failed"
    assert names(done)["test_hang::test_next"] == "passed"
    assert "took longer than 4 s" in done.result("test_waits")["message"]
    assert names(done)["unit.deep.test_b::test_deep"] == "passed"


def test_a_longer_limit_allows_as_long_a_silence(listed, tmp_path):
    path = tmp_path / "suite" / "test_slow.py"
    path.write_text("import time\ndef test_slow(): time.sleep(1.5)\n")
    limits = {"test_s": 0.5, "run_s": 240.0, "silence_s": 0.9, "grace_s": 2.0}
    done = listed({"test": "test_slow.py", "timeout_s": 60.0}, timeouts=limits)
    assert names(done) == {"test_slow::test_slow": "passed"}


def test_an_entry_that_names_nothing_is_an_error_and_costs_no_other(listed):
    done = listed(
        "unit/deep/test_b.py::test_gone",
        "gone/test_x.py",
        {"test": "unit/deep", "keyword": "nothing_like_it"},
        "unit/deep/test_b.py::test_deep",
        {"test": "gone", "isolation": True},
    )
    assert names(done) == {
        "unit.deep.test_b::test_gone": "errored",
        "gone.test_x::gone/test_x.py": "errored",
        "unit.deep.test_b::test_deep": "passed",
        "unit.deep::unit/deep": "errored",
        "gone::gone": "errored",
    }
    assert "and no test in it fits" in done.result("test_gone")["message"]
    assert "and the file is not there" in done.result("gone.test_x")["message"]
    assert done.code == RunnerExit.PRODUCT_FAILURE


def test_a_crash_costs_its_test_and_the_rest_of_the_list_goes_on(listed):
    done = listed("test_crash.py", {"test": "unit/test_a.py", "keyword": "two"})
    assert names(done) == {
        "test_crash::test_dies": "failed",
        "test_crash::test_lives": "passed",
        "unit.test_a::test_two": "passed",
    }


def test_a_later_process_that_cannot_collect_is_never_green(listed, tmp_path):
    path = tmp_path / "suite" / "conftest.py"
    path.write_text(
        "import os\ndef pytest_collection_modifyitems(config):\n"
        "    if config.option.keyword: os._exit(1)\n"
    )
    done = listed("unit/deep", {"test": "unit/test_a.py", "keyword": "two"})
    assert done.code not in (RunnerExit.PASSED, RunnerExit.PRODUCT_FAILURE)


def test_a_module_that_cannot_be_imported_is_named(listed):
    done = listed("test_broken.py::test_never", "unit/deep/test_b.py::test_deep")
    assert names(done)["test_broken::test_never"] == "errored"
    assert names(done)["unit.deep.test_b::test_deep"] == "passed"
    details = [record.get("detail", "") for record in done.of("test_attempt")]
    assert any("nothing_of_this_name" in detail for detail in details)


def test_entries_share_processes_as_far_as_their_options_allow():
    tests = [
        ListedTest(test="a.py", isolation=True),
        ListedTest(test="b.py"),
        ListedTest(test="c.py", keyword="x"),
        ListedTest(test="d.py"),
        ListedTest(test="e.py", keyword="x"),
        ListedTest(test="f.py", timeout_s=60.0),
        ListedTest(test="g.py", isolation=True),
    ]
    found = [[item.test for item in part] for part in parts_of(tests)]
    assert found == [["b.py", "d.py"], ["c.py", "e.py"], ["f.py"], ["a.py"], ["g.py"]]


def test_a_file_is_given_once():
    tests = [ListedTest(test=t) for t in ("a/b.py::t", "a/b.py::u", "c/d.py", "c", "cd/x.py")]
    assert files_of(tests) == ["a/b.py", "c", "cd/x.py"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tests": [{"test": "/a.py"}]}, "below the list's root"),
        ({"tests": [{"test": "../a.py"}]}, "below the list's root"),
        ({"tests": [{"test": "--co"}]}, "below the list's root"),
        ({"tests": [{"test": "a.py", "timeout_s": 0.0}]}, "more than 0"),
        ({"tests": [{"test": "a.py", "timeout_s": 1801.0}]}, "timeouts nest"),
        ({"paths": ["a", "b"], "tests": [{"test": "a.py"}]}, "with one path"),
        ({"harness": "command", "command": ["x"], "tests": [{"test": "a.py"}]}, "with one path"),
    ],
)
def test_a_spec_that_means_nothing_is_refused(change, message):
    with pytest.raises(DecodeError, match=message):
        TaskSpec.from_json({"harness": "pytest", "paths": ["root"], **change})


def test_a_spec_with_a_list_reads_back_and_one_without_says_nothing_of_it():
    tests = (ListedTest(test="a.py::t[1]", timeout_s=60.0, isolation=True),)
    spec = TaskSpec.from_json({"harness": "pytest", "paths": ["r"]})
    assert "tests" not in spec.to_json()
    listed = TaskSpec.from_json({**spec.to_json(), "tests": [{"test": "a.py::t[1]",
                                 "timeout_s": 60.0, "isolation": True}]})  # fmt: skip
    assert listed.tests == tests
    assert TaskSpec.from_json(json.loads(json.dumps(listed.to_json()))) == listed
