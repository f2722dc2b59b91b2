"""Accuracy of two runs out of the store: pairs on equal keys, on both databases."""

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from hotfire_infra.analysis.accuracy.differences import mean_difference
from hotfire_infra.analysis.accuracy.gates import Gate
from hotfire_infra.analysis.accuracy.recording import analyse_accuracy
from hotfire_infra.analysis.accuracy.tasks import compare_accuracy
from hotfire_infra.errors import PlanRefusedError
from hotfire_infra.executors.fake import Script
from hotfire_infra.store.models import Finding
from hotfire_infra.store.queries_accuracy import paired_counts, run_to_compare
from hotfire_pipelines.plan import Policy

TEST = "accuracy/pytest/test_gsm8k"


def sample(number: int, outcome: int | str, **values: Any) -> tuple[str, Mapping[str, Any]]:
    body = {
        "task": "gsm8k", "dataset": "sha256:d", "item": str(number), "prompt": f"p{number}",
        "decode_seed": 0, "outcome": outcome, "test": TEST,
    }  # fmt: skip
    return "accuracy_sample", {**body, **values}


class Runs:
    """Runs whose samples a test states."""

    def __init__(self, make_stand, make_plan):
        self.samples: list[tuple[str, Mapping[str, Any]]] = []
        self.outcomes: dict[str, str] = {}
        self.plan = make_plan({"accuracy": [TEST]})
        self.stand = make_stand(
            lambda _: Script(records=tuple(self.samples), outcomes=self.outcomes)
        )
        self.stand.orchestrator.analyses = (analyse_accuracy,)
        self.store = self.stand.store

    def run(self, samples, **outcomes):
        self.samples = list(samples)
        self.outcomes = outcomes
        return self.stand.run(self.plan).run


on_both = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])


@pytest.fixture
def runs(make_stand, make_plan) -> Runs:
    return Runs(make_stand, make_plan)


def compared(runs, before, after, **gates):
    with runs.store.reading() as connection:
        return compare_accuracy(connection, before.id, after.id, gates)


def counted(runs, before, after):
    with runs.store.reading() as connection:
        return paired_counts(connection, before.id, after.id)


@on_both
def test_samples_with_equal_keys_are_pairs(runs):
    before = runs.run(sample(i, int(i < 70), score=0.5) for i in range(100))
    after = runs.run(sample(i, int(i >= 5 and i < 72), score=0.25) for i in range(100))
    (one,) = compared(runs, before, after)
    assert (one.pairs, one.better, one.worse, one.errored) == (100, 2, 5, 0)
    assert one.drop == pytest.approx(0.03)
    assert one.low < 0.03 < one.high
    assert one.p_value == pytest.approx(29 / 128)  # P(Bin(7, ½) ≥ 5)
    assert (one.decision, one.is_gate) == ("inconclusive", False)
    assert one.score_change == pytest.approx(-0.25)
    assert one.line.startswith("gsm8k on here: 100 pairs, 7 discordant, drop 3 points [")


@pytest.mark.parametrize(
    "changed",
    [{"dataset": "sha256:e"}, {"prompt": "other"}, {"decode_seed": 1}, {"item": "x"},
     {"task": "mmlu"}, {"test": "accuracy/pytest/test_other"}],
)  # fmt: skip
def test_a_sample_with_another_key_is_no_pair(runs, changed):
    before = runs.run([sample(1, 1), sample(2, 1)])
    after = runs.run([sample(1, 1), sample(2, 1, **changed)])
    assert sum(row.pairs for row in counted(runs, before, after)) == 1


@on_both
def test_an_errored_sample_is_counted_and_no_pair(runs):
    before = runs.run([sample(1, 1), sample(2, "errored"), sample(3, 1)])
    after = runs.run([sample(1, 0), sample(2, 1), sample(3, "errored")])
    (row,) = counted(runs, before, after)
    assert (row.pairs, row.items, row.worse, row.errored) == (1, 1, 1, 2)


def test_runs_without_a_common_item_are_not_comparable(runs):
    before = runs.run([sample(1, 1)])
    after = runs.run([sample(2, 1)])
    (one,) = compared(runs, before, after)
    assert one.decision == "not_comparable"
    assert "no item has equal keys in both runs; 1 and 1 sample" in one.line


def test_tasks_of_one_run_alone_are_left_out(runs):
    before = runs.run([sample(1, 1)])
    after = runs.run([sample(1, 1, task="mmlu")])
    assert counted(runs, before, after) == ()


@on_both
def test_a_sample_taken_twice_counts_as_it_was_last(runs):
    before = runs.run([sample(1, 1)])
    after = runs.run([sample(1, 0), sample(1, 1)])
    (row,) = counted(runs, before, after)
    assert (row.pairs, row.worse, row.samples_after) == (1, 0, 1)


