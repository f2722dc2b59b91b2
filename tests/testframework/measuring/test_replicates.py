"""Rounds, validity and series of the performance session, on a clock of our own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hotfire_testframework.measuring.canary import Song, best_of, canary, residuals
from hotfire_testframework.measuring.foreign_load import Snapshot, foreign_share, snapshot
from hotfire_testframework.measuring.replicates import Session


class Machine:
    """Two CPUs, one second per launch, a settable foreign load and canary."""

    def __init__(self, foreign: float = 0.0, canaries: tuple[float, ...] = (0.01,)) -> None:
        self.now, self.foreign, self.launched = 0.0, foreign, list[str]()
        self._canaries: Iterator[float] = iter(canaries * 100)
        self.memory = 0.02

    def launch(self, what: str) -> dict[str, Any]:
        self.launched.append(what)
        self.now += 1.0
        return {
            "measurements": [
                {"metric": "aestus.decode_rate", "name": what, "value": self.now, "inner": 4},
                {"metric": "probe.read_bandwidth", "name": "before", "value": 40e9, "inner": 1},
                {"metric": "probe.read_bandwidth", "name": "after", "value": 42e9, "inner": 1},
            ]
        }

    def look(self) -> Snapshot:
        busy = self.now * (1 + 2 * self.foreign)
        return Snapshot(wall=self.now, busy=busy, own=self.now, cpus=2)

    def session(self) -> Session:
        return Session(self.launch, clock=lambda: self.now, look=self.look, sing=self.sing)

    def sing(self) -> Song:
        return Song(clock=next(self._canaries), memory=self.memory, arithmetic=0.001)


def test_rounds_interleave_the_benchmarks_and_keep_the_measured_order() -> None:
    machine = Machine()
    session = machine.session()
    session.rounds(["load", "decode"], 3, 100.0)
    assert machine.launched == ["load", "decode"] * 3
    (point,) = session.points("decode")
    assert (point.replicates, point.launches, point.inner) == ([2.0, 4.0, 6.0], [1, 3, 5], 4)
    assert (point.probe, point.valid) == (41e9, True)


def test_a_spent_budget_ends_the_rounds_and_too_few_launches_are_no_point() -> None:
    machine = Machine()
    session = machine.session()
    session.rounds(["load"], 9, 1.5)
    assert len(machine.launched) == 2
    assert session.points("load")[0].reason == "fewer than 3 launches fitted into the budget"


def test_a_neighbour_that_takes_a_tenth_of_the_machine_makes_the_point_invalid() -> None:
    session = Machine(foreign=0.10).session()
    session.rounds(["load"], 3, 9.0)
    (point,) = session.points("load")
    assert not point.valid
    assert point.reason == "foreign load 10.0% of the machine, allowed 5 %"


def test_a_slow_canary_makes_the_point_invalid() -> None:
    session = Machine(canaries=(0.010, *[0.012] * 5)).session()
    session.rounds(["load"], 3, 9.0)
    (point,) = session.points("load")
    assert point.canary == pytest.approx(0.2)
    assert point.reason is not None
    assert point.reason.startswith("clock canary 20.0% slower")


def test_canaries_sing_before_and_after_so_that_a_neighbour_who_comes_meanwhile_is_heard() -> None:
    session = Machine(canaries=(0.010, 0.015)).session()
    session.rounds(["load"], 3, 9.0)
    (point,) = session.points("load")
    assert point.canary == pytest.approx(0.25)
    assert not point.valid


def test_scarce_memory_bandwidth_is_named_though_the_clock_is_as_ever() -> None:
    machine = Machine()
    session = machine.session()
    session.rounds(["load"], 3, 9.0)
    machine.memory = 0.03
    session.rounds(["decode"], 3, 9.0)
    (quiet,), (disturbed,) = session.points("load"), session.points("decode")
    assert quiet.valid
    assert disturbed.canary == pytest.approx(0.5)
    assert disturbed.reason == "memory canary 50.0% slower than at its best, allowed 20%"


def test_an_unreadable_load_is_a_reason_and_not_a_quiet_machine(tmp_path: Path) -> None:
    assert snapshot(tmp_path / "absent").busy is None
    blind = Snapshot(wall=0.0, busy=None, own=0.0, cpus=2)
    assert foreign_share(blind, blind) is None


def test_proc_stat_is_read_without_idle_and_wait(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 10 50 9999 888 5 5 30 0 0\ncpu0 1 2 3\n")
    assert snapshot(stat).busy == pytest.approx(2.0)


def test_the_probe_is_a_series_of_all_launches() -> None:
    session = Machine().session()
    session.rounds(["load", "decode"], 3, 9.0)
    probe = session.probe()
    assert (len(probe.replicates), probe.launches[:4]) == (12, [0, 0, 1, 1])


def test_each_canary_is_a_series_of_its_own_that_is_valid_on_a_bad_day() -> None:
    session = Machine(canaries=(0.010, *[0.015] * 5)).session()
    session.rounds(["load"], 3, 9.0)
    points = {point.metric: point for point in session.canaries()}
    assert set(points) == {f"canary.{name}_time" for name in ("clock", "memory", "arithmetic")}
    clock = points["canary.clock_time"]
    assert (clock.replicates, clock.launches) == ([0.010, *[0.015] * 5], [0, 0, 1, 1, 2, 2])
    assert clock.valid
    assert clock.canary == pytest.approx(0.5)
    assert not session.points("load")[0].valid


def test_two_launches_tell_too_little_of_the_canaries() -> None:
    session = Machine().session()
    session.rounds(["load"], 2, 9.0)
    assert {point.reason for point in session.canaries()} == {"fewer than 3 launches"}


def test_the_canaries_are_short_and_take_their_time() -> None:
    song = canary()
    assert all(0 < seconds < 10 for seconds in (song.clock, song.memory, song.arithmetic))


def test_a_residual_is_that_of_each_canary_on_its_own() -> None:
    songs = [
        Song(clock=1.0, memory=2.0, arithmetic=3.0), Song(clock=2.0, memory=1.0, arithmetic=3.0)
    ]  # fmt: skip
    assert best_of(songs) == Song(clock=1.0, memory=1.0, arithmetic=3.0)
    assert residuals(songs, best_of(songs)) == {"clock": 0.5, "memory": 0.5, "arithmetic": 0.0}
