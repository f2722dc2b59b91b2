"""Constraints as partial assignments: what a covering array and a pruned product can use fast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from hotfire_pipelines.constraints.meaning import Assignment, Constraint, Kind
from hotfire_pipelines.errors import InvalidValueError

ENUMERATED = 4_096
"""Combinations of the axes of one constraint up to which it becomes partial assignments."""
CHECKED = 200_000
"""Combinations up to which a constraint is tried for whether it can apply at all."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is forbidden in one matrix: exact partial assignments, and constraints left as tests."""

    assignments: tuple[Mapping[str, str], ...]
    tests: tuple[Constraint, ...]
    names: Mapping[tuple[tuple[str, str], ...], str]
    """Which rule forbids a partial assignment (its items, sorted), for reasons."""
    constraints: tuple[Constraint, ...] = ()
    """All of them, for rows that do not come from the product."""


def rule_out(
    constraints: Sequence[Constraint],
    spans: Mapping[str, Sequence[str]],
    declared: Mapping[str, Sequence[str]],
    defaults: Mapping[str, str],
) -> Ruling:
    """Turn constraints into partial assignments over `spans`, the axes of a matrix.

    `declared`: all values of all axes; over these a constraint must be able to hold and to fail.
    `defaults`: the values of axes that the matrix does not span. A constraint on an axis that is in
    neither can only be asked of whole rows, and stays in `constraints` alone.

    Raises InvalidValueError for a constraint that never applies or forbids every cell.
    """
    found: dict[tuple[tuple[str, str], ...], str] = {}
    tests = []
    for constraint in constraints:
        _can_apply(constraint, declared)
        own = [axis for axis in constraint.axes if axis in spans]
        if any(axis not in spans and axis not in defaults for axis in constraint.axes):
            continue
        size = prod(len(spans[axis]) for axis in own)
        if size > ENUMERATED:
            tests.append(constraint)
            continue
        partial = list(_forbidden(constraint, {axis: spans[axis] for axis in own}, defaults))
        if any(not one for one in partial):
            _refuse(constraint, "forbids every cell of this matrix", "Loosen it, or remove it.")
        for one in partial:
            found.setdefault(tuple(sorted(one.items())), constraint.name)
    return Ruling(
        assignments=tuple(dict(items) for items in found),
        tests=tuple(tests),
        names=found,
        constraints=tuple(constraints),
    )


def _can_apply(constraint: Constraint, declared: Mapping[str, Sequence[str]]) -> None:
    """Refuse a constraint that forbids nothing, or everything, whatever the matrix."""
    axes = {axis: declared[axis] for axis in constraint.axes}
    if prod(len(values) for values in axes.values()) > CHECKED:
        return
    seen = set()
    for chosen in product(*axes.values()):
        seen.add(constraint.forbids(dict(zip(axes, chosen, strict=True))))
        if len(seen) == 2:
            return
    if seen == {True}:
        _refuse(constraint, "forbids every combination there is", "Loosen it, or remove it.")
    what = "can never apply" if constraint.kind is Kind.FORBID else "always holds"
    _refuse(constraint, f"{what}: it forbids no combination of values", "Correct or remove it.")


def _refuse(constraint: Constraint, problem: str, remedy: str) -> None:
    raise InvalidValueError(constraint.where(0), f"{constraint.name} {problem}", remedy)


def _forbidden(
    constraint: Constraint, axes: Mapping[str, Sequence[str]], base: Assignment
) -> Iterator[dict[str, str]]:
    """Yield the shortest partial assignments, axis by axis, all of whose completions are forbidden."""
    names = list(axes)

    def below(place: int, chosen: dict[str, str]) -> list[dict[str, str]]:
        if place == len(names):
            return [dict(chosen)] if constraint.forbids({**base, **chosen}) else []
        axis = names[place]
        parts = [below(place + 1, {**chosen, axis: value}) for value in axes[axis]]
        # When each value is forbidden in the same way, the axis does not matter.
        without = [[_without(one, axis) for one in part] for part in parts]
        if all(part == without[0] for part in without):
            return without[0]
        return [one for part in parts for one in part]

    yield from below(0, {})


def _without(assignment: Mapping[str, str], axis: str) -> dict[str, str]:
    return {name: value for name, value in assignment.items() if name != axis}
