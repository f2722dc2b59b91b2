"""The linter of accuracy gates judges by the discordance that runs measured."""

import pytest

from hotfire_infra.analysis.accuracy.linting import TaskFacts, facts_of_pipeline, lint
from hotfire_infra.analysis.accuracy.recording import analyse_accuracy
from hotfire_infra.executors.fake import Script

TEST = "accuracy/pytest/test_gsm8k"


def facts(pairs=0, discordant=0, items=4000, task="gsm8k"):
    return TaskFacts(task=task, items=items, pairs=pairs, discordant=discordant, runs=3)


def test_what_was_measured_counts_and_not_what_was_assumed():
    declared = {"gsm8k": {"tolerance": 0.01, "discordance": 0.02}}
    assert lint(declared, [facts()]) == ()
    (noisy,) = lint(declared, [facts(pairs=10_000, discordant=400)])
    assert "at 4.01 % discordance (measured: 400 of 10,000 pairs)" in noisy.fault
    assert noisy.is_error
    calm = {"gsm8k": {"tolerance": 0.01, "discordance": 0.3}}
    (assumed,) = lint(calm, [facts()])
    assert "at 30 % discordance show" in assumed.fault
    assert lint(calm, [facts(pairs=10_000, discordant=40)]) == ()


def test_the_remedy_is_true():
    declared = {"gsm8k": {"tolerance": 0.01}}
    (found,) = lint(declared, [facts(pairs=5000, discordant=250)])
    needed = int(found.fault.partition("): ")[2].partition(" items")[0].replace(",", ""))
    kept = float(found.fault.rpartition("(")[2].rstrip(")"))
    assert lint(declared, [facts(5000, 250, items=needed)]) == ()
    assert lint({"gsm8k": {"tolerance": kept}}, [facts(5000, 250)]) == ()
    assert lint({"gsm8k": {"tolerance": kept * 0.9}}, [facts(5000, 250)])


def test_a_few_pairs_are_no_measurement_and_no_difference_is_not_none():
    assert facts(pairs=199, discordant=60).discordance is None
    assert facts(pairs=1998).discordance == pytest.approx(1 / 2000)


def test_a_gate_for_the_others_names_the_task_that_it_cannot_judge():
    declared = {"gsm8k": {"tolerance": 0.2}, "*": {"tolerance": 0.01, "blind": "warning"}}
    (found,) = lint(declared, [facts(items=100), facts(task="mmlu"), facts(task="tiny", items=30)])
    assert "gate * (tiny): tolerates 1 point, but 30 items" in found.fault
    assert (found.task, found.is_error) == ("*", False)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_runs_that_passed_measure_what_changes_by_chance(make_stand, make_plan, dialect):
    records = []
    stand = make_stand(lambda _: Script(records=tuple(records)))
    stand.orchestrator.analyses = (analyse_accuracy,)
    plan = make_plan({"accuracy": [TEST]})

    def run(wrong):
        records[:] = [
            ("accuracy_sample", {"task": "gsm8k", "dataset": "d", "item": str(i), "prompt": "p",
             "decode_seed": 0, "outcome": int(i not in wrong), "test": TEST})
            for i in range(150)
        ]  # fmt: skip
        return stand.run(plan).run

    for wrong in (set(), {1, 2}, {2, 3, 4}):
        run(wrong)
    regressed = run(set(range(90)))
    assert regressed.verdict == "passed", "no gate is declared"
    with stand.store.reading() as connection:
        (found,) = facts_of_pipeline(connection, plan.pipeline)
    assert (found.runs, found.pairs, found.discordant, found.items) == (2, 300, 5, 150)
