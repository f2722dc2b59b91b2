"""Expands one task's matrix: product, then exclude, then include, as GitHub Actions does."""

import itertools
from collections.abc import Mapping, Sequence

Assignment = dict[str, str]


def expand(
    axes: Mapping[str, Sequence[str]],
    include: Sequence[Mapping[str, str]] = (),
    exclude: Sequence[Mapping[str, str]] = (),
) -> list[Assignment]:
    """All assignments in a fixed order; the same assignment never appears twice.

    An `exclude` removes what agrees with all its keys. An `include` is added to every
    assignment of the product whose original values it does not change (it may change what an
    earlier include added); if there is none, it is an assignment of its own.
    """
    product: list[Assignment] = []
    if axes:
        product = [
            dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())
        ]
    originals = [row for row in product if not any(agrees(row, rule) for rule in exclude)]
    extended = [dict(row) for row in originals]
    alone: list[Assignment] = []
    for extra in include:
        targets = [
            row
            for original, row in zip(originals, extended, strict=True)
            if all(original.get(axis, value) == value for axis, value in extra.items())
        ]
        for row in targets:
            row.update(extra)
        if not targets:
            alone.append(dict(extra))
    return _without_repetition([*extended, *alone])


def agrees(assignment: Mapping[str, str], rule: Mapping[str, str]) -> bool:
    """Whether an assignment has every value that the rule names."""
    return all(assignment.get(axis) == value for axis, value in rule.items())


def _without_repetition(rows: list[Assignment]) -> list[Assignment]:
    unique: dict[tuple[tuple[str, str], ...], Assignment] = {}
    for row in rows:
        unique.setdefault(tuple(sorted(row.items())), row)
    return list(unique.values())
