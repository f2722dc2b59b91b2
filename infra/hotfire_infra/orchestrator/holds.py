"""Holds: the machine of a failed attempt is kept for a person, until a time or a word.

A hold is a row, so it outlives the service. It takes slots like an attempt does; its time goes by
the store's clock. Under another boot of that clock it is over: the machine was started anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update

from hotfire_infra.errors import RequestRefusedError
from hotfire_infra.executors.protocol import Capacity
from hotfire_infra.orchestrator.fair_share import SECOND_NS
from hotfire_infra.sections.holds import HoldsSection
from hotfire_infra.states import AttemptState
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Attempt, Hold, Run, Task
from hotfire_infra.store.queries_holds import REFUSED, HoldRow, active_holds, holds_called
from hotfire_infra.store.rows import AttemptRow
from hotfire_infra.store.transitions import publish
from hotfire_testframework.contract.ulid import new_ulid

HELD_AFTER = frozenset(
    {AttemptState.FAILED, AttemptState.ERRORED, AttemptState.TIMED_OUT, AttemptState.LOST}
)
"""Ends after which there is something to look at."""


@dataclass(frozen=True, slots=True)
class HoldKeeper:
    """Grants, extends and ends holds."""

    store: Store
    section: HoldsSection

    def grant(
        self, connection: Connection, attempt: AttemptRow, ended: AttemptState, capacity: Capacity
    ) -> bool:
        """Keep the machine of an attempt that ended so, if its run asks for that and may."""
        if ended not in HELD_AFTER:
            return False
        run = connection.execute(
            select(Run.id, Run.hold_seconds, Run.requested_by, Attempt.purpose, Task.spec)
            .join(Task, Task.run_id == Run.id)
            .join(Attempt, Attempt.task_id == Task.id)
            .where(Attempt.id == attempt.id)
        ).one()
        if run.hold_seconds <= 0 or run.purpose != "result":
            return False
        cpus = min(int(run.spec.get("cpus", 1)), capacity.cpus)
        refusal = self._refusal(connection, attempt, cpus, capacity)
        seconds = min(run.hold_seconds, self._longest_seconds)
        self._insert(connection, attempt, run, cpus=cpus, seconds=seconds, refusal=refusal)
        return not refusal

    @property
    def _longest_seconds(self) -> int:
        return int(self.section.longest_hours * 3600)

    def _refusal(
        self, connection: Connection, attempt: AttemptRow, cpus: int, capacity: Capacity
    ) -> str:
        held = connection.execute(
            select(func.sum(Hold.cpus))
            .join(Attempt, Attempt.id == Hold.attempt_id)
            .where(Hold.released_ns.is_(None), Attempt.pool == attempt.executor)
        ).scalar()
        would = int(held or 0) + cpus
        if would <= capacity.cpus * self.section.share:
            return ""
        return (
            f"{REFUSED}{would} of {capacity.cpus} slots would be held, and holds.share allows "
            f"{self.section.share:.0%}; release another one (`hotfire holds list`) or raise it"
        )

    def _insert(
        self,
        connection: Connection,
        attempt: AttemptRow,
        run: object,
        *,
        cpus: int,
        seconds: int,
        refusal: str,
    ) -> None:
        clock = self.store.clock
        now = clock.wall_ns()
        row = {
            "ulid": new_ulid(),
            "attempt_id": attempt.id,
            "cpus": cpus,
            "reason": refusal or f"attempt {attempt.number} of {attempt.task_key}",
            "held_by": getattr(run, "requested_by", ""),
            "boot_id": clock.boot_id,
            "until_mono_ns": clock.mono_ns() + seconds * SECOND_NS,
            "until_ns": now + seconds * SECOND_NS,
            "released_ns": now if refusal else None,
        }
        connection.execute(insert(Hold).values(**row))
        self._publish(connection, attempt.run_id, row["ulid"], "refused" if refusal else "held")

    def _publish(self, connection: Connection, run_id: int, hold: object, state: str) -> None:
        publish(
            connection,
            topic=f"hold.{state}",
            run_id=run_id,
            payload={"state": state, "reason": "", "hold": hold},
            at_ns=self.store.clock.wall_ns(),
        )

    def due(self, connection: Connection) -> list[HoldRow]:
        """Return the holds whose time is over."""
        return [row for row in active_holds(connection) if self.is_due(row)]

    def is_due(self, row: HoldRow) -> bool:
        """Whether a hold is over by the store's clock."""
        clock = self.store.clock
        return row.boot_id != clock.boot_id or clock.mono_ns() >= row.until_mono_ns

    def release(self, connection: Connection, row: HoldRow) -> bool:
        """End a hold; False: somebody did already. Its attempt is to be freed after the commit."""
        ended = connection.execute(
            update(Hold)
            .where(Hold.id == row.id, Hold.released_ns.is_(None))
            .values(released_ns=self.store.clock.wall_ns())
            .returning(Hold.id)
        ).scalar()
        if ended is not None:
            self._publish(connection, row.run_id, row.ulid, "released")
        return ended is not None

    def extend(self, prefix: str, seconds: int) -> HoldRow:
        """Let a hold last for `seconds` from now on; refused beyond the longest, or when over."""
        if not 0 < seconds <= self._longest_seconds:
            raise RequestRefusedError(
                f"a hold lasts up to {self.section.longest_hours:g} h from now (holds.longest_hours)"
            )
        clock = self.store.clock
        with self.store.writing() as connection:
            row = self.find(connection, prefix)
            if self.is_due(row):
                raise RequestRefusedError(f"hold {row.ulid} is over")
            connection.execute(
                update(Hold)
                .where(Hold.id == row.id, Hold.released_ns.is_(None))
                .values(
                    until_mono_ns=clock.mono_ns() + seconds * SECOND_NS,
                    until_ns=clock.wall_ns() + seconds * SECOND_NS,
                )
            )
            self._publish(connection, row.run_id, row.ulid, "extended")
            return self.find(connection, row.ulid)

    def find(self, connection: Connection, prefix: str) -> HoldRow:
        """Return the one active hold with this id, prefix of it, or attempt."""
        found = holds_called(connection, prefix) if prefix else ()
        if len(found) == 1:
            return found[0]
        what = "no hold is" if not found else "several holds are"
        raise RequestRefusedError(f"{what} called {prefix!r}; see `hotfire holds list`")
