"""Give queued tasks a lease and an attempt, and the attempts to the executor."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Table, bindparam, func, select, update

from hotfire_infra.errors import ExecutorError, InfraError
from hotfire_infra.executors.protocol import Executor, Order
from hotfire_infra.orchestrator.attendance import (
    CLAIM_SECONDS,
    describe_attempt,
    end_attempt,
    seconds_ns,
)
from hotfire_infra.orchestrator.devices import identity_of
from hotfire_infra.orchestrator.endings import Ending
from hotfire_infra.orchestrator.facts import read_spec
from hotfire_infra.orchestrator.fleet import ANYWHERE, Seat
from hotfire_infra.orchestrator.inputs import expected_tests, resolve_inputs
from hotfire_infra.orchestrator.inquiry import Rerun
from hotfire_infra.orchestrator.lock import HeldLock
from hotfire_infra.orchestrator.retry_policy import leads_elsewhere
from hotfire_infra.secret_files import SecretBook
from hotfire_infra.sections.retries import RetriesSection
from hotfire_infra.states import AttemptState, TaskState
from hotfire_infra.store import queries
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Attempt, Cell
from hotfire_infra.store.prepared import prepare
from hotfire_infra.store.rows import AttemptRow, RunRow, TaskRow
from hotfire_infra.store.transitions import Move, move, record_history
from hotfire_testframework.contract.failure import FailureClass
from hotfire_testframework.contract.task import AttemptSpec
from hotfire_testframework.contract.ulid import Ulid, new_ulid

CLAIM_TIMEOUT_SECONDS = 600.0
"""How long a runner waits for its answer: longer than it takes to resume a killed service."""
AHEAD_TIMEOUT_SECONDS = 86_400.0
"""The same of one that was started ahead: the attempt before it may turn out to be a long one."""


_CELL = prepare(
    select(Cell.key, Cell.platform, Cell.requires).where(Cell.id == bindparam("the_id"))
)
_LAST_NUMBER = prepare(
    select(func.max(Attempt.number)).where(Attempt.task_id == bindparam("the_id"))
)
_EARLIER = (
    select(Attempt.ulid, Attempt.state, Attempt.failure_class)
    .where(Attempt.task_id == bindparam("the_id"), Attempt.number < bindparam("the_number"))
    .order_by(Attempt.number)
)
_INSERT_ATTEMPT = cast("Table", Attempt.__table__).insert().inline()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """An attempt with its token, to be submitted once its transaction is committed."""

    run: RunRow
    task: TaskRow
    attempt: AttemptRow
    token: str
    device: str = ""
    """Identity of the device that it was given."""
    is_ahead: bool = False
    """There is no room yet: its runner waits for whoever runs before it."""


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Leases tasks and submits attempts, on behalf of whoever leads."""

    store: Store
    executor: Executor
    cache: Path
    lock: HeldLock
    secret_book: SecretBook = field(default_factory=SecretBook)
    retries: RetriesSection = field(default_factory=RetriesSection)

    def lease(
        self,
        connection: Connection,
        run: RunRow,
        task: TaskRow,
        *,
        cpus: int = 1,
        seat: Seat = ANYWHERE,
    ) -> Leased | None:
        """Lease a queued task to a new attempt; None: the task is not queued any more.

        `cpus`: slots that it takes of the pool, for whoever counts them; `seat`: its device.
        """
        now = self.store.clock.wall_ns()
        step = Move(
            entity="task",
            entity_id=task.id,
            to_state=TaskState.RUNNING,
            reason="leased",
            by=self.lock.holder,
            run_id=task.run_id,
            subject={"task": task.key},
            # Why it was queued; why it then waits outside is its executor's to say.
            values={"pending": ""},
        )
        if not move(connection, step, now):
            return None
        token = secrets.token_urlsafe(32)
        place = {"cpus": cpus, "device_id": seat.device_id}
        attempt = self._insert(connection, task, token, now, place)
        return Leased(run=run, task=task, attempt=attempt, token=token, device=seat.identity)

    def rerun(
        self, connection: Connection, run: RunRow, task: TaskRow, rerun: Rerun, *, cpus: int = 1
    ) -> Leased:
        """Make an attempt of a task on a device, for another question: it never counts for the run."""
        token = secrets.token_urlsafe(32)
        now = self.store.clock.wall_ns()
        place = {"cpus": cpus, "device_id": rerun.device_id, "purpose": rerun.purpose}
        attempt = self._insert(connection, task, token, now, place)
        return Leased(run=run, task=task, attempt=attempt, token=token, device=rerun.identity)

    def _insert(
        self,
        connection: Connection,
        task: TaskRow,
        token: str,
        now: int,
        place: Mapping[str, Any],
    ) -> AttemptRow:
        (newest,) = _LAST_NUMBER.row(connection, the_id=task.id) or (None,)
        number = (newest or 0) + 1
        ulid = new_ulid()
        row = {
            "ulid": ulid,
            "task_id": task.id,
            "number": number,
            "state": AttemptState.LEASED,
            "executor": self.executor.name,
            "pool": self.executor.name,
            **place,
            "token_sha256": _digest(token),
            "boot_id": self.store.clock.boot_id,
            "lease_expires_mono_ns": self._claim_deadline(),
            "created_ns": now,
        }
        connection.execute(_INSERT_ATTEMPT, row)
        attempt = queries.attempt_by_ulid(connection, ulid)
        assert attempt is not None
        leased = Move(
            entity="attempt",
            entity_id=attempt.id,
            to_state=AttemptState.LEASED,
            reason=f"attempt {number}",
            by=self.lock.holder,
            **describe_attempt(connection, attempt.id),
        )
        record_history(connection, leased, None, now)
        return attempt

    def renew(
        self, connection: Connection, run: RunRow, task: TaskRow, attempt: AttemptRow
    ) -> Leased:
        """Give an attempt whose service died before it was submitted a new token and deadline."""
        token = secrets.token_urlsafe(32)
        values: dict[str, Any] = {
            "boot_id": self.store.clock.boot_id,
            "lease_expires_mono_ns": self._claim_deadline(),
        }
        connection.execute(
            update(Attempt)
            .where(Attempt.id == attempt.id, Attempt.state == AttemptState.LEASED)
            .values(token_sha256=_digest(token), **values)
        )
        device = identity_of(connection, attempt.device_id)
        renewed = replace(attempt, **values)
        return Leased(run=run, task=task, attempt=renewed, token=token, device=device)

    def _claim_deadline(self) -> int:
        return self.store.clock.mono_ns() + seconds_ns(CLAIM_SECONDS)

    def submit(self, leased: Leased) -> bool:
        """Hand an attempt to the executor; False: it could not be, and has ended."""
        try:
            with self.store.reading() as connection:
                spec = self._spec(connection, leased)
                cell = _CELL.row(connection, the_id=leased.task.cell_id)
                shun = self._spoiled(connection, leased.attempt)
            assert cell is not None
            values = self.secret_book.values_for(spec.spec.secrets, leased.run)
            self.executor.submit(_order(leased, spec, values, cell, shun))
        except InfraError as error:
            self._give_up(leased.attempt, error)
            return False
        return True

    def _spoiled(self, connection: Connection, attempt: AttemptRow) -> tuple[Ulid, ...]:
        """Return the attempts of its task before it whose machines it is to keep away from."""
        if attempt.number == 1:
            return ()
        asked = {"the_id": attempt.task_id, "the_number": attempt.number}
        return tuple(
            Ulid(row.ulid)
            for row in connection.execute(_EARLIER, asked)
            if leads_elsewhere(
                row.state,
                FailureClass(row.failure_class) if row.failure_class else None,
                self.retries,
            )
        )

    def _spec(self, connection: Connection, leased: Leased) -> AttemptSpec:
        run, task, attempt = leased.run, leased.task, leased.attempt
        spec = read_spec(connection, task.id)
        inputs = resolve_inputs(self.store, connection, run, spec, self.cache)
        expected = expected_tests(self.store, connection, task, spec)
        return AttemptSpec(
            attempt=Ulid(attempt.ulid),
            run=run.ulid,
            task=task.key,
            spec=spec,
            inputs=inputs,
            expected=expected,
            claim_timeout_s=AHEAD_TIMEOUT_SECONDS if leased.is_ahead else CLAIM_TIMEOUT_SECONDS,
            cache=str(self.cache),
        )

    def _give_up(self, attempt: AttemptRow, error: InfraError) -> None:
        is_ours = isinstance(error, ExecutorError)
        ending = Ending(
            state=AttemptState.ERRORED,
            reason=f"not submitted: {error}",
            failure_class=(FailureClass.INFRA_NODE if is_ours else FailureClass.CONFIG).value,
            source="executor",
        )
        with self.lock.writing() as connection:
            end_attempt(
                connection,
                attempt,
                ending,
                exit_code=None,
                by=self.lock.holder,
                at_ns=self.store.clock.wall_ns(),
            )
        if is_ours:
            # Perhaps a runner came up all the same: nobody will answer its claim.
            self.executor.release(Ulid(attempt.ulid))


def _order(
    leased: Leased,
    spec: AttemptSpec,
    values: Mapping[str, bytes],
    cell: tuple[Any, ...],
    shun: tuple[Ulid, ...],
) -> Order:
    key, platform, requires = cell
    return Order(
        spec=spec,
        token=leased.token,
        device=leased.device,
        secrets=values,
        requires=requires or {},
        platform=platform,
        cell=key,
        team=leased.run.team,
        priority=leased.run.priority,
        shun=shun,
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
