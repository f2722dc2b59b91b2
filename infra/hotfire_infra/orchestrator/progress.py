"""Advance a run by one round: resolve what cannot run, queue what can, fold cells, note its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import Any, cast

from sqlalchemy import Connection, Table, bindparam

from hotfire_infra.executors.demands import with_demand
from hotfire_infra.executors.protocol import Executor
from hotfire_infra.orchestrator.budgets import Budgets
from hotfire_infra.orchestrator.facts import RunFacts, TermsCache, attempt_facts
from hotfire_infra.orchestrator.folds import Standing, TaskFold, fold_cell, fold_task
from hotfire_infra.orchestrator.retry_policy import Spent, is_interrupted
from hotfire_infra.orchestrator.reuse import ReuseBook
from hotfire_infra.orchestrator.verdicts import record_inventory, write_verdicts
from hotfire_infra.secret_files import SecretBook
from hotfire_infra.states import ATTEMPT_LIVE, TASK_TERMINAL, RunState, TaskState
from hotfire_infra.store import queries
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Cell, Task
from hotfire_infra.store.prepared import prepare
from hotfire_infra.store.rows import CellRow, TaskRow
from hotfire_infra.store.transitions import Move, move, publish
from hotfire_testframework.contract.outcomes import Verdict

_UPDATE_CELL = prepare(
    cast("Table", Cell.__table__)
    .update()
    .where(Cell.id == bindparam("the_id"))
    .values({name: bindparam(name) for name in ("state", "verdict", "reason", "failure_class")})
)
_NOTE_DIGEST = prepare(
    cast("Table", Task.__table__)
    .update()
    .where(Task.id == bindparam("the_id"))
    .values({name: bindparam(name) for name in ("action_digest", "origin_attempt_id")})
)


@dataclass(frozen=True, slots=True)
class Progress:
    """Folds runs and writes what changed, on behalf of `holder`."""

    store: Store
    executor: Executor
    terms: TermsCache
    holder: str
    reuse: ReuseBook
    budgets: Budgets
    disputed: frozenset[int] = frozenset()
    """Devices under inquiry."""
    secret_book: SecretBook = field(default_factory=SecretBook)

    def refusals(self, facts: RunFacts) -> dict[int, str]:
        """Ask the executor about every cell; return why it cannot run those it cannot."""
        found: dict[int, str] = {}
        for cell in facts.cells.values():
            refusal = self.executor.can_execute(self._asked(facts, cell))
            if refusal is not None:
                found[cell.id] = refusal.reason
            elif reason := self._without_secrets(facts, cell.id):
                found[cell.id] = reason
        return found

    def _asked(self, facts: RunFacts, cell: CellRow) -> Mapping[str, Any]:
        tasks = facts.tasks_of_cell.get(cell.id, ())
        return with_demand(
            cell.requires or {},
            platform=cell.platform,
            demands=[dict(self.terms[task].demand) for task in tasks],
            team=facts.run.team,
        )

    def _without_secrets(self, facts: RunFacts, cell_id: int) -> str | None:
        tasks = facts.tasks_of_cell.get(cell_id, ())
        names = sorted({name for task in tasks for name in self.terms[task].secrets})
        return self.secret_book.refusal(names, facts.run) if names else None

    def start(self, connection: Connection, facts: RunFacts, refusals: Mapping[int, str]) -> None:
        """Begin a run; the cells that were refused are not executable."""
        for task in list(facts.tasks.values()):
            if task.cell_id in refusals:
                reason = refusals[task.cell_id]
                self._resolve(connection, facts, task, TaskState.NOT_EXECUTABLE, reason)
        now = self.store.clock.wall_ns()
        step = Move(
            entity="run",
            entity_id=facts.run.id,
            to_state=RunState.RUNNING,
            reason="",
            by=self.holder,
            run_id=facts.run.id,
            values={"started_ns": now},
        )
        if move(connection, step, now):
            facts.run = replace(facts.run, state=RunState.RUNNING, started_ns=now)

    def advance(self, connection: Connection, facts: RunFacts) -> None:
        """Fold the tasks that were touched, those that wait for them, and the cells of both."""
        cells = dict.fromkeys(
            facts.tasks[task_id].cell_id for task_id in self._fold_tasks(connection, facts)
        )
        for cell_id in cells:
            if facts.cells[cell_id].verdict is None:
                self._fold_cell(connection, facts, facts.cells[cell_id])

    def _fold_tasks(self, connection: Connection, facts: RunFacts) -> list[int]:
        """Fold in the order of the plan, which is the order of the edges: one pass suffices."""
        waiting, folded = sorted(facts.touched), []
        seen = set(waiting)
        facts.touched.clear()
        while waiting:
            task_id = heappop(waiting)
            folded.append(task_id)
            fold = self._fold_one(connection, facts, facts.tasks[task_id], facts.folds)
            if facts.note_fold(task_id, fold):
                for later in facts.downstream.get(task_id, ()):
                    if later not in seen:
                        seen.add(later)
                        heappush(waiting, later)
            self._note_task(connection, facts, facts.tasks[task_id], fold)
        return folded

    def _fold_one(
        self,
        connection: Connection,
        facts: RunFacts,
        task: TaskRow,
        folds: Mapping[int, TaskFold],
    ) -> TaskFold:
        resolution, reason = task.resolution, task.reason
        attempts = facts.attempts.get(task.id, ())
        upstream = [(facts.tasks[key], folds[key]) for key in facts.upstream.get(task.id, ())]
        is_alive = any(attempt.state in ATTEMPT_LIVE for attempt in attempts)
        is_ready = all(fold.verdict is Verdict.PASSED for _, fold in upstream)
        if resolution is None and not attempts:
            resolution, reason = _resolution_of(upstream)
        if resolution is None and is_ready and task.state is TaskState.WAITING:
            resolution, reason = self._reused(connection, facts, task)
        folded = fold_task(
            resolution=resolution,
            reason=reason,
            attempts=[attempt_facts(attempt, self.disputed) for attempt in attempts],
            retries=self.terms.get(connection, task.id).retries,
            is_ready=is_ready,
            policy=self.budgets.section,
            spent=self._spent(connection, facts, task),
            standing=Standing(state=task.state, reason=task.reason),
        )
        if facts.is_cancelled and not folded.is_over and not is_alive:
            # What has not started ends; a retry that is due counts as not started.
            resolution, reason = TaskState.CANCELLED, "the run was cancelled"
            folded = TaskFold(state=resolution, verdict=Verdict.MISSING, reason=reason)
        if resolution is not None and task.resolution is None:
            self._resolve(connection, facts, task, resolution, reason)
        return folded

    def _spent(self, connection: Connection, facts: RunFacts, task: TaskRow) -> Spent | None:
        """Ask the budgets where a retry is to be decided: once, for a task that was under way."""
        attempts = facts.attempts.get(task.id, ())
        if not attempts or task.state is not TaskState.RUNNING:
            return None
        last = attempt_facts(attempts[-1])
        if not is_interrupted(last.state, last.failure_class):
            return None
        return self.budgets.spent(connection, facts)

    def _reused(
        self, connection: Connection, facts: RunFacts, task: TaskRow
    ) -> tuple[TaskState | None, str]:
        """Note the digest of a task that could start now, and what may stand for it."""
        if facts.is_cancelled:
            return None, ""
        cell = facts.cells[task.cell_id]
        digest, origin = self.reuse.ready(connection, facts.run, task, cell)
        origin_id = None if origin is None else origin.attempt_id
        if digest is not None:
            values = {"action_digest": digest, "origin_attempt_id": origin_id}
            _NOTE_DIGEST.run(connection, the_id=task.id, **values)
            facts.note_task(task.id, origin_attempt_id=origin_id)
        return (None, "") if origin is None else (TaskState.REUSED, origin.reason)

    def _resolve(
        self,
        connection: Connection,
        facts: RunFacts,
        task: TaskRow,
        resolution: TaskState,
        reason: str,
    ) -> None:
        values = {"resolution": resolution, "reason": reason}
        self._move_task(connection, facts, task, resolution, reason, values)

    def _note_task(
        self, connection: Connection, facts: RunFacts, task: TaskRow, fold: TaskFold
    ) -> None:
        if fold.state is task.state or task.state in TASK_TERMINAL or task.resolution is not None:
            return
        if task.state is TaskState.WAITING and fold.state in (TaskState.RUNNING, TaskState.DONE):
            self._move_task(connection, facts, task, TaskState.QUEUED, "", {})
        if task.state is TaskState.QUEUED and fold.state is TaskState.DONE:
            self._move_task(connection, facts, task, TaskState.RUNNING, "", {})
        values = {"reason": fold.reason}
        self._move_task(connection, facts, task, fold.state, fold.reason, values)

    def _move_task(
        self,
        connection: Connection,
        facts: RunFacts,
        task: TaskRow,
        to_state: TaskState,
        reason: str,
        values: Mapping[str, Any],
    ) -> None:
        now = self.store.clock.wall_ns()
        if to_state is TaskState.QUEUED:
            values = {**values, "queued_ns": now}
        step = Move(
            entity="task",
            entity_id=task.id,
            to_state=to_state,
            reason=reason,
            by=self.holder,
            run_id=task.run_id,
            subject={"task": task.key},
            values=values,
        )
        if move(connection, step, now):
            facts.note_task(task.id, state=to_state, **values)

    def _fold_cell(self, connection: Connection, facts: RunFacts, cell: CellRow) -> None:
        tasks = [facts.folds[task_id] for task_id in facts.tasks_of_cell[cell.id]]
        if all(task.is_over for task in tasks):
            self._decide_cell(connection, facts, cell, tasks)
            return
        folded = fold_cell(tasks, ())
        if (folded.state, folded.reason) != (cell.state, cell.reason):
            self._write_cell(connection, facts, cell, folded.state, None, folded.reason, None)

    def _decide_cell(
        self, connection: Connection, facts: RunFacts, cell: CellRow, tasks: list[TaskFold]
    ) -> None:
        attempts = [
            attempt
            for task_id in facts.tasks_of_cell[cell.id]
            for attempt in facts.attempts.get(task_id, ())[-1:]
        ]
        if any(facts.tasks[key].origin_attempt_id for key in facts.tasks_of_cell[cell.id]):
            attempts += queries.origins_of_cell(connection, facts.run.id, cell.key)
        tests = write_verdicts(self.store, connection, facts.run, cell, tasks, attempts)
        if all(task.state in _REPORTED and not task.crashed_tests for task in tasks):
            record_inventory(self.store, connection, facts.run, cell, attempts, set(tests))
        folded = fold_cell(tasks, tests)
        failure = folded.failure_class.value if folded.failure_class else None
        verdict = folded.verdict or Verdict.MISSING
        self._write_cell(connection, facts, cell, folded.state, verdict, folded.reason, failure)

    def _write_cell(
        self,
        connection: Connection,
        facts: RunFacts,
        cell: CellRow,
        state: TaskState,
        verdict: Verdict | None,
        reason: str,
        failure_class: str | None,
    ) -> None:
        word = verdict.value if verdict else None
        values = {
            "state": state,
            "verdict": word,
            "reason": reason,
            "failure_class": failure_class,
        }
        _UPDATE_CELL.run(connection, the_id=cell.id, **values)
        facts.note_cell(cell.id, **values)
        names = {"cell": cell.key, "task": cell.task, "platform": cell.platform}
        publish(
            connection,
            topic=f"cell.{state}",
            run_id=facts.run.id,
            payload={**names, **values, "state": str(state)},
            at_ns=self.store.clock.wall_ns(),
        )


_REPORTED = (TaskState.DONE, TaskState.REUSED)


def _resolution_of(
    upstream: list[tuple[TaskRow, TaskFold]],
) -> tuple[TaskState | None, str]:
    """Say whether a task can never start, and why; the reason of the root goes down unchanged."""
    for task, fold in upstream:
        if not fold.is_over or fold.verdict is Verdict.PASSED:
            continue
        if fold.state in (TaskState.NOT_EXECUTABLE, TaskState.CANCELLED):
            return fold.state, fold.reason
        if fold.state is TaskState.PRECLUDED:
            return TaskState.PRECLUDED, fold.reason
        why = f": {fold.reason}" if fold.reason else ""
        return TaskState.PRECLUDED, f"{task.key} {fold.verdict}{why}"
    return None, ""
