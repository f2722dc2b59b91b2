"""Cuts the cases of a cell by what is known of their durations, and says what that is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from hotfire_pipelines.durations import Expected, Origin, expect
from hotfire_pipelines.history import CellHistory
from hotfire_pipelines.plan import PlannedDurations
from hotfire_pipelines.shard_target import ShardTarget
from hotfire_pipelines.shards import Shard, count_for, split

# A task that reads an archive unpacks it and starts a process: measured on two cores.
SETUP_SECONDS = 1.0
RUN_STEP_SECONDS = 600.0
"""A run's limit grows in such steps, so that it does not change with every measurement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutting:
    """The shards of a cell, and where their durations come from."""

    shards: tuple[Shard, ...]
    declared: Mapping[str, float]
    durations: PlannedDurations | None
    """None when nobody was asked for history."""


def cut(
    cell: str,
    declared: Mapping[str, float],
    wanted: int | ShardTarget,
    test_ids: Mapping[str, str],
    *,
    history: CellHistory | None,
    asked: bool,
    test_seconds: float,
) -> Cutting:
    """Cut case lines with declared seconds; `test_ids` are their identifiers.

    `test_seconds` limits each of them. `asked` says whether a store was asked for `history`.
    """
    known = history or CellHistory()
    expected = _expected(declared, test_ids, known)
    cutting = cut_by(
        cell,
        expected,
        list(expected.values()),
        wanted,
        known=known,
        asked=asked,
        timeouts=dict.fromkeys(declared, test_seconds),
    )
    return replace(cutting, declared=declared)


def cut_by(
    cell: str,
    expected: Mapping[str, Expected],
    single: Sequence[Expected],
    wanted: int | ShardTarget,
    *,
    known: CellHistory,
    asked: bool,
    timeouts: Mapping[str, float],
    isolated: Collection[str] = (),
) -> Cutting:
    """Cut what is expected to take so long; `single` are the tests in it, for the account of them."""
    setup = known.setup.seconds if known.setup else SETUP_SECONDS
    previous = [part for part in ([*_of(part, expected)] for part in known.shards) if part]
    shards = split(
        list(expected),
        {line: one.mean_seconds if known.tests else one.seconds for line, one in expected.items()},
        _count(expected, wanted, setup, previous, isolated),
        setup_seconds=setup,
        timeouts=timeouts,
        previous=previous or None,
        isolated=isolated,
    )
    told = _told(cell, single, known, setup) if asked else None
    return Cutting(shards=tuple(shards), declared={}, durations=told)


def _of(part: Sequence[str], expected: Mapping[str, Expected]) -> list[str]:
    return [line for line in part if line in expected]


def run_seconds(limit: float, shard: Shard) -> float:
    """Return the limit of a shard's run: the declared one, or more if its tests may need more."""
    needed = shard.timeout_seconds or 0.0
    return limit if needed <= limit else RUN_STEP_SECONDS * math.ceil(needed / RUN_STEP_SECONDS)


def _expected(
    declared: Mapping[str, float], test_ids: Mapping[str, str], known: CellHistory
) -> dict[str, Expected]:
    by_test = {test_ids[line]: seconds for line, seconds in declared.items()}
    found = expect(list(by_test), known.tests, by_test)
    if not known.is_own:
        # Another cell's measurement of the very test is its nearest neighbour.
        found = {test: of_neighbour(one) for test, one in found.items()}
    return {line: found[test_ids[line]] for line in declared}


def of_neighbour(one: Expected) -> Expected:
    """Return what another cell measured as what it is for this one: an estimate."""
    if one.origin is not Origin.MEASURED:
        return one
    group = "the same test with other axis values"
    return Expected(seconds=one.seconds, spread=one.spread, origin=Origin.NEIGHBOURS, group=group)


def _count(
    expected: Mapping[str, Expected],
    wanted: int | ShardTarget,
    setup_seconds: float,
    previous: Sequence[Sequence[str]],
    isolated: Collection[str],
) -> int:
    if isinstance(wanted, int):
        return wanted
    # What is alone has its shard anyway: the others need what they need beside it.
    shared = [one for line, one in expected.items() if line not in isolated]
    before = sum(any(line not in isolated for line in part) for part in previous)
    count = count_for(
        shared,
        wanted.seconds,
        max(1, wanted.max - len(isolated)),
        setup_seconds=setup_seconds,
        previous=before or None,
    )
    return count + len(isolated)


def _told(
    cell: str, single: Sequence[Expected], known: CellHistory, setup_seconds: float
) -> PlannedDurations:
    origins = Counter(one.origin for one in single)
    groups = Counter(one.group for one in single if one.origin is Origin.NEIGHBOURS)
    samples = [one.samples for one in known.tests.values()]
    return PlannedDurations(
        cell=cell,
        measured=origins[Origin.MEASURED],
        neighbours=origins[Origin.NEIGHBOURS],
        unknown=origins[Origin.UNKNOWN],
        groups=dict(sorted(groups.items())),
        samples=max(samples, default=0),
        pipelines=known.pipelines,
        setup_s=round(setup_seconds, 3),
        setup_measured=known.setup is not None,
    )
