"""Attend live attempts: grant claims, renew leases, store what arrives, note how they end.

An attempt is looked at without a transaction (files, processes, blobs), then all that was seen is
settled in one, and only what that transaction made true has effects outside: a claim is answered
after it is granted, a runner is killed after its attempt was declared lost. A process that dies in
between leaves something that the next one finds and repeats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from hotfire_infra.clock import Clock, SystemClock
from hotfire_infra.executors.protocol import Executor, Life, Observation
from hotfire_infra.executors.spool import Spool
from hotfire_infra.ingest.logs import read_logs, write_logs
from hotfire_infra.ingest.reports import ReadReports, forget_reports, read_reports, write_reports
from hotfire_infra.ingest.stream import (
    Arrival,
    acknowledged,
    check_manifest,
    first_problem,
    read_arrival,
    reported_evidence,
    store_arrival,
)
from hotfire_infra.orchestrator.devices import note_ending
from hotfire_infra.orchestrator.endings import Ending, ending_of, taken_away, weighed
from hotfire_infra.orchestrator.holds import HoldKeeper
from hotfire_infra.orchestrator.lock import HeldLock
from hotfire_infra.sections.holds import HoldsSection
from hotfire_infra.states import ATTEMPT_COUNTED, AttemptState
from hotfire_infra.store import queries
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Attempt, Cell, Task
from hotfire_infra.store.postgres import PostgresClock
from hotfire_infra.store.prepared import prepare
from hotfire_infra.store.rows import AttemptRow
from hotfire_infra.store.transitions import Move, move
from hotfire_testframework.contract.stream_reader import StreamVerdict, verify_stream
from hotfire_testframework.contract.ulid import Ulid

LEASE_SECONDS = 30.0
"""A runner that is silent for this long is lost; it sends a heartbeat every half second."""
CLAIM_SECONDS = 120.0
"""From submission to claim: starting an interpreter on a loaded machine takes seconds."""
GRANTED, CONFLICT = 200, 409

Effect = Callable[[], object]
"""What is done outside the store once the transaction is committed; may be done twice."""


def seconds_ns(seconds: float) -> int:
    """Return seconds as nanoseconds."""
    return int(seconds * 1e9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at an attempt saw; nothing of it is stored yet."""

    attempt: AttemptRow
    spool: Spool
    seen: Observation
    is_cancelled: bool
    request: Mapping[str, Any] | None
    answer: Mapping[str, Any] | None
    arrival: Arrival | None
    logs: tuple[tuple[int, str, int, int, str], ...]
    stream: StreamVerdict | None
    """Of an attempt that has ended: whether its whole stream can be trusted."""
    reports: ReadReports | None
    """Of an attempt that has ended: what its command's reports say, if it was to write any."""
    expires: int
    """When the lease ends by the last heartbeat, on the store's clock."""
    has_expired: bool
    renewal_ns: int = int(LEASE_SECONDS / 3 * 1e9)
    """By how much the lease must move to be worth a write."""
    is_ahead: bool = False
    """It was started before there was room: its claim is not answered yet."""

    @property
    def asks_for_claim(self) -> bool:
        """Whether a runner waits for its first answer, and is to have it now."""
        return self._has_asked and not self.is_ahead

    @property
    def waits_ahead(self) -> bool:
        """Whether a runner waits for its first answer, and there is no room yet."""
        return self._has_asked and self.is_ahead

    @property
    def _has_asked(self) -> bool:
        return self.attempt.state is AttemptState.LEASED and self.request is not None

    @property
    def was_never_submitted(self) -> bool:
        """Whether a service died between the lease and the submission."""
        return self.attempt.state is AttemptState.LEASED and self.seen.life is Life.ABSENT

    @property
    def is_over(self) -> bool:
        """Whether the attempt ends here."""
        return not self.asks_for_claim and (
            self.seen.life is Life.ENDED
            or (self.is_cancelled if self._has_not_begun else self.has_expired)
        )

    @property
    def _has_not_begun(self) -> bool:
        """Whether nothing of the task has happened, and somebody knows it."""
        return self.was_never_submitted or self.waits_ahead

    @property
    def ends_unbegun(self) -> bool:
        """Whether it is cancelled before anything of the task has happened."""
        return self.is_cancelled and self._has_not_begun

    @property
    def renews(self) -> bool:
        """Whether the heartbeat moves the lease far enough to be worth a write."""
        return self.expires - self.attempt.lease_expires_mono_ns >= self.renewal_ns

    @property
    def needs_writing(self) -> bool:
        """Whether there is anything to settle."""
        return (
            self.asks_for_claim
            or self.was_never_submitted
            or self.is_over
            or self.renews
            or self.arrival is not None
            or bool(self.logs)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What came of a look, in the transaction that is still open."""

    attempt: AttemptRow | None
    """As it is now; None: somebody else wrote it, read it anew."""
    has_moved: bool = False
    effects: tuple[Effect, ...] = ()
    chores: tuple[Effect, ...] = ()
    """Effects that nobody waits for: they come after the new attempts are submitted."""


@dataclass(frozen=True, slots=True)
class Attendant:
    """Looks after live attempts of one executor, on behalf of whoever leads."""

    store: Store
    executor: Executor
    lock: HeldLock
    holds: HoldsSection = field(default_factory=HoldsSection)

    def look(
        self,
        attempt: AttemptRow,
        *,
        is_cancelled: bool,
        grace_seconds: float,
        is_ahead: bool = False,
    ) -> Look:
        """See what there is of an attempt; pass a cancellation on to its runner."""
        ulid = Ulid(attempt.ulid)
        spool = self.executor.spool(ulid)
        if is_cancelled:
            self.executor.cancel(ulid, grace_seconds=grace_seconds)
        # The order matters: what is read after the end was seen is whole.
        seen = self.executor.attach(ulid)
        request = spool.claim_request()
        is_ended = seen.life is Life.ENDED
        arrival: Arrival | None = None
        if attempt.state is AttemptState.STARTED or is_ended:
            attempt, arrival = self._arrived(attempt, spool)
        expires, has_expired = self._lease(attempt, spool)
        renewal_ns = seconds_ns(LEASE_SECONDS / 3)
        if attempt.state is AttemptState.LEASED and seen.waiting:
            expires, renewal_ns = self._vouched(attempt)
            has_expired = False
        stream = verify_stream(spool.stream) if is_ended else None
        return Look(
            attempt=attempt,
            spool=spool,
            seen=seen,
            is_cancelled=is_cancelled,
            request=request,
            answer=spool.claim_answer() if request is not None else None,
            arrival=arrival,
            logs=tuple(read_logs(self.store, attempt.id, spool, is_final=is_ended or has_expired)),
            stream=stream,
            reports=None if stream is None else read_reports(spool, ulid, stream.reports),
            expires=expires,
            has_expired=has_expired and not is_ended,
            renewal_ns=renewal_ns,
            is_ahead=is_ahead,
        )

    def _arrived(self, attempt: AttemptRow, spool: Spool) -> tuple[AttemptRow, Arrival | None]:
        """Store full batches at once, each in a transaction of its own; return what is left."""
        attempt = self._caught_up(attempt, spool)
        while True:
            arrival = read_arrival(
                self.store, spool, acked_seq=attempt.acked_seq, acked_bytes=attempt.acked_bytes
            )
            if arrival is None or not arrival.is_full:
                return attempt, arrival
            with self.lock.writing() as connection:
                in_flight = store_arrival(connection, attempt, arrival)
            if in_flight is None:
                return attempt, arrival
            attempt = _acknowledged(attempt, arrival, in_flight)

    def _caught_up(self, attempt: AttemptRow, spool: Spool) -> AttemptRow:
        """Return the attempt with what the ingest routes have stored of its stream."""
        try:
            if spool.stream.stat().st_size <= attempt.acked_bytes:
                return attempt
        except OSError:
            return attempt
        with self.store.reading() as connection:
            seq, offset = acknowledged(connection, attempt.id)
        if offset == attempt.acked_bytes:
            return attempt
        return replace(attempt, acked_seq=seq, acked_bytes=offset)

    def _lease(self, attempt: AttemptRow, spool: Spool) -> tuple[int, bool]:
        """Return when the lease ends by the last heartbeat, and whether that is past."""
        clock = self.store.clock
        expires, boot_id = attempt.lease_expires_mono_ns, attempt.boot_id
        beat = spool.heartbeat() if attempt.state is AttemptState.STARTED else None
        # A runner beside this process goes by the machine's clock, the ingest routes by the store's.
        clocks = {one.boot_id: one for one in (machine_clock(self.store), clock)}
        machine = None if beat is None else clocks.get(str(beat.get("boot_id")))
        if beat is not None and machine is not None and beat.get("fence") == attempt.fence:
            # A heartbeat from the future is a damaged file, not a longer lease.
            age = max(0, machine.mono_ns() - int(beat.get("mono_ns", 0)))
            renewed = clock.mono_ns() - age + seconds_ns(LEASE_SECONDS)
            expires = max(expires, renewed) if boot_id == clock.boot_id else renewed
            boot_id = clock.boot_id
        return expires, boot_id != clock.boot_id or clock.mono_ns() > expires

    def _vouched(self, attempt: AttemptRow) -> tuple[int, int]:
        """Return the lease of an attempt that waits outside, and by how much it must move.

        Before the claim the executor renews it; thousands may wait, so it is written seldom.
        """
        clock = self.store.clock
        expires = clock.mono_ns() + seconds_ns(CLAIM_SECONDS)
        is_foreign = attempt.boot_id != clock.boot_id
        return expires, -(1 << 62) if is_foreign else seconds_ns(CLAIM_SECONDS / 2)

    def settle(self, connection: Connection, look: Look) -> Settled:
        """Write what a look saw, guarded by state and fence; effects wait for the commit."""
        attempt = look.attempt
        if look.asks_for_claim:
            return self._grant(connection, look)
        if look.arrival is not None:
            in_flight = store_arrival(connection, attempt, look.arrival)
            if in_flight is None:
                return Settled(attempt=None)
            attempt = _acknowledged(attempt, look.arrival, in_flight)
        write_logs(connection, look.logs)
        if look.is_over:
            return self._end(connection, replace(look, attempt=attempt))
        if look.renews:
            attempt = self._renew(connection, attempt, look.expires)
        return Settled(attempt=attempt)

    def _grant(self, connection: Connection, look: Look) -> Settled:
        holder = str((look.request or {}).get("holder", ""))
        status, fence = grant_claim(connection, self.store, look.attempt.id, holder)
        return Settled(
            attempt=None if status == CONFLICT else _read(connection, look.attempt),
            has_moved=status == GRANTED,
            effects=(lambda: look.spool.answer_claim(status, fence),),
        )

    def answer_again(self, look: Look) -> None:
        """Repeat an answer that died with the process that was about to write it."""
        attempt, request = look.attempt, look.request
        is_due = attempt.state is AttemptState.STARTED and look.answer is None
        if is_due and request is not None:
            is_holder = request.get("holder") == attempt.holder
            fence = attempt.fence if is_holder else None
            look.spool.answer_claim(GRANTED if is_holder else CONFLICT, fence)

    def _renew(self, connection: Connection, attempt: AttemptRow, expires: int) -> AttemptRow:
        values: dict[str, Any] = {
            "lease_expires_mono_ns": expires,
            "boot_id": self.store.clock.boot_id,
        }
        connection.execute(
            update(Attempt)
            .where(Attempt.id == attempt.id, Attempt.fence == attempt.fence)
            .values(**values)
        )
        return replace(attempt, **values)

    def _end(self, connection: Connection, look: Look) -> Settled:
        """Make the last transition; then free the machine: kill what is left, remove its files."""
        attempt = look.attempt
        is_silent = look.has_expired or look.waits_ahead
        if look.has_expired and not self._has_expired(connection, attempt):
            return Settled(attempt=None)  # Renewed by another way than the spool.
        ending = self._ending(connection, look)
        ended = end_attempt(
            connection,
            attempt,
            ending,
            exit_code=look.seen.exit_code,
            by=self.lock.holder,
            at_ns=self.store.clock.wall_ns(),
        )
        if not ended:
            return Settled(attempt=None)
        keeper = HoldKeeper(self.store, self.holds)
        is_held = keeper.grant(connection, attempt, ending.state, self.executor.capacity)
        free = (lambda: self.free(attempt, is_silent=is_silent, is_held=is_held),)
        # A runner that said how it ended has killed what was left; of another one something may
        # still run, and must not run beside the next attempt.
        is_clean = look.spool.exit_code() is not None
        return Settled(
            attempt=_read(connection, attempt),
            has_moved=True,
            effects=() if is_clean else free,
            chores=free if is_clean else (),
        )

    def free(self, attempt: AttemptRow, *, is_silent: bool, is_held: bool = False) -> None:
        """Release what an ended attempt holds; a runner that is only silent is killed first.

        Of a held attempt the processes end, and all that lies on the machine stays.
        """
        ulid = Ulid(attempt.ulid)
        if is_silent:
            self.executor.cancel(ulid, grace_seconds=0)
            self.executor.attach(ulid)
        forget_reports(self.executor.spool(ulid))
        if not is_held:
            self.executor.release(ulid)
        else:
            # They were given to the run, not to whoever looks at the machine after it.
            self.executor.spool(ulid).forget_secrets()

    def _has_expired(self, connection: Connection, attempt: AttemptRow) -> bool:
        query = select(Attempt.lease_expires_mono_ns, Attempt.boot_id)
        row = connection.execute(query.where(Attempt.id == attempt.id).with_for_update()).one()
        clock = self.store.clock
        return bool(row.boot_id != clock.boot_id or clock.mono_ns() > row.lease_expires_mono_ns)

    def _ending(self, connection: Connection, look: Look) -> Ending:
        attempt, seen = look.attempt, look.seen
        if look.stream is None:
            return self._silent_ending(connection, look)
        manifest = check_manifest(connection, attempt, look.stream)
        if look.reports is not None:
            write_reports(connection, attempt, look.reports, look.stream.records)
        ending = ending_of(
            seen,
            manifest,
            is_cancelled=look.is_cancelled,
            reports=look.reports,
            problem=first_problem(connection, attempt.id),
            evidence=() if seen.exit_code == 0 else reported_evidence(connection, attempt.id),
        )
        if attempt.state is AttemptState.LEASED and ending.state in ATTEMPT_COUNTED:
            return Ending.unclaimed(ending.reason)
        return ending

    def _silent_ending(self, connection: Connection, look: Look) -> Ending:
        if look.ends_unbegun:
            return Ending.cancelled()
        is_leased = look.attempt.state is AttemptState.LEASED
        what = "no runner claimed it" if is_leased else "no heartbeat"
        detail = f" ({look.seen.detail})" if look.seen.detail else ""
        lost = taken_away(look.seen) or Ending.lost(f"lease expired: {what}{detail}", "lease")
        reported = reported_evidence(connection, look.attempt.id)
        return weighed(lost, [*reported, *look.seen.evidence])


def machine_clock(store: Store) -> Clock:
    """Return the clock that heartbeats in a spool go by: this machine's own."""
    return SystemClock() if store.clock.boot_id == PostgresClock.boot_id else store.clock


def _acknowledged(attempt: AttemptRow, arrival: Arrival, in_flight: list[str]) -> AttemptRow:
    position = arrival.part.position
    return replace(
        attempt,
        acked_seq=position.seq - 1,
        acked_bytes=position.offset,
        in_flight=tuple(in_flight),
    )


def _read(connection: Connection, attempt: AttemptRow) -> AttemptRow | None:
    return queries.attempt_by_ulid(connection, attempt.ulid)


def grant_claim(
    connection: Connection, store: Store, attempt_id: int, holder: str
) -> tuple[int, int | None]:
    """Grant the claim of the first holder that asks (leased → started); 409 to any other.

    The same holder asking again gets the same fence: its first answer may have been lost.
    """
    row = connection.execute(_CLAIM, {"the_id": attempt_id}).one()
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


_CLAIM = select(Attempt.holder, Attempt.fence, Attempt.state).where(
    Attempt.id == bindparam("the_id")
)
_DESCRIPTION = prepare(
    select(Task.run_id, Task.key, Cell.key, Cell.platform, Attempt.ulid, Attempt.number)
    .join(Task, Task.id == Attempt.task_id)
    .join(Cell, Cell.id == Task.cell_id)
    .where(Attempt.id == bindparam("the_id"))
)


def describe_attempt(connection: Connection, attempt_id: int) -> dict[str, Any]:
    """Return what watchers are told about an attempt: its run and who it is."""
    row = _DESCRIPTION.row(connection, the_id=attempt_id)
    assert row is not None
    run_id, task, cell, platform, ulid, number = row
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
            "evidence": [item.to_json() for item in ending.evidence],
            "exit_code": exit_code,
            "ended_ns": at_ns,
        },
        fence=attempt.fence,
    )
    if not move(connection, step, at_ns):
        return False
    if attempt.device_id is not None:
        note_ending(connection, attempt, ending, at_ns)
    return True
