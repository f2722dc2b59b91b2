"""States and verdicts of tasks, cells and tests: folds over facts, no store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hotfire_infra.orchestrator.retry_policy import (
    Interruption,
    Retry,
    Spent,
    Stop,
    blamed_class,
    decide,
    is_interrupted,
)
from hotfire_infra.sections.retries import RetriesSection
from hotfire_infra.states import ATTEMPT_LIVE, AttemptState, TaskState
from hotfire_testframework.contract.failure import FailureClass
from hotfire_testframework.contract.outcomes import Outcome, Verdict

DEFAULT_POLICY = RetriesSection()
CRASHES_THAT_CONVICT = 2
"""The same test in flight in this many interrupted attempts is no accident of the machine."""
DISPUTED = "a differential rerun decides whether that is the product or the device"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFacts:
    """What a fold looks at of one attempt."""

    state: AttemptState
    reason: str = ""
    failure_class: FailureClass | None = None
    in_flight: tuple[str, ...] = ()
    device_id: int | None = None
    ended_ns: int | None = None
    is_disputed: bool = False
    """It failed on a device that is under inquiry: it counts once that has ended."""
    is_silent: bool = False
    """Nobody saw it die: its lease ran out, as after a reboot of the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What was decided of a task before: a budget that changes later does not reopen it."""

    state: TaskState
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFold:
    """Where a task stands, and once it is over, what came of it."""

    state: TaskState
    verdict: Verdict | None = None
    reason: str = ""
    failure_class: FailureClass | None = None
    crashed_tests: frozenset[str] = frozenset()
    avoid: frozenset[int] = frozenset()
    """Devices that the next attempt is not to have while there is another."""
    not_before_ns: int = 0
    """Wall time before which a retry waits, `wait_seconds` at most."""
    wait_seconds: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to the task."""
        return self.verdict is not None


_RESOLUTION_VERDICTS = {
    TaskState.REUSED: Verdict.PASSED,
    TaskState.PRECLUDED: Verdict.PRECLUDED,
    TaskState.NOT_EXECUTABLE: Verdict.NOT_EXECUTABLE,
    # What was cancelled has not been reported: neither green nor red.
    TaskState.CANCELLED: Verdict.MISSING,
}


def fold_task(
    *,
    resolution: TaskState | None,
    reason: str,
    attempts: Sequence[AttemptFacts],
    retries: int,
    is_ready: bool,
    policy: RetriesSection = DEFAULT_POLICY,
    spent: Spent | None = None,
    standing: Standing | None = None,
) -> TaskFold:
    """Fold the attempts of a task, oldest first; `is_ready`: all its edges are met.

    `spent`: what budgets of several tasks have given already; None does not ask them. `standing`:
    what is stored of the task, if anything was decided.
    """
    if resolution is not None:
        return TaskFold(state=resolution, verdict=_RESOLUTION_VERDICTS[resolution], reason=reason)
    if not attempts:
        return TaskFold(state=TaskState.QUEUED if is_ready else TaskState.WAITING)
    last = attempts[-1]
    if last.state in ATTEMPT_LIVE:
        return TaskFold(state=TaskState.RUNNING)
    if last.state is AttemptState.CANCELLED:
        return TaskFold(state=TaskState.CANCELLED, verdict=Verdict.MISSING, reason=last.reason)
    if is_interrupted(last.state, last.failure_class):
        return _interrupted(attempts, retries, policy, spent, standing)
    if last.is_disputed:
        return TaskFold(state=TaskState.RUNNING, reason=f"{last.reason}; {DISPUTED}")
    return _counted(last)


def _counted(last: AttemptFacts) -> TaskFold:
    verdict = Verdict.PASSED if last.state is AttemptState.PASSED else Verdict.FAILED
    return TaskFold(
        state=TaskState.DONE,
        verdict=verdict,
        reason="" if verdict is Verdict.PASSED else last.reason,
        failure_class=last.failure_class,
    )


def _interrupted(
    attempts: Sequence[AttemptFacts],
    retries: int,
    policy: RetriesSection,
    spent: Spent | None,
    standing: Standing | None,
) -> TaskFold:
    last = attempts[-1]
    crashed = crashing_tests(attempts)
    if crashed:
        names = ", ".join(sorted(crashed))
        return TaskFold(
            state=TaskState.DONE,
            verdict=Verdict.FAILED,
            reason=f"in flight in {CRASHES_THAT_CONVICT} attempts that were lost: {names}",
            failure_class=FailureClass.PRODUCT,
            crashed_tests=crashed,
        )
    if standing is not None and standing.state is TaskState.DONE:
        return _given_up(last, standing.reason)
    interruptions = [
        Interruption(
            failure_class=blamed_class(attempt.state, attempt.failure_class),
            reason=attempt.reason,
            device_id=attempt.device_id,
            ended_ns=attempt.ended_ns,
        )
        for attempt in attempts
        if is_interrupted(attempt.state, attempt.failure_class)
    ]
    is_granted = standing is not None and standing.state is TaskState.QUEUED
    decision = decide(interruptions, policy, retries=retries, spent=None if is_granted else spent)
    match decision:
        case Stop():
            return _given_up(last, decision.reason)
        case Retry():
            return TaskFold(
                state=TaskState.QUEUED,
                reason=decision.reason,
                avoid=decision.avoid,
                wait_seconds=decision.wait_seconds,
                not_before_ns=(last.ended_ns or 0) + int(decision.wait_seconds * 1e9),
            )


