"""What an operator descriptor says: keys, inputs, float64 reference, error bound, cost, cases."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hotfire_testframework.contract.cases import CaseLine, CaseValue
from hotfire_testframework.numerics.blocks import FORMATS
from hotfire_testframework.numerics.errors import CaseError
from hotfire_testframework.numerics.regimes import Regime, tensor

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Sizes = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """One input of a kernel: the stored array and the exact float64 values it stands for."""

    stored: NDArray[Any]
    values: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """Exact result and the error a float32 kernel may make, elementwise; bound 0 means ==."""

    value: F64
    bound: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Work of one call: floating-point operations and bytes that must move."""

    flops: int
    bytes: int

    @property
    def weight(self) -> int:
        """Order of cases in a file; an operation and a byte count alike, generation is per byte."""
        return self.flops + self.bytes


class Operator(ABC):
    """One operator. Subclasses state the class variables and five small functions."""

    name: ClassVar[str]
    dtypes: ClassVar[tuple[str, ...]]
    # Integer keys in the order of the case line; `data` and `seed` follow.
    keys: ClassVar[tuple[str, ...]]
    regimes: ClassVar[tuple[Regime, ...]]

    @abstractmethod
    def shapes(self, dtype: str, sizes: Sizes) -> list[tuple[int, ...]]:
        """Shapes of the inputs, in the order of the C function."""

    @abstractmethod
    def expect(self, case: CaseLine, operands: Sequence[Operand]) -> Expectation:
        """Float64 reference on the rounded inputs, and the bound."""

    @abstractmethod
    def cost(self, dtype: str, sizes: Sizes) -> Cost:
        """Operations and bytes of one call."""

    @abstractmethod
    def small(self, dtype: str) -> Iterator[dict[str, int]]:
        """Sizes that cover edges and tails; every regime runs on some, each size on several."""

    @abstractmethod
    def large(self, dtype: str) -> Iterator[dict[str, int]]:
        """A few sizes of real models and around tiles."""

    def quantised(self, dtype: str) -> frozenset[int]:
        """Ordinals of the inputs stored as quantised blocks."""
        del dtype
        return frozenset()

    def applicable(self, regime: Regime, sizes: Sizes) -> bool:
        """Whether a regime makes sense at these sizes."""
        del sizes
        return regime in self.regimes

    def operands(self, case: CaseLine) -> list[Operand]:
        """The generated inputs of a case."""
        sizes, regime = self.sizes(case), Regime(case.text("data"))
        blocks = self.quantised(case.dtype)
        return [
            quantised_operand(case, regime, ordinal, shape)
            if ordinal in blocks
            else plain_operand(tensor(regime, case.seed, ordinal, shape))
            for ordinal, shape in enumerate(self.shapes(case.dtype, sizes))
        ]

    def sizes(self, case: CaseLine) -> dict[str, int]:
        """The integer parameters of a case of this operator."""
        stated = tuple(name for name, _ in case.parameters)
        if case.op != self.name or case.dtype not in self.dtypes:
            raise CaseError(f"{case}: not a case of {self.name}")
        if stated != (*self.keys, "data", "seed"):
            raise CaseError(f"{case}: keys must be {','.join(self.keys)},data,seed")
        sizes = {key: case.integer(key) for key in self.keys}
        if min(sizes.values()) < 0:
            raise CaseError(f"{case}: a size is negative")
        return sizes

    def case(self, dtype: str, sizes: Sizes, regime: Regime, seed: int) -> CaseLine:
        """The case line of these parameters."""
        values: list[tuple[str, CaseValue]] = [(key, sizes[key]) for key in self.keys]
        values += [("data", regime.value), ("seed", seed)]
        return CaseLine(op=self.name, dtype=dtype, parameters=tuple(values))


def plain_operand(values: F32) -> Operand:
    """A float32 input."""
    return Operand(stored=values, values=values.astype(np.float64))


def quantised_operand(
    case: CaseLine, regime: Regime, ordinal: int, shape: tuple[int, ...]
) -> Operand:
    """A weight matrix in blocks. NaN has no code: `nonfinite` weights are `uniform`."""
    form = FORMATS[case.dtype]
    source = Regime.UNIFORM if regime is Regime.NONFINITE else regime
    values = tensor(source, case.seed, ordinal, shape)
    quantise = form.quantise_exact if regime is Regime.EXACT else form.quantise
    stored = quantise(values.reshape(-1))
    values = form.dequantise(stored).reshape(shape)
    return Operand(stored=stored, values=values.astype(np.float64))


def bytes_of(shape: tuple[int, ...], dtype: str = "f32") -> int:
    """Bytes an input occupies."""
    count = math.prod(shape)
    return FORMATS[dtype].row_bytes(count) if dtype in FORMATS else 4 * count
