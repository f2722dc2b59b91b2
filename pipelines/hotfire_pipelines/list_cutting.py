"""Cuts a test list of a cell into shards: entries by what their tests took, what is alone alone.

Entries of which one holds the other (a folder and a file in it, one file with two `-k`) stay
together: apart, a test of both would run twice, and no test would have one shard to be expected of.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hotfire_pipelines.cutting import Cutting, cut_by, of_neighbour
from hotfire_pipelines.durations import Expected, Measured, Origin, expect
from hotfire_pipelines.history import CellHistory
from hotfire_pipelines.shard_target import ShardTarget
from hotfire_pipelines.testlist_entries import TestEntry
from hotfire_testframework.contract.listing import Homes

_RANK = {Origin.MEASURED: 0, Origin.NEIGHBOURS: 1, Origin.UNKNOWN: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """Entries that stay together, by the one that holds the others."""

    entries: tuple[TestEntry, ...]
    tests: tuple[str, ...]
    """Identifiers that are expected of it, or were measured; none where nothing is known."""


def cut_list(
    cell: str,
    entries: Sequence[TestEntry],
    tests: Sequence[str] | None,
    wanted: int | ShardTarget,
    *,
    history: CellHistory | None,
    asked: bool,
    test_seconds: float,
    estimate_seconds: float,
) -> tuple[Cutting, Mapping[str, tuple[TestEntry, ...]]]:
    """Cut entries; return the shards of units, and the entries of each unit by its name.

    `tests` are the identifiers that are expected of the cell, `test_seconds` limits each that has no
    TIMEOUT, `estimate_seconds` is what the whole list is declared to take.
    """
    known = history or CellHistory()
    units = _units(entries, tests, known)
    single = _single(units, known, estimate_seconds)
    expected = {name: _sum(single[name].values()) for name in units}
    cutting = cut_by(
        cell,
        expected,
        [one for found in single.values() for one in found.values()],
        wanted,
        known=known,
        asked=asked,
        timeouts={name: _limit(unit, test_seconds) for name, unit in units.items()},
        isolated={
            name
            for name, unit in units.items()
            if len(unit.entries) == 1 and unit.entries[0].isolation
        },
    )
    return cutting, {name: unit.entries for name, unit in units.items()}


def _units(
    entries: Sequence[TestEntry], tests: Sequence[str] | None, known: CellHistory
) -> dict[str, _Unit]:
    homes = Homes(entry.test for entry in entries)
    held: dict[str, list[TestEntry]] = {}
    for entry in entries:
        held.setdefault(homes.of_entry(entry.test), []).append(entry)
    expected: dict[str, list[str]] = {name: [] for name in held}
    measured: dict[str, list[str]] = {name: [] for name in held}
    for found, source in ((expected, tests or ()), (measured, known.tests)):
        for test in source:
            home = homes.of_test(test)
            if home is not None:
                found[home].append(test)
    return {
        name: _Unit(entries=tuple(mine), tests=tuple(sorted(expected[name] or measured[name])))
        for name, mine in held.items()
    }


def _single(
    units: Mapping[str, _Unit], known: CellHistory, estimate_seconds: float
) -> dict[str, dict[str, Expected]]:
    """Return what each test of each unit is expected to take; a unit without tests is one itself."""
    count = sum(max(1, len(unit.tests)) for unit in units.values())
    share = estimate_seconds / max(1, count)
    found = expect([test for unit in units.values() for test in unit.tests], known.tests)
    if not known.is_own:
        found = {test: of_neighbour(one) for test, one in found.items()}
    told = {
        name: {test: _declared(found[test], share) for test in unit.tests}
        for name, unit in units.items()
    }
    # Of a folder in which nothing is known, other folders are the neighbours, not single tests.
    whole = {
        name: Measured(seconds=_sum(tests.values()).seconds)
        for name, tests in told.items()
        if tests and all(one.origin is not Origin.UNKNOWN for one in tests.values())
    }
    blank = expect([name for name, tests in told.items() if not tests], whole)
    return {name: tests or {name: _declared(blank[name], share)} for name, tests in told.items()}


def _declared(one: Expected, share: float) -> Expected:
    if one.origin is not Origin.UNKNOWN:
        return one
    return Expected(seconds=share, spread=one.spread, origin=one.origin)


def _sum(tests: Iterable[Expected]) -> Expected:
    """Return what tests in a row take: as little known as the least known of them."""
    parts = list(tests)
    seconds = math.fsum(one.seconds for one in parts)
    deviation = math.sqrt(math.fsum((one.seconds * one.spread) ** 2 for one in parts))
    worst = max((one.origin for one in parts), key=_RANK.__getitem__, default=Origin.UNKNOWN)
    return Expected(seconds=seconds, spread=deviation / seconds if seconds else 0.0, origin=worst)


def _limit(unit: _Unit, test_seconds: float) -> float:
    """Return how long the slowest test of a unit may take."""
    limits = [60.0 * (entry.timeout_minutes or 0) or test_seconds for entry in unit.entries]
    return max(limits)
