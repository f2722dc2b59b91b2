"""Attend live attempts: grant claims, renew leases, store what arrives, note how they end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from hotfire_infra.executors.protocol import Executor, Life, Observation
from hotfire_infra.executors.spool import Spool
from hotfire_infra.ingest.logs import ingest_logs
from hotfire_infra.ingest.stream import check_manifest, first_problem, ingest_stream
from hotfire_infra.orchestrator.endings import Ending, ending_of
from hotfire_infra.states import ATTEMPT_COUNTED, AttemptState
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Attempt, Cell, Task
from hotfire_infra.store.rows import AttemptRow
from hotfire_infra.store.transitions import Move, move

LEASE_SECONDS = 30.0
"""A runner that is silent for this long is lost; it sends a heartbeat every half second."""
CLAIM_SECONDS = 120.0
"""From submission to claim: starting an interpreter on a loaded machine takes seconds."""
GRANTED, CONFLICT = 200, 409


def seconds_ns(seconds: float) -> int:
    """Return seconds as nanoseconds."""
    return int(seconds * 1e9)


@dataclass(frozen=True, slots=True)
class Attendant:
    """Looks after live attempts of one executor, on behalf of `holder`."""

    store: Store
    executor: Executor
    holder: str

    def attend(self, attempt: AttemptRow, *, is_cancelled: bool, grace_seconds: float) -> bool:
        """Look at one attempt once; True if its state changed."""
        spool = self.executor.spool(_ulid(attempt))
        if is_cancelled:
            self.executor.cancel(_ulid(attempt), grace_seconds=grace_seconds)
        seen = self.executor.attach(_ulid(attempt))
        request = spool.claim_request()
        if attempt.state is AttemptState.LEASED and request is not None:
            return self._answer_claim(attempt, spool, request)
        self._answer_again(attempt, spool, request)
        ingest_stream(self.store, attempt, spool)
        if seen.life is Life.ENDED:
            self._end(attempt, spool, seen, is_cancelled=is_cancelled)
            return True
        ingest_logs(self.store, attempt.id, spool, is_final=False)
        expires = self._renew(attempt, spool)
        if self._has_expired(attempt, expires):
            return self._reap(attempt, spool, seen)
        return False

    def _answer_claim(self, attempt: AttemptRow, spool: Spool, request: Mapping[str, Any]) -> bool:
        status, fence = grant_claim(self.store, attempt.id, str(request.get("holder", "")))
        spool.answer_claim(status, fence)
        return status == GRANTED

    def _answer_again(
        self, attempt: AttemptRow, spool: Spool, request: Mapping[str, Any] | None
    ) -> None:
        """Repeat an answer that died with the process that was about to write it."""
        if attempt.state is AttemptState.STARTED and request and spool.claim_answer() is None:
            status, fence = grant_claim(self.store, attempt.id, str(request.get("holder", "")))
            spool.answer_claim(status, fence)

    def _renew(self, attempt: AttemptRow, spool: Spool) -> int:
        """Move the lease on by the runner's last heartbeat; return when it expires."""
        beat = spool.heartbeat() if attempt.state is AttemptState.STARTED else None
        if not beat or beat.get("boot_id") != self.store.clock.boot_id:
            return attempt.lease_expires_mono_ns
        if beat.get("fence") != attempt.fence:
            return attempt.lease_expires_mono_ns
        # A heartbeat from the future is a damaged file, not a longer lease.
        beaten = min(int(beat.get("mono_ns", 0)), self.store.clock.mono_ns())
        expires = beaten + seconds_ns(LEASE_SECONDS)
        is_same_boot = attempt.boot_id == self.store.clock.boot_id
        # A write per heartbeat would be the busiest statement of the store.
        if is_same_boot and expires - attempt.lease_expires_mono_ns < seconds_ns(LEASE_SECONDS / 3):
            return max(expires, attempt.lease_expires_mono_ns)
        with self.store.writing() as connection:
            connection.execute(
                update(Attempt)
                .where(Attempt.id == attempt.id, Attempt.fence == attempt.fence)
                .values(lease_expires_mono_ns=expires, boot_id=self.store.clock.boot_id)
            )
        return expires

    def _has_expired(self, attempt: AttemptRow, expires: int) -> bool:
        now = self.store.clock.mono_ns()
        if expires != attempt.lease_expires_mono_ns:
            return now > expires
        return attempt.boot_id != self.store.clock.boot_id or now > expires

    def _reap(self, attempt: AttemptRow, spool: Spool, seen: Observation) -> bool:
        """End an attempt whose runner is silent: kill what is left of it, then say it is lost."""
        self.executor.cancel(_ulid(attempt), grace_seconds=0)
        self.executor.attach(_ulid(attempt))
        ingest_stream(self.store, attempt, spool)
        what = "no runner claimed it" if attempt.state is AttemptState.LEASED else "no heartbeat"
        detail = f" ({seen.detail})" if seen.detail else ""
        self._close(attempt, spool, Ending.lost(f"lease expired: {what}{detail}", "lease"), None)
        return True

    def _end(
        self, attempt: AttemptRow, spool: Spool, seen: Observation, *, is_cancelled: bool
    ) -> None:
        manifest = check_manifest(self.store, attempt, spool)
        ending = ending_of(
            seen, manifest, is_cancelled=is_cancelled, problem=first_problem(self.store, attempt.id)
        )
        if attempt.state is AttemptState.LEASED and ending.state in ATTEMPT_COUNTED:
            ending = Ending.unclaimed(ending.reason)
        self._close(attempt, spool, ending, seen.exit_code)

    def _close(
        self, attempt: AttemptRow, spool: Spool, ending: Ending, exit_code: int | None
    ) -> None:
        """Store the rest, make the last transition, free the machine; in this order."""
        ingest_logs(self.store, attempt.id, spool, is_final=True)
        with self.store.writing() as connection:
            ended = end_attempt(
                connection,
                attempt,
                ending,
                exit_code=exit_code,
                by=self.holder,
                at_ns=self.store.clock.wall_ns(),
            )
        if ended:
            self.executor.release(_ulid(attempt))


