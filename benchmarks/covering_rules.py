"""Two constrained models of the CT-Competition 2023, whose results list the sizes of ACTS.

Models INDUSTRIAL_9 and INDUSTRIAL_11 (fmselab/CIT_Benchmark_Generator, EvaluationPhase), written anew as
implications; sizes from `results/2023/data/output.csv` of fmselab/ct-competition. The n-th axis is `axis{n-1}`
here, and `v0` is its first value.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

Allowed = Mapping[int, Sequence[int]]
Implication = tuple[int, Sequence[int], Allowed]
"""Where an axis has one of these values, each of the others has one of those."""

_ENDS = (0, 2)
_LOW = (0, 1)
_SIX = (0, 1, 2, 3, 4, 5)

INDUSTRIAL_11: tuple[Implication, ...] = (
    (2, (1,), {1: (0,), 4: (0,), 5: (0,)}),
    (2, (0, 1), {3: (2,), 6: (0,), 7: (0,)}),
    (3, (1,), {1: (0,), 4: (0,), 5: (0,)}),
    (3, (0, 1), {6: (0,), 7: (0,)}),
)
INDUSTRIAL_9: tuple[Implication, ...] = (
    (2, (0, 1, 2), {0: _ENDS}),
    (2, (0, 2), {1: (0,)}),
    (2, (1,), {1: (1,)}),
    (3, (0, 1, 2, 3), {0: _ENDS, 2: (3,)}),
    (3, (0, 4), {1: (0,)}),
    (3, (1, 2, 3), {1: (1,)}),
    (3, (5,), {1: (1, 2)}),
    (4, (0, 2, 4), {0: (0,)}),
    (4, (1, 3, 5), {0: (2,)}),
    (4, _SIX, {1: _LOW, 2: (3,)}),
    (4, (6,), {1: (0,)}),
    (4, (7,), {1: (1, 2)}),
    (5, (0,), {0: (0,)}),
    (5, (1,), {0: (2,)}),
    (5, (0, 1, 2), {4: _SIX}),
    (5, (3,), {4: (6, 7)}),
    (6, (0,), {0: (0,)}),
    (6, (1,), {0: (2,)}),
    (6, _LOW, {1: _LOW}),
    (7, (1,), {0: _ENDS, 1: _LOW}),
    (8, (0, 1, 2, 3), {7: (1,)}),
    (8, (0, 2), {4: _SIX}),
    (8, (1, 3), {6: _LOW}),
    (8, (2,), {0: (0,)}),
    (8, (3,), {0: (2,)}),
)
_LAST = tuple(
    {axis: value, 2: 3, 0: first, 1: second}
    for axis, value in ((3, 5), (4, 7))
    for first, second in itertools.product(_ENDS, (1, 2))
)
_FIFTH = tuple(
    {8: 4, axis: value, 7: 1} for axis, values in ((4, _SIX), (6, _LOW)) for value in values
)
INDUSTRIAL_9_TOGETHER: tuple[Mapping[int, int], ...] = (*_LAST, *_FIFTH)
"""Values that do not go together, beyond the implications."""


def forbidden(
    axes: Mapping[str, Sequence[str]],
    implications: Sequence[Implication],
    together: Sequence[Mapping[int, int]] = (),
) -> list[dict[str, str]]:
    """Return what the rules forbid, as partial assignments."""
    names = list(axes)
    found = [
        {names[axis]: axes[names[axis]][value], names[other]: axes[names[other]][wrong]}
        for axis, values, allowed in implications
        for value in values
        for other, right in allowed.items()
        for wrong in range(len(axes[names[other]]))
        if wrong not in right
    ]
    listed = ({names[axis]: axes[names[axis]][v] for axis, v in one.items()} for one in together)
    return [*found, *listed]
