"""A canary that moved with a series says that the machine did it: no alert of the code, no gate."""

from __future__ import annotations

import math
import random

import pytest
from sqlalchemy import insert, select

from hotfire_infra.analysis.canaries import CANARIES, CanaryShift, explaining, shifts
from hotfire_infra.analysis.performance import declared_gates
from hotfire_infra.analysis.student_t import quantile
from hotfire_infra.store.models import Attempt, Measurement, Task
from hotfire_infra.store.queries_measurements import comparisons_of_run
from hotfire_pipelines.plan import Policy
from hotfire_testframework.contract.metrics import METRICS

CLOCK, MEMORY = "canary.clock_time", "canary.memory_time"
GATED = Policy(performance={"*": {}})


def test_a_shift_is_held_against_the_two_sample_t_of_the_logarithms():
    old, new = [1.00, 1.01, 0.99, 1.005], [1.10, 1.12]
    (found,) = shifts({CLOCK: old}, {CLOCK: new})
    logs = [math.log(one) for one in old], [math.log(one) for one in new]
    means = [sum(some) / len(some) for some in logs]
    assert found.shift == pytest.approx(means[1] - means[0])
    squares = sum((one - mean) ** 2 for some, mean in zip(logs, means, strict=True) for one in some)
    expected = quantile(1 - 0.005, 4) * math.sqrt(squares / 4 * (1 / 4 + 1 / 2))
    assert found.half_width == pytest.approx(expected)
    assert found.words == "clock canary +11 %"


def test_a_canary_within_its_noise_or_below_what_matters_has_not_moved():
    calm = [1.0, 1.0001, 0.9999, 1.0]
    assert shifts({CLOCK: calm}, {CLOCK: [1.03]}) == ()
    wild = [1.0, 1.3, 0.8, 1.1]
    assert shifts({CLOCK: wild}, {CLOCK: [1.2]}) == ()
    assert shifts({CLOCK: calm[:2]}, {CLOCK: [2.0]}) == ()
    assert shifts({CLOCK: calm}, {MEMORY: [2.0]}) == ()


def test_a_canary_is_said_to_have_moved_falsely_about_as_rarely_as_stated():
    # 1 % over three canaries, those below 5 % left out: 40 of 4,000 at most, standard deviation 6.3.
    draw = random.Random(3)
    moved = 0
    for _ in range(4000):
        sides = [
            {name: [math.exp(draw.gauss(0, 0.05)) for _ in range(runs)] for name in CANARIES}
            for runs in (8, 1)
        ]
        moved += bool(shifts(*sides))
    assert 5 <= moved <= 66


@pytest.mark.parametrize(
    ("loss", "canary", "explains"),
    [
        (0.10, 0.10, True),
        (0.10, 0.30, True),
        (0.10, 0.085, True),
        (0.30, 0.10, False),
        (0.10, -0.10, False),
        (-0.10, -0.10, True),
    ],
)
def test_the_machine_explains_a_shift_of_which_it_leaves_nothing_that_matters(
    loss, canary, explains
):
    moved = (CanaryShift(metric=CLOCK, shift=canary, half_width=0.01),)
    assert (explaining(loss, 0.01, math.log(1.02), moved) is not None) is explains


class Stand:
    """A branch whose runs measure decode and a canary beside it."""

    def __init__(self, branch):
        self.branch, self.draw = branch, random.Random(11)

    def noise(self):
        return math.exp(self.draw.gauss(0, 0.004))

    def measure(self, commit, speed, slowness=1.0, **terms):
        run_id = self.branch.measure(commit, {"decode": speed * self.noise()}, **terms)
        with self.branch.store.writing() as connection:
            query = (
                select(*Measurement.__table__.c)
                .join(Attempt, Attempt.id == Measurement.attempt_id)
                .join(Task, Task.id == Attempt.task_id)
            )
            row = connection.execute(query.where(Task.run_id == run_id)).one()
            value = 0.005 * slowness * self.noise()
            connection.execute(
                insert(Measurement).values(
                    {**row._mapping, "seq": 50, "metric": CLOCK, "unit": "s", "value": value,
                     "replicates": [value], "definition": "canary"}
                )
            )  # fmt: skip
        return run_id

    def run(self, commit, speed, slowness=1.0, **terms):
        run_id = self.measure(commit, speed, slowness, **terms)
        return run_id, self.branch.finalize(run_id)

    def outcomes(self, run_id):
        with self.branch.store.reading() as connection:
            rows = comparisons_of_run(connection, run_id)
        return {row.outcome: row.reason for row in rows}


def test_a_gate_is_not_failed_by_a_machine_that_became_slower(any_branch):
    stand = Stand(any_branch)
    for commit in range(1, 9):
        stand.run(commit, 100.0)
    change = {"revision": "f" * 40, "policy": GATED, "verdict": None}
    run_id, lines = stand.run(8, 88.0, 1.15, **change)
    assert lines == ()
    assert stand.outcomes(run_id)["environment"].startswith(
        "environment event: the machine's clock canary +1"
    )
    (notice,) = [one.text for one in any_branch.findings() if one.kind == "performance-gate"]
    assert notice.startswith("1 of 1 gated series could not be judged")
    # The same machine, and a change that is slower than that.
    run_id, (line,) = stand.run(8, 60.0, 1.15, **change)
    assert line.startswith("performance regressed: aestus.decode_rate")


def test_a_slow_machine_hides_no_slower_code_where_the_canary_is_as_ever(branch):
    stand = Stand(branch)
    for commit in range(1, 9):
        stand.run(commit, 100.0)
    change = {"revision": "f" * 40, "policy": GATED, "verdict": None}
    _, (line,) = stand.run(8, 88.0, **change)
    assert "aestus.decode_rate of decode" in line


def test_no_gate_for_all_metrics_holds_those_of_the_machine(branch):
    run_id = branch.measure(1, {"decode": 100.0}, policy=GATED)
    with branch.store.reading() as connection:
        gates = declared_gates(branch.store, connection, run_id)
    assert not {name for name in gates if METRICS.get(name).of_machine}
    assert "aestus.decode_rate" in gates


def test_a_step_of_the_machine_is_an_environment_event_and_no_alert_of_the_code(branch):
    stand = Stand(branch)
    for commit in range(1, 25):
        stand.run(commit, 100.0)
    for commit in range(25, 35):
        stand.run(commit, 85.0, 1.0 / 0.85)
    by_metric = {one.metric: one for one in branch.changes()}
    decode, clock = by_metric["aestus.decode_rate"], by_metric[CLOCK]
    assert (decode.kind, decode.state) == ("environment", "recorded")
    assert decode.reason.startswith("environment event: the machine's clock canary +1")
    assert (clock.kind, clock.state) == ("step", "alert")
    (told,) = [one.text for one in branch.findings() if one.kind == "change"]
    assert told.startswith("environment event: canary.clock_time +1")
    assert told.endswith("it is of the machine, not of a commit")


def test_a_step_of_the_code_alone_stays_an_alert(branch):
    stand = Stand(branch)
    for commit in range(1, 25):
        stand.run(commit, 100.0)
    for commit in range(25, 35):
        stand.run(commit, 85.0)
    (decode,) = branch.changes()
    assert (decode.kind, decode.state) == ("step", "alert")