def _ulid(attempt: AttemptRow) -> Any:
    return attempt.ulid


def grant_claim(store: Store, attempt_id: int, holder: str) -> tuple[int, int | None]:
    """Grant the claim of the first holder that asks (leased → started); 409 to any other.

    The same holder asking again gets the same fence: its first answer may have been lost.
    """
    with store.writing() as connection:
        row = connection.execute(
            select(Attempt.holder, Attempt.fence, Attempt.state).where(Attempt.id == attempt_id)
        ).one()
        if row.state is AttemptState.STARTED and row.holder == holder:
            return GRANTED, int(row.fence)
        fence = int(row.fence) + 1
        now = store.clock.wall_ns()
        step = Move(
            entity="attempt",
            entity_id=attempt_id,
            to_state=AttemptState.STARTED,
            reason=f"claimed by {holder}",
            by=holder,
            **describe_attempt(connection, attempt_id),
            values={
                "holder": holder,
                "fence": fence,
                "started_ns": now,
                "boot_id": store.clock.boot_id,
                "lease_expires_mono_ns": store.clock.mono_ns() + seconds_ns(LEASE_SECONDS),
            },
            fence=int(row.fence),
        )
        if not move(connection, step, now):
            return CONFLICT, None
    return GRANTED, fence


def describe_attempt(connection: Connection, attempt_id: int) -> dict[str, Any]:
    """Return what watchers are told about an attempt: its run and who it is."""
    query = (
        select(Task.run_id, Task.key, Cell.key, Cell.platform, Attempt.ulid, Attempt.number)
        .join(Task, Task.id == Attempt.task_id)
        .join(Cell, Cell.id == Task.cell_id)
        .where(Attempt.id == attempt_id)
    )
    run_id, task, cell, platform, ulid, number = connection.execute(query).one()
    subject = {
        "task": task,
        "cell": cell,
        "platform": platform,
        "attempt": ulid,
        "number": number,
    }
    return {"run_id": run_id, "subject": subject}


def end_attempt(
    connection: Connection,
    attempt: AttemptRow,
    ending: Ending,
    *,
    exit_code: int | None,
    by: str,
    at_ns: int,
) -> bool:
    """Make the last transition of an attempt, guarded by its fence."""
    told = describe_attempt(connection, attempt.id)
    told["subject"]["failure_class"] = ending.failure_class
    step = Move(
        entity="attempt",
        entity_id=attempt.id,
        to_state=ending.state,
        reason=ending.reason,
        by=by,
        **told,
        values={
            "reason": ending.reason,
            "failure_class": ending.failure_class,
            "failure_source": ending.source,
            "confidence": ending.confidence,
            "exit_code": exit_code,
            "ended_ns": at_ns,
        },
        fence=attempt.fence,
    )
    return move(connection, step, at_ns)
