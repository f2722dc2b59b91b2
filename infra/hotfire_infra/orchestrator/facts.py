"""What one round needs to know of a run, read in a few statements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from hotfire_infra.executors.protocol import Need
from hotfire_infra.orchestrator.folds import AttemptFacts
from hotfire_infra.store import queries
from hotfire_infra.store.models import Edge, Task
from hotfire_infra.store.rows import AttemptRow, CellRow, RunRow, TaskRow
from hotfire_testframework.contract.failure import FailureClass
from hotfire_testframework.contract.task import TaskSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTerms:
    """The part of a specification that scheduling looks at; it never changes."""

    retries: int
    need: Need
    grace_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """A run as one round sees it."""

    run: RunRow
    cells: Mapping[int, CellRow]
    tasks: Mapping[int, TaskRow]
    attempts: Mapping[int, tuple[AttemptRow, ...]]
    """By task, oldest first."""
    upstream: Mapping[int, tuple[int, ...]]
    """Tasks that a task waits for."""

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody asked for the run's end."""
        return self.run.cancel_requested_ns is not None


def read_run(connection: Connection, run: RunRow) -> RunFacts:
    """Read a run with its tasks, attempts and edges."""
    attempts: dict[int, list[AttemptRow]] = {}
    for attempt in queries.attempts_of(connection, run.id):
        attempts.setdefault(attempt.task_id, []).append(attempt)
    upstream: dict[int, list[int]] = {}
    edges = select(Edge.from_task_id, Edge.to_task_id).where(Edge.run_id == run.id)
    for earlier, later in connection.execute(edges):
        upstream.setdefault(later, []).append(earlier)
    return RunFacts(
        run=run,
        cells={cell.id: cell for cell in queries.cells_of(connection, run.id)},
        tasks={task.id: task for task in queries.tasks_of(connection, run.id)},
        attempts={key: tuple(rows) for key, rows in attempts.items()},
        upstream={key: tuple(sorted(set(rows))) for key, rows in upstream.items()},
    )


def attempt_facts(attempt: AttemptRow) -> AttemptFacts:
    """Reduce an attempt to what folds look at."""
    known = attempt.failure_class
    return AttemptFacts(
        state=attempt.state,
        reason=attempt.reason,
        failure_class=FailureClass(known) if known else None,
        in_flight=attempt.in_flight,
    )


def read_spec(connection: Connection, task_id: int) -> TaskSpec:
    """Read the whole specification of a task."""
    value = connection.execute(select(Task.spec).where(Task.id == task_id)).scalar_one()
    return TaskSpec.from_json(value)


class TermsCache:
    """Terms by task: specifications are large, immutable and needed every round."""

    def __init__(self) -> None:
        self._known: dict[int, TaskTerms] = {}

    def get(self, connection: Connection, task_id: int) -> TaskTerms:
        """Return the terms of a task, reading its specification once."""
        if task_id not in self._known:
            spec = read_spec(connection, task_id)
            self._known[task_id] = TaskTerms(
                retries=spec.retries,
                need=Need(cpus=spec.cpus, exclusive=spec.exclusive),
                grace_seconds=spec.timeouts.grace_s,
            )
        return self._known[task_id]
