"""Find the culprit among 64 commits by a test that lies, beside bisection, in one run.

    python -m benchmarks.culprit [--quick]

Cases are drawn by a fixed lot: the culprit is uniform among 64 commits, or there is none. Ours asks
`hotfire_infra.analysis.culprit.Search`; as the same observations always ask for the same commit, its
decisions are remembered over the cases. The peer is bisection that first runs the head again (it
passes: a flake), ×1 and ×3: a commit counts as bad only if all three runs of it fail. The last rows
are what flakes cost to notice: runs until the alarm after a rate of 0.05 % became 5 %, for a test of
known rate and for one with 500 runs of history, and runs to a false alarm (stated: 10,000).
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from benchmarks.report import Row, print_report

from hotfire_infra.analysis.culprit import Search
from hotfire_infra.analysis.flake_changes import ARL0, RateRise, last_rise

COMMITS = 64
RIGHT = 0.995
CASES, QUICK_CASES = 40_000, 4_000
FANO = 8.3
"""Runs that any search needs where a run errs both ways in 5 % and all have a culprit: Fano's bound,
(1 − h(0.005) ÷ 6 − 0.005)·6 bits ÷ (1 − h(0.05)) bits a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is searched, and what the search is told of it."""

    name: str
    false_fail: float = 0.05
    false_pass: float = 0.0
    without: float = 0.25
    """Share of cases that have no culprit."""
    told_fail: float = 0.05
    told_pass: float = 0.0
    told_without: float = 0.25
    goal: float | None = None
    """Runs on average, at RIGHT."""


SETTINGS = (
    Setting(name="a quarter without culprit", goal=7.0),
    Setting(name="all with one", without=0.0, told_without=0.0, goal=7.8),
    Setting(name="all with one, a quarter feared", without=0.0, goal=7.8),
    Setting(
        name="5 % pass falsely too, all with one",
        false_pass=0.05,
        told_pass=0.05,
        without=0.0,
        told_without=0.0,
        goal=11.0,
    ),
    Setting(
        name="5 % pass falsely too, a quarter without", false_pass=0.05, told_pass=0.05, goal=11.0
    ),
    Setting(
        name="5 % pass falsely too, all with one, a quarter feared",
        false_pass=0.05,
        told_pass=0.05,
        without=0.0,
        goal=11.0,
    ),
    Setting(name="rate told 3 × too low", told_fail=0.05 / 3),
    Setting(name="rate told 3 × too high", told_fail=0.15),
)


@dataclass(slots=True)
class _Node:
    """A state of the search: what it asks next, or what it answered."""

    ask: int | None
    answer: int
    after: dict[bool, _Node] = field(default_factory=dict)


class RememberedSearch:
    """Decisions of Search by what was observed."""

    def __init__(self, setting: Setting, commits: int = COMMITS) -> None:
        self._setting = setting
        self._commits = commits
        self._root = self._node(())

    def _node(self, seen: tuple[tuple[int, bool], ...]) -> _Node:
        setting = self._setting
        search = Search(
            self._commits,
            false_fail=setting.told_fail,
            false_pass=setting.told_pass,
            null_prior=setting.told_without,
        )
        for index, failed in seen:
            search.observe(index, failed)
        answer = search.answer
        return _Node(search.next(), answer if isinstance(answer, int) else self._commits)

    def solve(self, run: Callable[[int], bool]) -> int:
        """Return the culprit; the number of commits for none."""
        node = self._root
        seen: tuple[tuple[int, bool], ...] = ()
        while node.ask is not None:
            failed = run(node.ask)
            seen = (*seen, (node.ask, failed))
            if failed not in node.after:
                node.after[failed] = self._node(seen)
            node = node.after[failed]
        return node.answer


def bisect(run: Callable[[int], bool], times: int, commits: int = COMMITS) -> int:
    """Return the culprit by bisection that runs a commit until it passes, at most `times` times."""

    def is_bad(index: int) -> bool:
        return all(run(index) for _ in range(times))

    if not is_bad(commits - 1):
        return commits
    low, high = -1, commits - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_bad(middle) else (middle, high)
    return high


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Shares of right answers and mean runs over the cases."""

    right: float
    runs: float


def play(
    setting: Setting, solve: Callable[[Callable[[int], bool]], int], cases: int, seed: int
) -> Score:
    """Draw cases and let them be solved."""
    lot = random.Random(seed)
    right = runs = 0
    for _ in range(cases):
        culprit = COMMITS if lot.random() < setting.without else lot.randrange(COMMITS)
        made = 0

        def run(index: int, culprit: int = culprit) -> bool:
            nonlocal made
            made += 1
            fails = 1 - setting.false_pass if index >= culprit else setting.false_fail
            return lot.random() < fails

        right += solve(run) == culprit
        runs += made
    return Score(right=right / cases, runs=runs / cases)


