"""Axes and values as bits: an assignment, whole or partial, is one integer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from hotfire_pipelines.errors import CoveringError, suggest


@dataclass(frozen=True, slots=True)
class Space:
    """Axis `a` owns the bits `offsets[a] … offsets[a + 1] - 1`, one for each of its values."""

    axes: Mapping[str, Sequence[str]]
    names: tuple[str, ...] = field(init=False)
    values: tuple[tuple[str, ...], ...] = field(init=False)
    offsets: tuple[int, ...] = field(init=False)
    owner: tuple[int, ...] = field(init=False)
    """The axis of each bit."""
    fields: tuple[int, ...] = field(init=False)
    """All bits of each axis."""

    def __post_init__(self) -> None:
        offsets, owner = [0], []
        for index, (name, values) in enumerate(self.axes.items()):
            if not values:
                raise CoveringError(f"axis {name!r} has no value; list at least one")
            if len(set(values)) != len(values):
                raise CoveringError(f"axis {name!r} lists a value twice; remove one of them")
            offsets.append(offsets[-1] + len(values))
            owner += [index] * len(values)
        assign = object.__setattr__
        assign(self, "names", tuple(self.axes))
        assign(self, "values", tuple(tuple(values) for values in self.axes.values()))
        assign(self, "offsets", tuple(offsets))
        assign(self, "owner", tuple(owner))
        assign(
            self,
            "fields",
            tuple((1 << high) - (1 << low) for low, high in pairwise(offsets)),
        )

    def encode(self, assignment: Mapping[str, str], what: str) -> int:
        """Return the bits of an assignment; a wrong name or value is an error that names `what`."""
        mask = 0
        for name, value in assignment.items():
            if name not in self.axes:
                raise CoveringError(f"{what}: unknown axis {name!r}. {suggest(name, self.names)}")
            axis = self.names.index(name)
            if value not in self.values[axis]:
                known = suggest(value, self.values[axis])
                raise CoveringError(f"{what}: axis {name!r} has no value {value!r}. {known}")
            mask |= 1 << (self.offsets[axis] + self.values[axis].index(value))
        return mask

    def decode(self, mask: int) -> dict[str, str]:
        """Return the assignment that the bits stand for, in the order of the axes."""
        found = {}
        for bit in bits(mask):
            axis = self.owner[bit]
            found[self.names[axis]] = self.values[axis][bit - self.offsets[axis]]
        return found

    def literals(self, axis: int) -> range:
        """Return the bits of one axis."""
        return range(self.offsets[axis], self.offsets[axis + 1])

    def open_axes(self, mask: int) -> list[int]:
        """Return the axes that an assignment leaves open."""
        return [axis for axis, owned in enumerate(self.fields) if not mask & owned]


def bits(mask: int) -> Iterator[int]:
    """Yield the numbers of the bits that are set, lowest first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
