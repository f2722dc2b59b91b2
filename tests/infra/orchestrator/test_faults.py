"""Forty tasks, forty faults: the small form of `tests/scale/test_faults.py`."""

from __future__ import annotations

import pytest

from ...scale.chaos import Chaos, check, expected_of
from ..conftest import DIALECTS

TASKS = FAULTS = 40
SEED = 4


@pytest.fixture(params=DIALECTS)
def dialect(request):
    return request.param


def test_a_run_that_is_broken_forty_times_comes_to_the_same_verdicts(store, clock, tmp_path):
    chaos = Chaos(store, clock, tmp_path / "cache", SEED)
    run_id = chaos.run(TASKS, FAULTS)
    assert chaos.total >= FAULTS
    check(chaos, run_id, expected_of(TASKS))


def test_without_the_fence_a_deposed_leader_does_harm(store, clock, tmp_path):
    """What the test above would not notice, it would not test."""
    chaos = Chaos(store, clock, tmp_path / "cache", SEED, is_fenced=False, only=("depose_leader",))
    run_id = chaos.run(12, 6)
    with pytest.raises(AssertionError, match="differ from the fault-free run|nobody broke"):
        check(chaos, run_id, expected_of(12))
