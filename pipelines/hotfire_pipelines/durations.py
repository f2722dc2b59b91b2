"""What is known of how long tests take: measured with spread, or estimated from neighbours.

Durations are log-normal: a test is as likely to take twice as long as half as long. `spread` is the
standard deviation of their logarithm, about the relative one.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

USUAL_SPREAD = 0.3
"""Of a test that was measured once."""
USUAL_WEIGHT = 2.0
"""How many measurements the usual spread counts for."""
NEIGHBOUR_SPREAD = 0.5
"""At least, of a duration taken from neighbours."""
UNKNOWN_SPREAD = 1.0
UNKNOWN_SECONDS = 1.0
LEAST_SECONDS = 1e-6
"""Clocks may give 0; the logarithm needs more."""


class Origin(StrEnum):
    """Where a duration comes from."""

    MEASURED = "measured"
    NEIGHBOURS = "neighbours"
    UNKNOWN = "unknown"
    """Declared, or nothing at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Median seconds of the last `samples` durations, and their spread."""

    seconds: float
    spread: float = USUAL_SPREAD
    samples: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """How long a test is expected to take; `group` is what its neighbours have in common."""

    seconds: float
    spread: float
    origin: Origin
    group: str = ""

    @property
    def mean_seconds(self) -> float:
        """Mean of the log-normal distribution whose median is `seconds`."""
        return self.seconds * math.exp(min(self.spread, 1.0) ** 2 / 2)


def summarise(seconds: Sequence[float]) -> Measured:
    """Median and spread of at least one duration; few of them borrow from the usual spread."""
    logs = [math.log(max(one, LEAST_SECONDS)) for one in seconds]
    middle = statistics.median(logs)
    squares = math.fsum((one - middle) ** 2 for one in logs)
    weight = USUAL_WEIGHT + len(logs) - 1
    spread = math.sqrt((USUAL_WEIGHT * USUAL_SPREAD**2 + squares) / weight)
    return Measured(seconds=statistics.median(seconds), spread=spread, samples=len(logs))


def groups_of(test: str) -> Iterator[str]:
    """Yield what a test's neighbours have in common, the nearest first; the last is everybody.

    The same function without its parameters, class, file and folders of pytest; `op.dtype` and `op` of
    a kernel case; the suite of GoogleTest; then module/scheme and module.
    """
    seen = {test}
    head, _, rest = test.partition("[")
    case, colon, _ = head.partition(":") if "::" not in head else (head, "", "")
    names = [head] if rest else []
    if colon:
        names += [case, case.rpartition(".")[0]]
    while "::" in head:
        head = head.rpartition("::")[0]
        names.append(head)
    path = case if colon else head
    if re.search(r"\.[^./]+$", path) and not colon:
        names.append(path.rpartition(".")[0])
    while "/" in path:
        path = path.rpartition("/")[0]
        names.append(path)
    for name in (*names, ""):
        if name not in seen:
            seen.add(name)
            yield name


def expect(
    tests: Sequence[str],
    measured: Mapping[str, Measured],
    declared: Mapping[str, float] | None = None,
) -> dict[str, Expected]:
    """Return what each test is expected to take.

    A test that was never measured takes the median of its nearest measured neighbours. Where costs
    are declared, neighbours say how wrong those are: declared seconds times the median ratio.
    """
    said = declared or {}
    by_group: dict[str, list[float]] = defaultdict(list)
    if any(test not in measured for test in tests):
        for test, one in measured.items():
            if declared is not None and said.get(test, 0.0) <= 0:
                continue
            ratio = max(one.seconds, LEAST_SECONDS) / said.get(test, 1.0)
            for group in groups_of(test):
                by_group[group].append(math.log(ratio))
    return {test: _expected(test, measured, declared, by_group) for test in tests}


def _expected(
    test: str,
    measured: Mapping[str, Measured],
    declared: Mapping[str, float] | None,
    by_group: Mapping[str, Sequence[float]],
) -> Expected:
    if test in measured:
        one = measured[test]
        return Expected(seconds=one.seconds, spread=one.spread, origin=Origin.MEASURED)
    scale = 1.0 if declared is None else declared.get(test, UNKNOWN_SECONDS)
    for group in groups_of(test):
        logs = by_group.get(group)
        if logs:
            spread = statistics.pstdev(logs) if len(logs) > 1 else 0.0
            return Expected(
                seconds=scale * math.exp(statistics.median(logs)),
                spread=max(NEIGHBOUR_SPREAD, spread),
                origin=Origin.NEIGHBOURS,
                group=group or "all",
            )
    return Expected(seconds=scale, spread=UNKNOWN_SPREAD, origin=Origin.UNKNOWN)
