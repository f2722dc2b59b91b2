"""Whose trouble an attempt was: all evidence of it weighed together, by one pure function.

Items for one class add up (1 − Π(1 − confidence), each kind of each source once); the class with the
most weight wins. On equal weight the earlier class of `PRECEDENCE` wins: infrastructure is never red
by a tie. What speaks for another class lowers the confidence of the answer. What each kind of
evidence speaks for is the table `PRESUMPTIONS` of the contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from hotfire_testframework.contract.evidence import Evidence
from hotfire_testframework.contract.failure import FailureClass

PRECEDENCE: tuple[FailureClass, ...] = (
    FailureClass.INFRA_DEVICE,
    FailureClass.INFRA_NODE,
    FailureClass.INFRA_NETWORK,
    FailureClass.PREEMPTED,
    FailureClass.CONFIG,
    FailureClass.HARNESS,
    FailureClass.TIMEOUT,
    FailureClass.TEST,
    FailureClass.PRODUCT,
    FailureClass.UNKNOWN,
)
DOUBT = 0.5
"""How much of a rival's weight is taken off the winner's confidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """The answer: a class, who said so most credibly, how sure that is, and in words."""

    failure_class: FailureClass
    source: str
    confidence: float
    reason: str


UNKNOWN = Classification(
    failure_class=FailureClass.UNKNOWN, source="", confidence=0.0, reason="no evidence"
)


def classify(evidence: Sequence[Evidence]) -> Classification:
    """Weigh all evidence of one attempt; no evidence is `unknown` with confidence 0."""
    weights = weigh(evidence)
    if not weights:
        return UNKNOWN
    ranked = sorted(weights, key=lambda failure: (-weights[failure], PRECEDENCE.index(failure)))
    winner = ranked[0]
    rival = weights[ranked[1]] if len(ranked) > 1 else 0.0
    best = max(
        (item for item in evidence if item.failure_class is winner),
        key=lambda item: item.confidence,
    )
    return Classification(
        failure_class=winner,
        source=best.source,
        confidence=round(weights[winner] * (1 - DOUBT * rival), 3),
        reason=best.detail or best.kind,
    )


def weigh(evidence: Iterable[Evidence]) -> Mapping[FailureClass, float]:
    """Return the weight of each class that anything speaks for."""
    strongest: dict[FailureClass, dict[tuple[str, str], float]] = {}
    for item in evidence:
        if item.confidence > 0:
            said = strongest.setdefault(item.failure_class, {})
            key = (item.kind, item.source)
            said[key] = max(said.get(key, 0.0), item.confidence)
    return {
        failure: round(1 - prod(1 - value for value in said.values()), 6)
        for failure, said in strongest.items()
    }