@on_both
def test_several_seeds_of_an_item_count_once(runs):
    """Pairs of one item under three seeds: Student's t over the items' means decides."""
    draw = random.Random(2)
    table = {
        (i, s): (draw.random() < 0.8, draw.random() < 0.7) for i in range(60) for s in range(3)
    }
    before = runs.run(sample(i, int(old), decode_seed=s) for (i, s), (old, _) in table.items())
    after = runs.run(sample(i, int(new), decode_seed=s) for (i, s), (_, new) in table.items())
    (one,) = compared(runs, before, after)
    means = [sum(table[i, s][1] - table[i, s][0] for s in range(3)) / 3 for i in range(60)]
    expected = mean_difference(means)
    assert (one.pairs, one.items) == (180, 60)
    assert one.drop == pytest.approx(-expected.mean)
    assert one.p_value == pytest.approx(expected.p_worse)
    assert "60 items under several seeds" in one.reason


def test_a_declared_gate_fails_on_a_drop_and_others_never_block(runs):
    before = runs.run(sample(i, 1) for i in range(400))
    after = runs.run(sample(i, int(i >= 30)) for i in range(400))
    (free,) = compared(runs, before, after)
    (gated,) = compared(runs, before, after, gsm8k=Gate(tolerance=0.02))
    assert (free.decision, free.is_gate) == ("regressed", False)
    assert (gated.decision, gated.is_gate, gated.tolerance) == ("regressed", True, 0.02)


@on_both
def test_a_finalized_run_has_a_line_per_task_against_the_last_one_that_passed(runs):
    runs.run(sample(i, 1) for i in range(50))
    second = runs.run(sample(i, 1) for i in range(50))
    third = runs.run(sample(i, 1) for i in range(50))
    with runs.store.reading() as connection:
        assert [number for _, number in run_to_compare(connection, third.id)] == [second.number, 1]
        query = select(Finding.text).where(Finding.run_id == third.id, Finding.kind == "accuracy")
        lines = [row.text for row in connection.execute(query)]
    assert len(lines) == 1
    assert lines[0].startswith(
        "against run 2: gsm8k on here: 50 pairs, 0 discordant, drop 0 points"
    )


def test_a_repeated_step_writes_its_lines_once(runs):
    runs.run(sample(i, 1) for i in range(9))
    second = runs.run(sample(i, 1) for i in range(9))
    assert analyse_accuracy(runs.store, second.id) == ()
    with runs.store.reading() as connection:
        query = select(Finding.id).where(Finding.run_id == second.id, Finding.kind == "accuracy")
        assert len(connection.execute(query).all()) == 1


def test_a_decline_in_small_steps_shows_against_the_oldest_run(runs):
    for lost in range(0, 60, 6):
        last = runs.run(sample(i, int(i >= lost)) for i in range(800))
    with runs.store.reading() as connection:
        query = select(Finding.text).where(Finding.run_id == last.id, Finding.kind == "accuracy")
        lines = [row.text for row in connection.execute(query)]
    assert len(lines) == 2
    assert "regressed" not in lines[0]
    assert lines[1].startswith("against run 1: gsm8k")
    assert "regressed" in lines[1]


def gated(runs, **figures):
    """Let the plan declare a gate on gsm8k."""
    runs.plan = replace(runs.plan, policy=Policy(accuracy={"gsm8k": figures}))


def test_a_declared_gate_blocks_the_run_and_says_why(runs):
    gated(runs, tolerance=0.03, alpha=2e-4)
    assert runs.run(sample(i, 1) for i in range(900)).verdict == "passed"
    red = runs.run(sample(i, int(i >= 45)) for i in range(900))
    assert red.verdict == "failed"
    (reason,) = (line for line in red.reasons if "accuracy" in line)
    assert reason.startswith("accuracy regressed: against run 1: gsm8k on here: 900 pairs")
    # What failed is no reference for the next one: a regressed main disarms nothing.
    assert runs.run(sample(i, int(i >= 45)) for i in range(900)).verdict == "failed"


def test_a_gate_that_cannot_see_its_tolerance_makes_no_run(runs):
    runs.run(sample(i, 1) for i in range(300))
    gated(runs, tolerance=0.01)
    with pytest.raises(PlanRefusedError, match=r"gate gsm8k: tolerates 1 point, but 300 items"):
        runs.stand.start(runs.plan)
    gated(runs, tolerance=0.08)
    assert runs.stand.start(runs.plan)


def test_declared_items_are_judged_before_the_first_run(runs):
    gated(runs, tolerance=0.01, items=1319)
    with pytest.raises(PlanRefusedError, match=r"1,319 items .* items are needed"):
        runs.stand.start(runs.plan)
    gated(runs, tolerance=0.01)
    assert runs.stand.start(runs.plan)


def test_figures_of_a_foreign_plan_are_checked_too(runs):
    gated(runs, tolerance=4)
    with pytest.raises(PlanRefusedError, match=r"gate gsm8k: tolerance is 4, expected a share"):
        runs.stand.start(runs.plan)
