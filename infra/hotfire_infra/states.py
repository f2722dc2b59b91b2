"""The states of attempt, task and run, and one transition table per entity.

An attempt moves by guarded transitions. Task and run are folds over attempts, resolutions and
recorded requests; their columns are what the last fold saw, and their tables say which steps a fold
may take. State and *reason* are two columns; a terminal state is never left.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar


class AttemptState(StrEnum):
    """One execution on one allocation."""

    LEASED = "leased"
    STARTED = "started"
    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"
    TIMED_OUT = "timed_out"
    LOST = "lost"
    PREEMPTED = "preempted"
    CANCELLED = "cancelled"


class TaskState(StrEnum):
    """One schedulable piece of a cell; the last four are resolutions without an attempt."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    REUSED = "reused"
    PRECLUDED = "precluded"
    NOT_EXECUTABLE = "not_executable"
    CANCELLED = "cancelled"


class RunState(StrEnum):
    """One request to evaluate a source stamp against a pipeline."""

    PLANNED = "planned"
    RUNNING = "running"
    FINALIZING = "finalizing"
    FINALIZED = "finalized"
    CANCELLED = "cancelled"


class RunVerdict(StrEnum):
    """What the gate says of a run that has ended; a cancelled run is neither green nor red."""

    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"
    INCOMPLETE = "incomplete"
    CANCELLED = "cancelled"


class RequestKind(StrEnum):
    """What a reader of the store may ask of whoever executes."""

    RUN = "run"
    CANCEL = "cancel"
    RETRY = "retry"
    RELEASE = "release"
    """End a hold before its time."""
    DEVICE = "device"
    """Move a device to another health: maintenance, back to good, retired."""


class RequestState(StrEnum):
    """A request is open until the executing process has acted on it or said why not."""

    OPEN = "open"
    DONE = "done"
    REFUSED = "refused"


class DeviceHealth(StrEnum):
    """Whether a device may be given work."""

    GOOD = "good"
    SUSPECT = "suspect"
    """There is evidence against it; a differential rerun decides."""
    BAD = "bad"
    """In quarantine: no work but the health check that lets it back."""
    MAINTENANCE = "maintenance"
    RETIRED = "retired"


class Priority(StrEnum):
    """Classes of runs, most urgent first; a class is served before the next is looked at."""

    GATE = "gate"
    PRE_MERGE = "pre-merge"
    DEVELOPER = "developer"
    NIGHTLY = "nightly"
    BACKFILL = "backfill"


class Role(StrEnum):
    """What a person or a token may do; each includes the ones before it."""

    VIEWER = "viewer"
    DEVELOPER = "developer"
    OPERATOR = "operator"
    ADMIN = "admin"


_A, _T, _R, _Q, _D = AttemptState, TaskState, RunState, RequestState, DeviceHealth

ATTEMPT_TRANSITIONS: Mapping[AttemptState, frozenset[AttemptState]] = {
    # A lease can end without a claim: the runner never came up, or was cancelled.
    _A.LEASED: frozenset({_A.STARTED, _A.ERRORED, _A.LOST, _A.PREEMPTED, _A.CANCELLED}),
    _A.STARTED: frozenset(
        {_A.PASSED, _A.FAILED, _A.ERRORED, _A.TIMED_OUT, _A.LOST, _A.PREEMPTED, _A.CANCELLED}
    ),
    _A.PASSED: frozenset(),
    _A.FAILED: frozenset(),
    _A.ERRORED: frozenset(),
    _A.TIMED_OUT: frozenset(),
    _A.LOST: frozenset(),
    _A.PREEMPTED: frozenset(),
    _A.CANCELLED: frozenset(),
}

TASK_TRANSITIONS: Mapping[TaskState, frozenset[TaskState]] = {
    _T.WAITING: frozenset({_T.QUEUED, _T.REUSED, _T.PRECLUDED, _T.NOT_EXECUTABLE, _T.CANCELLED}),
    _T.QUEUED: frozenset({_T.RUNNING, _T.REUSED, _T.PRECLUDED, _T.NOT_EXECUTABLE, _T.CANCELLED}),
    # An infrastructure failure with budget left puts the task back into the queue.
    _T.RUNNING: frozenset({_T.QUEUED, _T.DONE, _T.CANCELLED}),
    _T.DONE: frozenset(),
    _T.REUSED: frozenset(),
    _T.PRECLUDED: frozenset(),
    _T.NOT_EXECUTABLE: frozenset(),
    _T.CANCELLED: frozenset(),
}

RUN_TRANSITIONS: Mapping[RunState, frozenset[RunState]] = {
    _R.PLANNED: frozenset({_R.RUNNING, _R.FINALIZING, _R.CANCELLED}),
    _R.RUNNING: frozenset({_R.FINALIZING, _R.CANCELLED}),
    _R.FINALIZING: frozenset({_R.FINALIZED, _R.CANCELLED}),
    _R.FINALIZED: frozenset(),
    _R.CANCELLED: frozenset(),
}

REQUEST_TRANSITIONS: Mapping[RequestState, frozenset[RequestState]] = {
    _Q.OPEN: frozenset({_Q.DONE, _Q.REFUSED}),
    _Q.DONE: frozenset(),
    _Q.REFUSED: frozenset(),
}

DEVICE_TRANSITIONS: Mapping[DeviceHealth, frozenset[DeviceHealth]] = {
    _D.GOOD: frozenset({_D.SUSPECT, _D.BAD, _D.MAINTENANCE, _D.RETIRED}),
    _D.SUSPECT: frozenset({_D.GOOD, _D.BAD, _D.MAINTENANCE, _D.RETIRED}),
    # Back to good only through a passed health check, or by a person's word.
    _D.BAD: frozenset({_D.GOOD, _D.MAINTENANCE, _D.RETIRED}),
    _D.MAINTENANCE: frozenset({_D.GOOD, _D.BAD, _D.RETIRED}),
    _D.RETIRED: frozenset(),
}

S = TypeVar("S", bound=StrEnum)


def terminal_states(table: Mapping[S, frozenset[S]]) -> frozenset[S]:
    """Return the states that `table` never leaves."""
    return frozenset(state for state, onward in table.items() if not onward)


def states_before(table: Mapping[S, frozenset[S]], to_state: S) -> frozenset[S]:
    """Return the states from which `table` allows a step to `to_state`: the guard of an update."""
    return frozenset(state for state, onward in table.items() if to_state in onward)


ATTEMPT_TERMINAL = terminal_states(ATTEMPT_TRANSITIONS)
ATTEMPT_LIVE = frozenset(AttemptState) - ATTEMPT_TERMINAL
TASK_TERMINAL = terminal_states(TASK_TRANSITIONS)
RUN_TERMINAL = terminal_states(RUN_TRANSITIONS)
RUN_LIVE = frozenset(RunState) - RUN_TERMINAL

ATTEMPT_COUNTED = frozenset({_A.PASSED, _A.FAILED, _A.TIMED_OUT})
"""Attempts whose results enter verdicts; the others are shown and count toward nothing."""

ATTEMPT_INTERRUPTED = frozenset({_A.ERRORED, _A.LOST, _A.PREEMPTED})
"""Attempts that infrastructure ended: retried within the budget, never a failure of the product."""

TASK_RESOLVED = frozenset({_T.REUSED, _T.PRECLUDED, _T.NOT_EXECUTABLE, _T.CANCELLED})
"""Ends of a task without an attempt; `task.resolution` holds the same word."""
