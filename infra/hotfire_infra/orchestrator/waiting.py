"""Why attempts that were handed over have not begun: what their executor says of it, for people.

An executor that queues by itself (Kueue, a scheduler) vouches for an attempt until there is a runner
to claim it. Its words stand in `task.pending`, verbatim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, update

from hotfire_infra.executors.protocol import Life
from hotfire_infra.orchestrator.attendance import Look
from hotfire_infra.orchestrator.facts import RESULT, RunBook
from hotfire_infra.orchestrator.queue_keeper import LOOK_NS, WRITE_AT_ONCE
from hotfire_infra.states import AttemptState, TaskState
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Task


@dataclass(slots=True)
class WaitingNotes:
    """Writes what changed, once a second at most."""

    store: Store
    _written_ns: int | None = None

    def have_changed(self, book: RunBook, looks: Sequence[Look]) -> bool:
        """Whether there is something to write now."""
        return self._is_due() and bool(_changes(book, looks))

    def write(self, connection: Connection, book: RunBook, looks: Sequence[Look]) -> None:
        """Store the reasons; no event: watchers look at least once a second anyhow."""
        if not self._is_due():
            return
        changes = _changes(book, looks)
        if changes:
            self._written_ns = self.store.clock.mono_ns()
        for why, found in changes.items():
            for start in range(0, len(found), WRITE_AT_ONCE):
                part = found[start : start + WRITE_AT_ONCE]
                connection.execute(
                    update(Task)
                    .where(Task.id.in_([key for _, key in part]), Task.state == TaskState.RUNNING)
                    .values(pending=why)
                )
                for run_id, task_id in part:
                    book.runs[run_id].note_task(task_id, pending=why)

    def _is_due(self) -> bool:
        now = self.store.clock.mono_ns()
        return self._written_ns is None or not 0 <= now - self._written_ns < LOOK_NS


def _changes(book: RunBook, looks: Sequence[Look]) -> dict[str, list[tuple[int, int]]]:
    """Return run and task of those whose reason is another than the stored one, by reason."""
    changed: dict[str, list[tuple[int, int]]] = {}
    for look in looks:
        attempt, seen = look.attempt, look.seen
        if attempt.state is not AttemptState.LEASED or seen.life is not Life.STARTING:
            continue
        facts = book.runs.get(attempt.run_id)
        if facts is None or not seen.waiting or attempt.purpose != RESULT:
            continue
        task = facts.tasks[attempt.task_id]
        if task.state is TaskState.RUNNING and task.pending != seen.waiting:
            changed.setdefault(seen.waiting, []).append((attempt.run_id, task.id))
    return changed
