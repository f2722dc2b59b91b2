"""Cuts the test list of a cell into shards of about equal duration, the same ones next time."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from hotfire_pipelines.durations import Expected, Measured, expect
from hotfire_pipelines.sharding import assign, lower_bound
from hotfire_pipelines.sharding_repair import repair

FEW = 0.05
"""Part of the tests that may differ from what was known before, and that may move for it."""
EVEN = 1.03
"""A makespan up to this multiple of the bound keeps an earlier plan: durations vary more than that,
and a test that moves cannot be reused."""
TOO_UNEVEN = 1.05
"""A makespan above this multiple of the bound is worth moving more than a few tests."""
LONGEST_SECONDS = 3.2e9
"""A century: a duration beyond it, or none that is a number, says nothing."""
QUANTILE_90 = 1.2816
"""Standard deviations above the mean that 90 % stay below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A deterministic slice of a test list."""

    tests: tuple[str, ...]
    seconds: float
    """Expected, with set-up."""
    timeout_seconds: float | None = None
    """Enough for the shard and for any one test to reach its limit; None without limits."""


def split(
    tests: Sequence[str],
    durations: Mapping[str, float],
    shards: int,
    *,
    setup_seconds: float = 0.0,
    isolated: Collection[str] = (),
    timeouts: Mapping[str, float] | None = None,
    previous: Sequence[Collection[str]] | None = None,
) -> list[Shard]:
    """At most `shards` slices, none empty, order kept inside; a pure function of its arguments.

    The order of `tests` and `durations` does not decide who goes where. A test without a duration
    takes the median of its nearest neighbours, and so does one whose duration is no number, negative
    or longer than a century. Tests of `isolated` are alone, in shards behind the
    others; there are more than `shards` if they need it. `timeouts` limits single tests, in
    seconds. `previous` are the tests of earlier shards, by number: few leave them, and
    none while the longest shard is within 3 % of the bound.

    `durations` may know tests that are not in `tests`, and the reverse. While both are few, the
    shards are those of all tests with a duration, repaired by at most one move per 20 tests.
    """
    tests = list(tests)
    durations = {test: float(took) for test, took in durations.items() if _is_known(took)}
    alone = sorted({test for test in tests if test in isolated})
    shared = [test for test in tests if test not in isolated]
    known = {test: Measured(seconds=seconds) for test, seconds in durations.items()}
    seconds = {test: one.seconds for test, one in expect(tests, known).items()}
    count = min(len(set(shared)), max(1, shards - len(alone)))
    home = _home({test: seconds[test] for test in shared}, durations, count, previous, isolated)
    slices = [tuple(test for test in shared if home[test] == number) for number in range(count)]
    return [
        Shard(
            tests=part,
            seconds=setup_seconds + math.fsum(seconds[test] for test in part),
            timeout_seconds=_timeout(part, seconds, timeouts, setup_seconds),
        )
        for part in (*slices, *((test,) for test in alone))
    ]


def _is_known(took: object) -> bool:
    """Real files hold `null` and NaN too: compared with anything they would spoil all shards."""
    is_number = isinstance(took, (int, float)) and not isinstance(took, bool)
    return is_number and 0 <= took <= LONGEST_SECONDS  # type: ignore[operator]


def _home(
    seconds: Mapping[str, float],
    durations: Mapping[str, float],
    shards: int,
    previous: Sequence[Collection[str]] | None,
    isolated: Collection[str],
) -> dict[str, int]:
    """Return test → shard, near what was there before: the last plan, or what history implies."""
    if shards == 0:
        return {}
    few = int(FEW * len(seconds))
    if previous is not None:
        before = {test: number for number, part in enumerate(previous) for test in part}
        if sum(bool(set(part) & seconds.keys()) for part in previous) != shards:
            return repair(before, seconds, shards)
        kept = repair(before, seconds, shards, max_moves=0)
        if _unevenness(kept, seconds, shards) <= EVEN:
            return kept
        return _near(before, seconds, shards, few)
    gone = {
        test: had for test, had in durations.items() if test not in seconds and test not in isolated
    }
    new = seconds.keys() - durations.keys()
    if (gone or new) and len(gone) <= few and len(new) <= few:
        settled = {test: one for test, one in seconds.items() if test not in new} | gone
        return _near(_settled(settled, shards), seconds, shards, few)
    return _settled(seconds, shards)


def _settled(seconds: Mapping[str, float], shards: int) -> dict[str, int]:
    return repair(assign(seconds, shards), seconds, shards)


def _near(
    before: Mapping[str, int], seconds: Mapping[str, float], shards: int, moves: int
) -> dict[str, int]:
    home = repair(before, seconds, shards, max_moves=moves)
    if _unevenness(home, seconds, shards) > TOO_UNEVEN:
        return repair(before, seconds, shards)
    return home


def _unevenness(home: Mapping[str, int], seconds: Mapping[str, float], shards: int) -> float:
    """Return the makespan as a multiple of the lower bound."""
    load = [0.0] * shards
    for test, shard in home.items():
        load[shard] += seconds[test]
    return max(load) / (lower_bound(list(seconds.values()), shards) or 1.0)


def _timeout(
    tests: Sequence[str],
    seconds: Mapping[str, float],
    timeouts: Mapping[str, float] | None,
    setup_seconds: float,
) -> float | None:
    limits = {test: (timeouts or {})[test] for test in tests if test in (timeouts or {})}
    if not limits:
        return None
    whole = setup_seconds + math.fsum(seconds[test] for test in tests)
    return whole + max(0.0, *(limit - seconds[test] for test, limit in limits.items()))


def count_for(
    expected: Sequence[Expected],
    target_seconds: float,
    most: int,
    *,
    setup_seconds: float = 0.0,
    previous: int | None = None,
) -> int:
    """Return the fewest shards of which nine in ten end within the target, at most `most`.

    Where one test alone takes longer, so do the shards: more of them would not help. The previous
    number stays while it misses the target by less than a tenth.
    """

    def fewest(target: float) -> int:
        longest = max((one.mean_seconds for one in expected), default=0.0)
        total = math.fsum(one.mean_seconds for one in expected)
        variance = math.fsum((one.seconds * min(one.spread, 1.0)) ** 2 for one in expected)
        for count in range(1, most):
            late = QUANTILE_90 * math.sqrt(variance / count)
            if total / count + late <= max(target - setup_seconds, longest + late):
                return count
        return most

    wanted = fewest(target_seconds)
    if previous is not None and fewest(1.1 * target_seconds) <= previous <= most:
        wanted = previous if previous <= fewest(0.9 * target_seconds) else wanted
    return max(1, min(wanted, len(expected)))