def _given_up(last: AttemptFacts, reason: str) -> TaskFold:
    return TaskFold(
        state=TaskState.DONE,
        verdict=Verdict.ERRORED,
        reason=reason,
        failure_class=last.failure_class,
    )


def crashing_tests(attempts: Iterable[AttemptFacts]) -> frozenset[str]:
    """Return the tests that were in flight in several interrupted attempts: they are the cause.

    What only fell silent, on one and the same device, convicts nobody: two reboots of a machine
    during a long test look like that.
    """
    deaths: dict[str, list[AttemptFacts]] = {}
    for attempt in attempts:
        # A device whose own driver reports a fault crashes whatever runs on it.
        if (
            attempt.state in (AttemptState.LOST, AttemptState.ERRORED)
            and attempt.failure_class is not FailureClass.INFRA_DEVICE
        ):
            for test in set(attempt.in_flight):
                deaths.setdefault(test, []).append(attempt)
    return frozenset(test for test, known in deaths.items() if _convicts(known))


def _convicts(deaths: Sequence[AttemptFacts]) -> bool:
    if len(deaths) < CRASHES_THAT_CONVICT:
        return False
    seen = sum(not death.is_silent for death in deaths)
    devices = {death.device_id for death in deaths if death.device_id is not None}
    return seen >= CRASHES_THAT_CONVICT or len(devices) >= CRASHES_THAT_CONVICT


def fold_test(outcomes: Sequence[Outcome]) -> Verdict:
    """Fold the tries of one test in one counted attempt, in their order."""
    if not outcomes:
        return Verdict.MISSING
    kinds = set(outcomes)
    if Outcome.PASSED in kinds:
        return Verdict.FLAKY if kinds & {Outcome.FAILED, Outcome.ERRORED} else Verdict.PASSED
    for outcome, verdict in _WITHOUT_A_PASS:
        if outcome in kinds:
            return verdict
    return Verdict.SKIPPED


_WITHOUT_A_PASS = (
    (Outcome.FAILED, Verdict.FAILED),
    (Outcome.ERRORED, Verdict.ERRORED),
    (Outcome.PRECLUDED, Verdict.PRECLUDED),
)

_WORST_FIRST = (
    Verdict.FAILED,
    Verdict.ERRORED,
    Verdict.MISSING,
    Verdict.PRECLUDED,
    Verdict.NOT_EXECUTABLE,
    Verdict.FLAKY,
    Verdict.PASSED,
    Verdict.SKIPPED,
)


def worst(verdicts: Iterable[Verdict]) -> Verdict | None:
    """Return the verdict that decides for a group; a single pass beside skips is a pass."""
    found = set(verdicts)
    return next((verdict for verdict in _WORST_FIRST if verdict in found), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFold:
    """What a cell came to."""

    state: TaskState
    verdict: Verdict | None
    reason: str = ""
    failure_class: FailureClass | None = None


_STATE_ORDER = (TaskState.RUNNING, TaskState.QUEUED, TaskState.WAITING)


def fold_cell(tasks: Sequence[TaskFold], tests: Iterable[Verdict]) -> CellFold:
    """Fold the shards of a cell and its tests' verdicts (none before the last shard is over)."""
    states = {task.state for task in tasks}
    for state in _STATE_ORDER:
        if state in states:
            return CellFold(state=state, verdict=None, reason=_first_reason(tasks, None))
    counted = Counter(tests)
    if _only_errors(tasks, counted):
        count = counted[Verdict.ERRORED]
        return CellFold(
            state=TaskState.DONE,
            verdict=Verdict.ERRORED,
            reason=f"{count} {_plural('test', count)} errored",
            failure_class=FailureClass.TEST,
        )
    verdict = worst([task.verdict for task in tasks if task.verdict] + list(counted))
    state = TaskState.DONE if TaskState.DONE in states else tasks[0].state
    cause = next((task for task in tasks if task.verdict is verdict), None)
    reason = cause.reason if cause else ""
    if verdict in (Verdict.PASSED, Verdict.SKIPPED):
        reason = _reused(tasks)
    has_a_culprit = any(task.crashed_tests for task in tasks)
    if verdict in (Verdict.MISSING, Verdict.FAILED) and counted[verdict] and not has_a_culprit:
        reason = f"{counted[verdict]} {_plural('test', counted[verdict])} {verdict}"
    failure = cause.failure_class if cause else None
    return CellFold(state=state, verdict=verdict, reason=reason, failure_class=failure)


def _reused(tasks: Sequence[TaskFold]) -> str:
    """Say where the results of a cell come from, if not from attempts of its own."""
    origins = [task.reason for task in tasks if task.state is TaskState.REUSED]
    if not origins:
        return ""
    if len(origins) < len(tasks):
        return f"{len(origins)} of {len(tasks)} shards {origins[0]}"
    others = len(set(origins)) - 1
    return f"{origins[0]} and {others} more" if others else origins[0]


def _only_errors(tasks: Sequence[TaskFold], tests: Counter[Verdict]) -> bool:
    """Whether a red attempt is red only by tests that could not ask: then nothing has failed."""
    reds = [task for task in tasks if task.verdict is Verdict.FAILED]
    is_by_tests = all(task.failure_class is FailureClass.PRODUCT for task in reds)
    return bool(reds) and is_by_tests and tests[Verdict.ERRORED] > 0 and not tests[Verdict.FAILED]


def _first_reason(tasks: Sequence[TaskFold], default: str | None) -> str:
    return next((task.reason for task in tasks if task.reason), default or "")


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
