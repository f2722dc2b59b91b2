"""The story of the newcomer: run, look, compare; then a red library, and back to the cause."""

import json
import shlex

import pytest

pytestmark = pytest.mark.end_to_end

KEYS = {"id", "pipeline", "source", "plan_digest", "state", "verdict", "reasons", "url", "cells"}
CELL_KEYS = {
    "task", "variant", "state", "verdict", "reason", "failure_class", "attempts", "tests", "pending",
}  # fmt: skip


def test_run_ends_with_the_verdict_in_one_line_and_exit_0(green):
    _, answer = green
    assert answer.code == 0, answer.err
    assert "passed on 1 of 2 platforms, 3 of 4 cells, none missing." in answer.out
    assert answer.out.rstrip().endswith("/r/1")
    assert answer.out.count("\n") == 1


def test_progress_names_plan_and_every_finished_cell_once(green):
    _, answer = green
    lines = answer.err.splitlines()
    assert sum(" plan  toy @ " in line for line in lines) == 1
    for words in ("✓ build", "✓ suite", "✓ slow", "– board-suite"):
        assert sum(words in line for line in lines) == 1, words
    assert "no-such-emulator" in next(line for line in lines if "board-suite" in line)


def test_document_of_the_run_has_the_public_form(green):
    checkout, _ = green
    run = checkout.document()
    assert run.keys() >= KEYS
    assert all(set(cell) == CELL_KEYS for cell in run["cells"])
    assert run["verdict"] == "passed"
    assert run["totals"] == {"passed": 3, "not_executable": 1}
    assert {cell["variant"]["execution"] for cell in run["cells"]} == {"native"}


def test_list_of_runs_is_tab_separated_without_a_terminal(green):
    checkout, _ = green
    header, line = checkout.hotfire("ps").out.splitlines()
    assert header.split("\t")[:3] == ["STATE", "RUN", "PIPELINE"]
    assert line.split("\t")[:3] == ["✓ passed", "1", "toy"]


def test_plan_is_json_and_a_saved_plan_can_be_run(checkout):
    plan = checkout.hotfire("plan", "toy", "-o", "json")
    document = json.loads(plan.out)
    assert {"digest", "cells", "tasks", "edges", "estimate"} <= document.keys()
    checkout.write("../plan.json", plan.out)
    answer = checkout.hotfire("run", "--plan", "../plan.json")
    assert answer.code == 0, answer.err
    assert checkout.document()["plan_digest"] == document["digest"]


def test_dry_run_starts_nothing(checkout):
    assert checkout.hotfire("run", "toy", "--dry-run").code == 0
    assert "no run has been recorded here yet" in checkout.hotfire("ps").err


def test_logs_are_what_the_task_printed(green):
    checkout, _ = green
    assert checkout.hotfire("logs", "latest", "build").out.splitlines()[-1] == "built"
    assert checkout.hotfire("logs", "latest", "slow", "--tail", "1").out == "slept\n"


def test_red_run_exits_1_and_names_what_failed(red):
    _, answer = red
    assert answer.code == 1, answer.err
    assert answer.out.startswith(" failed: passed on 0 of 2 platforms")
    assert "✗ suite" in answer.err


def test_show_of_a_red_run_ends_each_failure_with_the_command_that_reproduces_it(red):
    checkout, _ = red
    shown = checkout.hotfire("show", "latest")
    assert shown.code == 0
    test = "suite.test_library/pytest/test_add[0]"
    assert "… and 4 more tests say the same" in shown.out
    assert f"hotfire repro {shlex.quote(test)} --run 1" in shown.out


def test_show_of_a_failed_test_ends_with_the_command_and_the_command_fails_the_same_way(red):
    checkout, _ = red
    document = checkout.document()
    assert {c["task"]: c["verdict"] for c in document["cells"]}["suite"] == "failed"
    test = failed_test(checkout)
    last = checkout.hotfire("show", test).out.strip().splitlines()[-1].strip()
    assert last == f"hotfire repro {shlex.quote(test)} --run 1"
    again = checkout.hotfire(*shlex.split(last)[1:], "--exec")
    assert again.code == 1, again.err
    assert "✗" in again.err
    printed = checkout.hotfire(*shlex.split(last)[1:]).out
    assert "hotfire_testframework.runner" in printed


def failed_test(checkout):
    shown = checkout.hotfire("show", "latest").out
    return next(
        line.split()[1] for line in shown.splitlines() if line.startswith(" ✗ suite.test_library/")
    )


def test_fixing_the_library_shows_as_better_and_breaking_it_as_worse(checkout):
    assert checkout.hotfire("run", "toy").code == 0
    checkout.write("library.py", "def add(a, b):\n    return a - b\n")
    assert checkout.hotfire("run", "toy").code == 1
    worse = checkout.hotfire("compare", "1", "2")
    assert worse.code == 1
    assert "passed → failed" in worse.out
    assert checkout.hotfire("compare", "2", "1").code == 0


def test_unchanged_measurement_says_too_few_until_there_are_enough_runs(checkout):
    for _ in range(4):
        assert checkout.hotfire("run", "toy").code == 0
    compared = checkout.hotfire("show", "latest").out
    assert "against 3 earlier runs: unchanged" in compared
