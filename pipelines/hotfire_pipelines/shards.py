"""Cuts the test list of a cell into shards of about equal duration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A deterministic slice of a test list."""

    tests: tuple[str, ...]
    seconds: float


def split(
    tests: Sequence[str],
    durations: Mapping[str, float],
    shards: int,
    *,
    setup_seconds: float = 0.0,
) -> list[Shard]:
    """At most `shards` slices, none empty; longest first into the emptiest, order kept inside.

    Deterministic: ties go by name and by shard number. A test without a duration costs the mean.
    """
    known = [durations[test] for test in tests if test in durations]
    mean = sum(known) / len(known) if known else 1.0
    count = min(shards, len(tests))
    load = [setup_seconds] * count
    size = [0] * count
    home: dict[str, int] = {}
    for test in sorted(tests, key=lambda test: (-durations.get(test, mean), test)):
        shard = min(range(count), key=lambda index: (load[index], size[index], index))
        home[test] = shard
        load[shard] += durations.get(test, mean)
        size[shard] += 1
    return [
        Shard(tests=tuple(test for test in tests if home[test] == index), seconds=load[index])
        for index in range(count)
    ]
