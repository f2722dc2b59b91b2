"""An end-to-end shift names the operators that moved, on every door by the same words."""

from __future__ import annotations

import math
import random

import pytest
from sqlalchemy import insert, select

from hotfire_infra.analysis.operators import NONE_ALONE, explaining, parts_of, parts_words
from hotfire_infra.analysis.performance import declared_gates
from hotfire_infra.store.models import Attempt, Comparison, Measurement, SeriesState, Task
from hotfire_pipelines.plan import Policy
from hotfire_testframework.contract.metrics import METRICS

DECODE = "aestus.decode_rate"
SECONDS = {"attention": 1e-3, "gate_up": 4e-3, "down": 2e-3, "logits": 3e-3}


def metric(operator):
    return f"aestus.decode_time.{operator}"


def times(draw, runs, **slower):
    """Return per operator the seconds of some runs; `slower` are factors of some of them."""
    return {
        metric(name): [
            base * slower.get(name, 1.0) * math.exp(draw.gauss(0, 0.01)) for _ in range(runs)
        ]
        for name, base in SECONDS.items()
    }


def test_the_operator_that_moved_is_named_with_its_share():
    draw = random.Random(1)
    found = explaining(times(draw, 12), times(draw, 4, attention=1.3), 0.3e-3)
    assert [one.metric for one in found] == [metric("attention")]
    assert found[0].share == pytest.approx(1.0, abs=0.1)
    assert parts_words(found).startswith("operators: attention +30 % (")


def test_where_all_moved_a_little_no_operator_is_blamed_alone():
    draw = random.Random(2)
    everywhere = dict.fromkeys(SECONDS, 1.005)
    found = explaining(times(draw, 12), times(draw, 3, **everywhere), 0.05e-3)
    assert parts_words(found) == f"operators: {NONE_ALONE}"


def test_what_moved_the_other_way_explains_nothing():
    draw = random.Random(3)
    found = explaining(times(draw, 12), times(draw, 4, down=0.8, attention=1.6), 0.2e-3)
    assert [one.metric for one in found] == [metric("attention")]


def test_too_few_runs_say_nothing():
    draw = random.Random(4)
    assert explaining(times(draw, 2), times(draw, 1, down=2.0), 2e-3) is None
    assert explaining({}, {}, 2e-3) is None
    assert parts_words(None) == ""


def test_an_operator_is_named_falsely_about_as_rarely_as_stated():
    # One new run, 1 % doubt over all operators: 4 expected of 400; beyond 12 the odds are below 1e-3.
    draw = random.Random(5)
    named = sum(bool(explaining(times(draw, 10), times(draw, 1), 1e-6)) for _ in range(400))
    named += sum(bool(explaining(times(draw, 10), times(draw, 1), -1e-6)) for _ in range(400))
    assert named <= 12


def run(branch, commit, seconds, draw, **terms):
    """Measure a decode rate and, in the same attempt, the operators that it is made of."""
    jitter = {name: one * math.exp(draw.gauss(0, 0.005)) for name, one in seconds.items()}
    run_id = branch.measure(commit, {"decode": 1 / sum(jitter.values())}, **terms)
    with branch.store.writing() as connection:
        attempt = (
            select(Attempt.id).join(Task, Task.id == Attempt.task_id).where(Task.run_id == run_id)
        )
        chosen = Measurement.attempt_id == attempt.scalar_subquery()
        whole = connection.execute(select(*Measurement.__table__.c).where(chosen)).one()
        for seq, (name, value) in enumerate(jitter.items(), start=100):
            connection.execute(
                insert(Measurement).values(
                    {**whole._mapping, "seq": seq, "metric": metric(name), "unit": "s",
                     "value": value, "replicates": [value], "definition": name}
                )
            )  # fmt: skip
    branch.finalize(run_id)
    return run_id


def test_an_alert_and_a_comparison_name_the_operator(branch):
    draw = random.Random(6)
    for commit in range(1, 31):
        run(branch, commit, SECONDS, draw)
    slow = {**SECONDS, "attention": 1.6e-3}
    newest = [run(branch, commit, slow, draw) for commit in range(31, 37)]
    (change,) = branch.changes()
    assert change.metric == DECODE
    (found,) = branch.findings()
    assert "; operators: attention +" in found.text
    with branch.store.reading() as connection:
        query = select(Comparison.metric, Comparison.reason).where(
            Comparison.run_id == newest[0], Comparison.outcome == "regressed"
        )
        said = {row.metric: row.reason for row in connection.execute(query)}
        watched = connection.execute(select(SeriesState.series_key)).all()
    assert "; operators: attention +" in said[DECODE]
    assert metric("attention") in said
    assert len(watched) == 1, "operators explain; they raise no alerts of their own"


def test_a_gate_for_everything_does_not_hold_operators_one_by_one(branch):
    run_id = branch.measure(1, {"decode": 100.0}, policy=Policy(performance={"*": {}}))
    with branch.store.reading() as connection:
        gates = declared_gates(branch.store, connection, run_id)
    assert DECODE in gates
    assert not set(parts_of(DECODE)) & set(gates)
    assert all(METRICS.get(one).unit.value == "s" for one in parts_of(DECODE))
