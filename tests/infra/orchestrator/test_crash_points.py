"""The service dies at every named point, once early and once late; its successor loses nothing."""

from __future__ import annotations

import pytest

from hotfire_infra.executors.fake import Script
from hotfire_infra.orchestrator.crashpoints import CrashPoint
from hotfire_infra.states import RunVerdict

PLAN = {
    "build": ["tasks/command/build"],
    "kernels": ["m/s/one", "m/s/two"],
    "speed": ["m/s/fast"],
    "lint": ["m/s/lint"],
}
EDGES = [("build", "kernels"), ("build", "speed")]
# No attempt of these gives its slot back before it ends: test_ahead.py is about those.
POINTS = [point for point in CrashPoint if point is not CrashPoint.HANDED_OVER]


class ServiceDeath(BaseException):
    """Nothing in the service may catch and survive this."""


def director(spec):
    return Script(
        outcomes={"m/s/two": "failed"},
        artifacts={"out.bin": spec.task.encode()},
    )


def die_at(point, passing):
    """Return what raises when a point is passed for the nth time."""
    left = [passing]

    def at(passed):
        if passed is point:
            left[0] -= 1
            if left[0] == 0:
                raise ServiceDeath

    return at


def outcome(stand, run_id):
    shown = stand.show(run_id)
    return (
        shown.run.verdict,
        {cell.key: (cell.state, cell.verdict, dict(cell.tests)) for cell in shown.cells},
        stand.attempts(run_id),
    )


@pytest.mark.parametrize("passing", [1, 3])
@pytest.mark.parametrize("point", POINTS)
def test_a_death_at_any_point_changes_nothing_of_the_outcome(make_stand, make_plan, point, passing):
    first = make_stand(director, cpus=2)
    run_id = first.start(make_plan(PLAN, edges=EDGES))
    first.orchestrator.at = die_at(point, passing)
    died = False
    try:
        first.finish(run_id)
    except ServiceDeath:
        died = True
    # FINALIZED and ANALYSED are passed once in a run.
    assert died or (passing > 1 and point in {CrashPoint.ANALYSED, CrashPoint.FINALIZED})
    second = make_stand(director, cpus=2)
    second.orchestrator.sweep()
    if second.show(run_id).run.verdict is None:
        second.finish(run_id)
    verdict, cells, attempts = outcome(second, run_id)
    assert verdict is RunVerdict.FAILED
    assert {key: (str(state), word) for key, (state, word, _) in cells.items()} == {
        "build": ("done", "passed"),
        "kernels": ("done", "failed"),
        "speed": ("done", "passed"),
        "lint": ("done", "passed"),
    }
    assert cells["kernels"][2] == {"passed": 1, "failed": 1}
    assert sorted(attempts) == [
        ("build", 1, "passed"),
        ("kernels", 1, "failed"),
        ("lint", 1, "passed"),
        ("speed", 1, "passed"),
    ]
    submitted = [*first.executor.submitted, *second.executor.submitted]
    assert len(submitted) == len(set(submitted)) == 4


def test_a_leader_that_was_asleep_while_another_took_over_changes_nothing(
    make_stand, make_plan, store
):
    """The first has looked and decided; before it writes, the second takes over and goes on."""
    first = make_stand(director, cpus=2)
    run_id = first.start(make_plan(PLAN, edges=EDGES))
    first.rounds(1)
    second = []

    def take_over(point):
        if point is CrashPoint.LOOKED and not second:
            second.append(make_stand(director, cpus=2))
            second[0].rounds(2)

    first.orchestrator.at = take_over
    from hotfire_infra.errors import LockLostError

    with pytest.raises(LockLostError):
        first.rounds(1)
    second[0].finish(run_id)
    assert all(number == 1 for _, number, _ in second[0].attempts(run_id))
