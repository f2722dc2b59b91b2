"""What a gate on performance would fail and wants confirmed first, and what the reruns change of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, select

from hotfire_infra.analysis.comparison import Change
from hotfire_infra.analysis.confirmations import SeriesAnswer
from hotfire_infra.analysis.interleaved import Answer
from hotfire_infra.store.comparisons import NewComparison
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Run

BETWEEN_RUNS = "between-runs t"
"""The method that reruns can check: what crept in over many runs is no difference to the last one."""


def budgets_of(store: Store, connection: Connection, run_id: int) -> Mapping[str, float]:
    """Return how many minutes of reruns a run's gates are worth, by metric (`*`: all others)."""
    digest = connection.execute(select(Run.plan_sha256).where(Run.id == run_id)).scalar()
    plan = {} if digest is None else json.loads(store.blobs.read(digest))
    said = plan.get("policy", {}).get("performance", {})
    return {metric: float(gate.get("confirm", 0.0)) for metric, gate in said.items()}


def minutes_for(metric: str, budgets: Mapping[str, float]) -> float:
    """Return the budget of a metric's gate, 0 where it wants no reruns."""
    return budgets.get(metric, budgets.get("*", 0.0))


def can_be_confirmed(one: NewComparison) -> bool:
    """Say whether reruns of run and baseline can say anything of a regression."""
    return one.outcome == Change.REGRESSED and one.body.get("method") == BETWEEN_RUNS


def with_answers(
    comparisons: Sequence[NewComparison], answers: Mapping[str, SeriesAnswer]
) -> tuple[NewComparison, ...]:
    """Return comparisons with what reruns said of them: what they refute is not called regressed.

    What stays undecided within the budget stands as it was: its own evidence is not weaker by it.
    """
    return tuple(
        _with_answer(one, answers[one.series_key])
        if one.series_key in answers and can_be_confirmed(one)
        else one
        for one in comparisons
    )


def _with_answer(one: NewComparison, answer: SeriesAnswer) -> NewComparison:
    words = f"reruns: {answer.words}"
    body = {**one.body, "confirmation": answer.answer}
    if answer.answer == Answer.REFUTED.value:
        return replace(one, outcome=Change.INCONCLUSIVE, reason=words, body=body)
    return replace(one, reason=f"{one.reason}; {words}", body=body)
