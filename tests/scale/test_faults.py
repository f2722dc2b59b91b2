"""A thousand tasks, a thousand faults; then real processes that are really killed."""

from __future__ import annotations

import random

import pytest

from hotfire_infra.orchestrator.crashpoints import CrashPoint

from ..infra.conftest import DIALECTS
from .chaos import Chaos, check, doomed, expected_of, fault_free, verdicts_of
from .processes import RealRun

pytestmark = pytest.mark.scale

TASKS = FAULTS = 1_000
SEED = 20_261
REAL_TASKS = 120
REAL_FAULTS = 100


@pytest.fixture(params=DIALECTS)
def dialect(request):
    return request.param


def test_a_thousand_faults_change_no_verdict(store, dialect, clock, tmp_path, request):
    """Nothing lost, nothing counted twice; what lost its whole budget is errored, never failed."""
    quiet = fault_free(tmp_path / "quiet", TASKS)
    assert quiet == expected_of(TASKS)
    restart = None
    if dialect == "postgresql":
        server = request.getfixturevalue("postgres")

        def restart() -> None:
            server.stop("immediate")
            server.start()

    chaos = Chaos(store, clock, tmp_path / "cache", SEED, restart_database=restart)
    run_id = chaos.run(TASKS, FAULTS)
    print(dialect, chaos.total, "faults:", dict(chaos.done), "deaths:", dict(chaos.deaths))
    print(chaos.hits, "live,", len(chaos.executor.handed_over), "handed over")
    assert chaos.total >= FAULTS
    assert chaos.hits >= 0.95 * chaos.total
    assert set(chaos.done) == set(chaos.kinds())
    # The last two are passed when nothing lives any more.
    points = {point for point, is_anybody_ahead in chaos.deaths if is_anybody_ahead}
    assert points >= set(CrashPoint) - {CrashPoint.ANALYSED, CrashPoint.FINALIZED}
    assert len(chaos.executor.handed_over) >= TASKS // 20
    check(chaos, run_id, quiet)
    exhausted = {key for key, (word, _) in verdicts_of(store, run_id).items() if word == "errored"}
    assert exhausted == {key for key in quiet if doomed(key)} != set()


def test_without_the_fence_the_same_test_fails(store, clock, tmp_path):
    chaos = Chaos(store, clock, tmp_path / "cache", SEED, is_fenced=False, only=("depose_leader",))
    run_id = chaos.run(100, 50)
    with pytest.raises(AssertionError, match="differ from the fault-free run|nobody broke"):
        check(chaos, run_id, expected_of(100))


def test_services_and_runners_that_are_really_killed_lose_nothing(dialect, tmp_path, request):
    """Kill -9 of the service, of runners and of the nursery; restarts of the database."""
    database, server = None, None
    if dialect == "postgresql":
        database = request.getfixturevalue("postgres_database")
        server = request.getfixturevalue("postgres")
    real = RealRun(tmp_path, database, server, random.Random(SEED))
    try:
        real.run(REAL_TASKS, REAL_FAULTS)
        print(dialect, "real faults:", dict(real.done))
        real.check(REAL_TASKS)
    finally:
        real.close()
