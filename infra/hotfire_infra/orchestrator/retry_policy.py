"""Whether a task is tried again, where and when: a pure decision with its reason.

Four things may stop it, and the reason says which: the class is not worth a retry, the task's own
number is used up, the run's budget is, or the pool's (so that a broken fleet does not burn every
run's budget). What stops ends errored, never failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hotfire_infra.sections.retries import RetriesSection
from hotfire_infra.states import ATTEMPT_INTERRUPTED, AttemptState
from hotfire_testframework.contract.failure import FailureClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """What the decision looks at of an attempt that infrastructure ended."""

    failure_class: FailureClass
    reason: str
    device_id: int | None = None
    ended_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was retried already, by all tasks together."""

    run_tasks: int = 0
    run_retries: int = 0
    pool: str = ""
    pool_retries: int = 0
    """Within the last hour, as the two below."""
    pool_ended: int = 0
    pool_interrupted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Try again."""

    reason: str
    avoid: frozenset[int]
    """Devices that are not to be used while there is another that fits."""
    wait_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Give up: the task is errored."""

    reason: str


def blamed_class(state: AttemptState, failure: FailureClass | None) -> FailureClass:
    """Return the class that an interrupted attempt is retried by; nobody saw a lost one end."""
    if state is AttemptState.PREEMPTED:
        return FailureClass.PREEMPTED
    if state is AttemptState.LOST and (failure is None or not failure.is_infrastructure):
        return FailureClass.INFRA_NODE
    return failure or FailureClass.UNKNOWN


def decide(
    interruptions: Sequence[Interruption],
    section: RetriesSection,
    *,
    retries: int,
    spent: Spent | None = None,
) -> Retry | Stop:
    """Decide about a task whose attempts so far were interrupted, oldest first.

    `retries`: the task's own number. `spent`: None where the budgets of run and pool have been asked
    already, for this very retry.
    """
    last = interruptions[-1]
    rule = section.rule(last.failure_class)
    of_class = sum(item.failure_class is last.failure_class for item in interruptions)
    used = len(interruptions)
    if rule.retries == 0:
        return Stop(reason=last.reason)
    if used > retries or (rule.retries is not None and of_class > rule.retries):
        words = f" ({used} attempts, budget spent)" if used > 1 else ""
        return Stop(reason=f"{last.reason}{words}")
    exhausted = _exhausted(section, spent) if spent is not None else ""
    if exhausted:
        return Stop(reason=f"{last.reason} (not retried: {exhausted})")
    avoid = frozenset(
        item.device_id
        for item in interruptions
        if item.device_id is not None and section.rule(item.failure_class).elsewhere
    )
    wait = min(rule.backoff_seconds * 2 ** (of_class - 1), rule.backoff_limit_seconds)
    words = f"attempt {used}: {last.reason}"
    return Retry(reason=words, avoid=avoid, wait_seconds=wait)


def _exhausted(section: RetriesSection, spent: Spent) -> str:
    """Say which budget of several tasks is used up; empty: none."""
    allowed = max(section.per_run_minimum, int(section.per_run_share * spent.run_tasks))
    if spent.run_retries >= allowed:
        return f"the run's budget of {allowed} retries is spent"
    if spent.pool_retries >= section.per_pool_hour:
        return f"pool {spent.pool} has had its {section.per_pool_hour} retries of this hour"
    if spent.pool_ended >= section.broken_minimum:
        share = spent.pool_interrupted / spent.pool_ended
        if share >= section.broken_share:
            return (
                f"pool {spent.pool} is broken: {spent.pool_interrupted} of {spent.pool_ended} "
                "attempts of this hour were interrupted"
            )
    return ""


def remaining_seconds(not_before_ns: int, wait_seconds: float, now_ns: int) -> float:
    """Return how long a retry still waits; a wall clock that was put back ends the wait."""
    left = (not_before_ns - now_ns) / 1e9
    return left if 0 < left <= wait_seconds else 0.0


def leads_elsewhere(
    state: AttemptState, failure: FailureClass | None, section: RetriesSection
) -> bool:
    """Whether the next attempt is not to go where this one was, while there is another place."""
    return is_interrupted(state, failure) and section.rule(blamed_class(state, failure)).elsewhere


def is_interrupted(state: AttemptState, failure: FailureClass | None) -> bool:
    """Whether infrastructure ended an attempt: by its state, or by what a differential rerun found."""
    is_excused = failure is FailureClass.INFRA_DEVICE and state is not AttemptState.PASSED
    return state in ATTEMPT_INTERRUPTED or is_excused
