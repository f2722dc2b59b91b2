"""How long a plan takes: durations from history, else declared, and a simulated schedule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hotfire_pipelines.plan import Estimate
from hotfire_pipelines.simulation import Load as Load
from hotfire_pipelines.simulation import simulate


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """Measured seconds: whole tasks by task key, tests by cell key and test identifier."""

    tasks: Mapping[str, float] = field(default_factory=dict)
    tests: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def estimate(loads: Sequence[Load], slots: int) -> Estimate:
    """Wall time on one machine with `slots` CPUs; an exclusive task takes all of them."""
    return Estimate(
        seconds=round(simulate(loads, slots), 1),
        by_task={load.key: round(load.seconds, 2) for load in loads},
    )