def rows_of(setting: Setting, cases: int, seed: int) -> list[Row]:
    """Return accuracy and runs of ours beside both bisections."""
    ours = play(setting, RememberedSearch(setting).solve, cases, seed)
    peers = {
        f"bisection ×{times}": play(setting, partial(bisect, times=times), cases, seed)
        for times in (1, 3)
    }
    has_goal = setting.goal is not None
    rows = []
    for name, peer in peers.items():
        rows.append(
            Row(
                name=f"{setting.name}: right",
                ours=ours.right,
                peer=peer.right,
                peer_name=name,
                unit="share",
                goal=f"≥ {RIGHT}" if has_goal else None,
                better="higher",
                met=ours.right >= RIGHT if has_goal else None,
            )
        )
        rows.append(
            Row(
                name=f"{setting.name}: runs",
                ours=ours.runs,
                peer=peer.runs,
                peer_name=name,
                unit="runs",
                goal=f"≤ {setting.goal}" if has_goal else None,
                better="lower",
                met=ours.runs <= setting.goal if setting.goal is not None else None,
            )
        )
    if setting.told_pass > 0 and setting.without == 0:
        bound = Row(
            name=f"{setting.name}: runs",
            ours=ours.runs,
            peer=FANO,
            peer_name="Fano's bound",
            unit="runs",
            goal=None,
            better="lower",
        )
        rows.append(bound)
    return rows


def speed_row(commits: int, goal_ms: float | None, searches: int) -> Row:
    """Return the processor time of one whole search, decisions not remembered."""
    lot = random.Random(5)
    began = time.process_time()
    for _ in range(searches):
        culprit = lot.randrange(commits)
        search = Search(commits, false_fail=0.05, false_pass=0.0)
        while (index := search.next()) is not None:
            search.observe(index, index >= culprit or lot.random() < 0.05)
    spent = (time.process_time() - began) / searches * 1e3
    return Row(
        name=f"one search of {commits:,} commits",
        ours=spent,
        peer=None,
        peer_name=None,
        unit="ms",
        goal=None if goal_ms is None else f"≤ {goal_ms:g}",
        better="lower",
        met=None if goal_ms is None else spent <= goal_ms,
    )


BEFORE, NOW = 0.0005, 0.05
CUSUM = 41.0
"""Mean runs of the CUSUM that knows both rates, at the same ARL0 (statistics of the reference)."""


def runs_to_alarm(lot: random.Random, now: float) -> int:
    """Return the runs until a rise from BEFORE is noticed; a false alarm where `now` is BEFORE."""
    watch = RateRise(BEFORE)
    while not watch.append(lot.random() < now):
        pass
    return watch.runs


def runs_after_history(lot: random.Random, history: int) -> int | None:
    """Return the runs until a rise is noticed whose rate before was learned; None: alarmed before."""
    tries = [lot.random() < BEFORE for _ in range(history)]
    if last_rise(tries) is not None:
        return None
    while (rise := last_rise(tries)) is None or rise.at < history:
        # Only a failure can raise the alarm: look when one comes.
        gap = next(i for i in range(100_000) if lot.random() < NOW)
        tries += [False] * gap + [True]
    return rise.at - history + 1


def rise_rows(cases: int, alarms: int, seed: int) -> list[Row]:
    """Return delays and runs to a false alarm."""
    lot = random.Random(seed)
    known = statistics.fmean(runs_to_alarm(lot, NOW) for _ in range(cases))
    learned = [runs_after_history(lot, 500) for _ in range(cases // 10)]
    after_history = statistics.fmean(runs for runs in learned if runs is not None)
    false = statistics.fmean(runs_to_alarm(lot, BEFORE) for _ in range(alarms))
    name = f"{100 * BEFORE:g} % becomes {100 * NOW:g} %"
    peer = "CUSUM that knows both rates"
    rows = [
        Row(
            name=f"{name}, {what}",
            ours=runs,
            peer=CUSUM,
            peer_name=peer,
            unit="runs",
            goal="≤ 55",
            better="lower",
            met=runs <= 55,
        )
        for what, runs in (("rate known", known), ("after 500 runs", after_history))
    ]
    near = Row(
        name=f"to a false alarm at {100 * BEFORE:g} %",
        ours=false,
        peer=ARL0,
        peer_name="as stated",
        unit="runs",
        goal="within 30 %",
        better="higher",
        met=0.7 <= false / ARL0 <= 1.3,
    )
    return [*rows, near]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the cases")
    parser.add_argument("--seed", type=int, default=64)
    arguments = parser.parse_args()
    cases = QUICK_CASES if arguments.quick else CASES
    rows = [row for setting in SETTINGS for row in rows_of(setting, cases, arguments.seed)]
    rows += [speed_row(64, 5.0, 100), speed_row(4096, None, 3)]
    rows += (
        rise_rows(500, 60, arguments.seed)
        if arguments.quick
        else rise_rows(4000, 400, arguments.seed)
    )
    print_report("culprit", rows)


if __name__ == "__main__":
    main()
