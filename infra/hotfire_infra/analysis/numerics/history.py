"""Errors of kernel cases by kernel × data type × shape class × architecture, run after run."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hotfire_infra.analysis.numerics.drift import ARL0, Alarm, alarms
from hotfire_infra.store.queries_numerics import CaseErrorRow
from hotfire_testframework.contract.cases import CaseLine
from hotfire_testframework.errors import IdentifierError

SHAPE_CLASSES = ((0, "empty"), (1 << 8, "tiny"), (1 << 14, "small"), (1 << 20, "medium"))
"""Upper limits of the product of a case's sizes; above the last is `large`."""
NOT_SIZES = frozenset({"seed", "past", "pos"})
QUANTILES = (0.5, 0.9, 0.99, 1.0)
ULP_FLOOR, RELATIVE_FLOOR = 1.0, 2.0**-24
"""Errors below these are rounding: a level hardly moves with them."""
LARGEST = 1e30
"""Stands for an infinite error or one that is not a number: it ranks above all others."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Group:
    """What errors are compared within."""

    kernel: str
    dtype: str
    shape: str
    arch: str
    """Platform, implementation and instruction set that ran."""

    def __str__(self) -> str:
        """Print as people read it: `gemm.f32 small on linux-x86_64 avx2`."""
        return f"{self.kernel}.{self.dtype} {self.shape} on {self.arch}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One error over the cases of a group in one run: quantiles 0.5, 0.9, 0.99 and the largest."""

    cases: int
    quantiles: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunErrors:
    """A group in one run."""

    run: int
    ulp: Distribution
    relative: Distribution
    over_bound: float
    """Largest error ÷ bound; 1 is the tolerance."""
    ulp_level: float
    """Mean over cases of log₂((1 + ULP) ÷ (1 + the same case's first)): 1 is doubled."""
    relative_level: float
    """The same of the relative error, above the rounding of its type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorHistory:
    """A group over runs, oldest first, with the rises of its levels."""

    group: Group
    runs: tuple[RunErrors, ...]
    ulp_alarms: tuple[Alarm, ...]
    relative_alarms: tuple[Alarm, ...]

    @property
    def notices(self) -> tuple[str, ...]:
        """A sentence for each rise, while all of it is still within the tolerance or not."""
        return tuple(
            f"{self.group}: {name} error ×{2 ** (one.after - one.before):.3g} since run "
            f"{self.runs[one.begin].run} (noticed in run {self.runs[one.index].run}); "
            f"error ÷ bound is {self.runs[-1].over_bound:.3g}"
            for name, found in (("ULP", self.ulp_alarms), ("relative", self.relative_alarms))
            for one in found
        )


def shape_class(case: CaseLine) -> str:
    """Return the class of a case by the product of its sizes; positions and seeds are none."""
    sizes = [
        value for key, value in case.parameters if isinstance(value, int) and key not in NOT_SIZES
    ]
    product = math.prod(sizes)
    return next((name for limit, name in SHAPE_CLASSES if product <= limit), "large")


def error_histories(
    rows: Iterable[CaseErrorRow], *, arl0: float = ARL0
) -> tuple[ErrorHistory, ...]:
    """Group errors of cases, in the order of their runs, and look for rises.

    Two levels are watched per group, each with half of the false alarms: at most one in `arl0`
    runs of a group on average. Tests that are no case lines are left out.
    """
    grouped: dict[Group, dict[int, dict[str, CaseErrorRow]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for group, row in grouped_cases(rows):
        grouped[group][row.run_number][row.name] = row
    return tuple(_history(group, grouped[group], arl0) for group in sorted(grouped))


def grouped_cases(rows: Iterable[CaseErrorRow]) -> Iterator[tuple[Group, CaseErrorRow]]:
    """Yield each row with its group; tests that are no case lines are left out."""
    cases: dict[str, CaseLine | None] = {}
    for row in rows:
        if row.name not in cases:
            cases[row.name] = _case(row.name)
        case = cases[row.name]
        if case is not None:
            arch = " ".join(part for part in (row.platform, row.impl) if part)
            yield Group(kernel=case.op, dtype=case.dtype, shape=shape_class(case), arch=arch), row


def _case(name: str) -> CaseLine | None:
    try:
        return CaseLine.parse(name)
    except IdentifierError:
        return None


def _history(
    group: Group, runs: Mapping[int, Mapping[str, CaseErrorRow]], arl0: float
) -> ErrorHistory:
    first: dict[str, CaseErrorRow] = {}
    found = []
    for number in sorted(runs):
        rows = list(runs[number].values())
        # A case's first value is its zero: what is added or taken away moves no level.
        known = [(row, first[row.name]) for row in rows if row.name in first]
        for row in rows:
            first.setdefault(row.name, row)
        found.append(
            RunErrors(
                run=number,
                ulp=distribution([row.max_ulp for row in rows]),
                relative=distribution([row.max_relative for row in rows]),
                over_bound=max(finite(row.over_bound) for row in rows),
                ulp_level=level([(row.max_ulp, then.max_ulp) for row, then in known], ULP_FLOOR),
                relative_level=level(
                    [(row.max_relative, then.max_relative) for row, then in known], RELATIVE_FLOOR
                ),
            )
        )
    # The first run is zero by definition, which no other value is: it is no part of the series.
    ulp = alarms([one.ulp_level for one in found[1:]], arl0=2 * arl0)
    relative = alarms([one.relative_level for one in found[1:]], arl0=2 * arl0)
    return ErrorHistory(
        group=group, runs=tuple(found), ulp_alarms=_later(ulp), relative_alarms=_later(relative)
    )


def _later(found: Sequence[Alarm]) -> tuple[Alarm, ...]:
    """Count places from the first run on."""
    return tuple(
        Alarm(index=one.index + 1, begin=one.begin + 1, before=one.before, after=one.after)
        for one in found
    )


def level(pairs: Sequence[tuple[float, float]], floor: float) -> float:
    """Return the mean of log₂((floor + now) ÷ (floor + then)) over pairs; 0 of none."""
    logs = [math.log2((floor + finite(now)) / (floor + finite(then))) for now, then in pairs]
    return math.fsum(logs) / len(logs) if logs else 0.0


def distribution(errors: Sequence[float]) -> Distribution:
    """Return the quantiles of at least one error."""
    ordered = sorted(finite(error) for error in errors)
    places = [max(0, math.ceil(share * len(ordered)) - 1) for share in QUANTILES]
    return Distribution(cases=len(ordered), quantiles=tuple(ordered[place] for place in places))


def finite(error: float) -> float:
    """Return an error as it ranks: what is no number or infinite above all."""
    return error if math.isfinite(error) else LARGEST
