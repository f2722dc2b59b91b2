"""Work beside the round: one job of a name at once, a few in all, and none keeps the round waiting."""

import threading

from hotfire_infra.orchestrator.beside import MOST, Beside


def test_more_work_than_there_is_room_for_waits_its_turn():
    beside, release, done = Beside("test"), threading.Event(), []

    def job():
        release.wait(30)
        done.append(1)

    assert [beside.begin(str(n), job) for n in range(MOST + 1)] == [True] * MOST + [False]
    assert not beside.begin("0", job)
    assert not beside.finish(0)
    release.set()
    assert beside.finish(30)
    assert beside.begin("0", job)
    assert beside.finish(30)
    assert len(done) == MOST + 1


def test_a_defect_beside_the_round_is_logged(caplog):
    beside = Beside("test")

    def broken():
        raise ValueError("a defect")

    assert beside.begin("x", broken)
    assert beside.finish(30)
    assert "a defect" in caplog.text
