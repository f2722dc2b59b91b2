"""Metric registry: name, base unit, direction, scale, smallest effect that matters, version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NewType

from hotfire_testframework.errors import MetricError

MetricName = NewType("MetricName", str)

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")


class Unit(str, Enum):
    """Base units only; prefixes are a matter of display."""

    SECOND = "s"
    BYTE = "B"
    BYTE_PER_SECOND = "B/s"
    FLOP_PER_SECOND = "FLOP/s"
    TOKEN_PER_SECOND = "token/s"  # noqa: S105 - a unit, no password
    JOULE = "J"
    ONE = "1"

    __str__ = str.__str__


class Direction(str, Enum):
    """Which way is better."""

    LARGER = "larger"
    SMALLER = "smaller"

    __str__ = str.__str__


class Scale(str, Enum):
    """Whether effects are ratios (log) or differences (linear)."""

    LOG = "log"
    LINEAR = "linear"

    __str__ = str.__str__


# A cost can only be better when smaller, a rate only when larger; a pure number may go either way.
_FORCED_DIRECTION = {
    Unit.SECOND: Direction.SMALLER,
    Unit.BYTE: Direction.SMALLER,
    Unit.JOULE: Direction.SMALLER,
    Unit.BYTE_PER_SECOND: Direction.LARGER,
    Unit.FLOP_PER_SECOND: Direction.LARGER,
    Unit.TOKEN_PER_SECOND: Direction.LARGER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric; `smallest_effect` is a relative change on a log scale and an absolute one on a linear scale."""

    name: MetricName
    unit: Unit
    direction: Direction
    scale: Scale = Scale.LOG
    smallest_effect: float
    version: int = 1
    meaning: str
    part_of: MetricName | None = None
    """The metric that this one is a share of: it explains that one's changes and raises none itself."""
    of_machine: bool = False
    """Whether it is of the machine, not of what is tested: no gate for all metrics holds it."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise MetricError(f"metric name {self.name!r} must be dotted lower-case words")
        if not isinstance(self.unit, Unit):
            raise MetricError(
                f"metric {self.name}: unit {self.unit!r} is no base unit; allowed are {', '.join(Unit)}"
            )
        forced = _FORCED_DIRECTION.get(self.unit, self.direction)
        if self.direction is not forced:
            raise MetricError(
                f"metric {self.name}: unit {self.unit} is better when {forced}, "
                f"it is declared {self.direction}-is-better"
            )
        if not self.smallest_effect >= 0:
            raise MetricError(
                f"metric {self.name}: smallest_effect {self.smallest_effect!r} is negative"
            )
        if self.version < 1:
            raise MetricError(f"metric {self.name}: version {self.version!r} must be at least 1")

    @property
    def key(self) -> str:
        """`name@version`, as it stands in a series key."""
        return f"{self.name}@{self.version}"


class MetricRegistry:
    """Metrics by name; a name that is not registered is refused."""

    def __init__(self, metrics: tuple[Metric, ...] = ()) -> None:
        self._metrics: dict[str, Metric] = {}
        for metric in metrics:
            self.register(metric)

    def register(self, metric: Metric) -> Metric:
        """Add a metric; a second definition of a name is refused."""
        if metric.name in self._metrics:
            raise MetricError(f"metric {metric.name} is registered twice")
        self._metrics[metric.name] = metric
        return metric

    def get(self, name: str) -> Metric:
        """Return the metric or refuse the name with the nearest known one."""
        if name in self._metrics:
            return self._metrics[name]
        import difflib  # Only on the way to an error.

        near = difflib.get_close_matches(name, self._metrics, n=1)
        hint = (
            f"; did you mean {near[0]}?"
            if near
            else f"; known are {', '.join(sorted(self._metrics))}"
        )
        raise MetricError(f"metric {name!r} is not registered{hint}")

    def check(self, name: str, unit: str, version: int) -> Metric:
        """Return the metric if unit and version fit its definition."""
        metric = self.get(name)
        if metric.unit.value != unit:
            raise MetricError(
                f"metric {name}: got the unit {unit!r}, it is declared in {metric.unit.value!r}"
            )
        if metric.version != version:
            raise MetricError(
                f"metric {name}: got version {version!r}, registered is {metric.version}"
            )
        return metric

    def __contains__(self, name: object) -> bool:
        return name in self._metrics

    def __iter__(self) -> Iterator[Metric]:
        return iter(self._metrics.values())

    def __len__(self) -> int:
        return len(self._metrics)


def _metric(
    name: str,
    unit: Unit,
    direction: Direction,
    smallest_effect: float,
    meaning: str,
    scale: Scale = Scale.LOG,
) -> Metric:
    return Metric(
        name=MetricName(name),
        unit=unit,
        direction=direction,
        scale=scale,
        smallest_effect=smallest_effect,
        meaning=meaning,
    )


# Wall time per decoded token; names as aestus-bench writes them (inference/src/model/profile.h).
_DECODE_OPERATORS = {
    "embedding": "look-up of the token's row",
    "rmsnorm": "all normalisations",
    "query_key_value": "the three products before attention",
    "rope": "rotation of queries and keys, with its angles",
    "attention": "attention over the cache, without its products",
    "attention_output": "product behind attention, added to the stream",
    "gate_up": "both products into the hidden layer, with silu(gate) * up",
    "down": "product out of the hidden layer, added to the stream",
    "logits": "product with the vocabulary",
}

# Fixed work beside every performance attempt (measuring/canary.py): no change of the code moves it.
_CANARIES = {
    "clock": "a loop of the interpreter",
    "memory": "a copy far beyond any cache",
    "arithmetic": "sums in floating point",
}

METRICS = MetricRegistry(
    (
        *(
            Metric(
                name=MetricName(f"canary.{canary}_time"),
                unit=Unit.SECOND,
                direction=Direction.SMALLER,
                smallest_effect=0.05,
                meaning=f"fixed work of the machine itself: {meaning}",
                of_machine=True,
            )
            for canary, meaning in _CANARIES.items()
        ),
        *(
            Metric(
                name=MetricName(f"aestus.decode_time.{operator}"),
                unit=Unit.SECOND,
                direction=Direction.SMALLER,
                smallest_effect=0.05,
                meaning=f"time per decoded token in {operator}: {meaning}",
                part_of=MetricName("aestus.decode_rate"),
            )
            for operator, meaning in _DECODE_OPERATORS.items()
        ),
        _metric(
            "aestus.decode_rate",
            Unit.TOKEN_PER_SECOND,
            Direction.LARGER,
            0.02,
            "tokens generated per second, one sequence",
        ),
        _metric(
            "aestus.prefill_rate",
            Unit.TOKEN_PER_SECOND,
            Direction.LARGER,
            0.02,
            "prompt tokens evaluated per second",
        ),
        _metric(
            "aestus.load_time",
            Unit.SECOND,
            Direction.SMALLER,
            0.05,
            "opening the model until the first token can be asked for",
        ),
        _metric(
            "aestus.peak_memory",
            Unit.BYTE,
            Direction.SMALLER,
            0.01,
            "peak resident set of the process",
        ),
        _metric(
            "aestus.binary_size",
            Unit.BYTE,
            Direction.SMALLER,
            0.005,
            "size of the shared library as shipped",
        ),
        _metric(
            "aestus.kernel_rate",
            Unit.FLOP_PER_SECOND,
            Direction.LARGER,
            0.02,
            "floating-point operations of one kernel per second",
        ),
        _metric(
            "aestus.bandwidth_share",
            Unit.ONE,
            Direction.LARGER,
            0.02,
            "bytes moved per second over the adjacent bandwidth probe",
        ),
        Metric(
            name=MetricName("probe.read_bandwidth"),
            unit=Unit.BYTE_PER_SECOND,
            direction=Direction.LARGER,
            smallest_effect=0.05,
            meaning="bytes read per second by the probe beside a measurement",
            of_machine=True,
        ),
        _metric(
            "aestus.perplexity", Unit.ONE, Direction.SMALLER, 0.001, "perplexity on the fixed text"
        ),
        _metric(
            "benchmark.wall_time",
            Unit.SECOND,
            Direction.SMALLER,
            0.05,
            "wall time of one iteration, as another tool measured it",
        ),
        _metric(
            "benchmark.cpu_time",
            Unit.SECOND,
            Direction.SMALLER,
            0.05,
            "processor time of one iteration, as another tool measured it",
        ),
        _metric(
            "benchmark.byte_rate",
            Unit.BYTE_PER_SECOND,
            Direction.LARGER,
            0.05,
            "bytes processed per second, as another tool counted them",
        ),
        _metric(
            "benchmark.memory",
            Unit.BYTE,
            Direction.SMALLER,
            0.02,
            "memory of one benchmark, as another tool measured it",
        ),
        _metric(
            "benchmark.score",
            Unit.ONE,
            Direction.LARGER,
            0.02,
            "any imported figure of which more is better",
        ),
        _metric(
            "benchmark.cost",
            Unit.ONE,
            Direction.SMALLER,
            0.02,
            "any imported figure of which less is better",
        ),
        _metric("build.duration", Unit.SECOND, Direction.SMALLER, 0.10, "wall time of a build"),
        _metric(
            "cuda.registers",
            Unit.ONE,
            Direction.SMALLER,
            1.0,
            "registers per thread of one kernel",
            Scale.LINEAR,
        ),
        _metric(
            "cuda.spill_bytes",
            Unit.BYTE,
            Direction.SMALLER,
            1.0,
            "bytes of register spill of one kernel",
            Scale.LINEAR,
        ),
    )
)
"""The metrics of Aestus and of Hotfire itself; every measurement in a stream names one of them."""
