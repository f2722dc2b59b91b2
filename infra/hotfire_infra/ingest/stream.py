"""Read an attempt's spool into the store: idempotent on (attempt, seq), acknowledging a prefix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Connection, Table, bindparam, select

from hotfire_infra.executors.spool import Spool
from hotfire_infra.ingest.artifacts import Moved, move_artifacts, write_artifacts
from hotfire_infra.ingest.context import AnyAttempt, Standing, context_at, standing_of
from hotfire_infra.ingest.records import in_flight_after, write_records
from hotfire_infra.ingest.redaction import redact_part
from hotfire_infra.ingest.usual import Sorted, sort_records
from hotfire_infra.states import ATTEMPT_LIVE
from hotfire_infra.store import results
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Attempt, Record, StreamProblem
from hotfire_infra.store.prepared import prepare
from hotfire_infra.store.rows import AttemptRow
from hotfire_testframework.contract.evidence import Evidence
from hotfire_testframework.contract.stream import Kind
from hotfire_testframework.contract.stream_reader import (
    Position,
    StreamPart,
    StreamVerdict,
    read_stream,
)

BATCH_RECORDS = 5_000
"""In one transaction: short enough that other writers wait milliseconds."""
EVIDENCE_LIMIT = 100
"""Records of evidence that are weighed: a command may write what it likes."""
PROBLEM_LENGTH = 300
"""Signs of a problem that stand in a reason; the whole text is in the stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """How far an attempt's stream is stored, and what is wrong with the rest."""

    stored: int
    """Records stored by this call."""
    is_complete: bool
    """Whether the manifest, the last record, is stored."""
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestCheck:
    """Whether the whole stream can be trusted."""

    is_valid: bool
    reason: str
    is_empty: bool
    """Nothing was collected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Records that were read from a spool, and their files in the blob store; no row yet."""

    acked_seq: int
    """What was stored when they were read."""
    part: StreamPart
    moved: tuple[Moved, ...]
    lost: tuple[tuple[int, str], ...]
    """(seq, reason) of artifacts whose file did not come."""
    by_kind: Sorted | None = None
    """The same records, where they are sorted already."""

    @property
    def is_full(self) -> bool:
        """Whether more may be waiting behind this batch."""
        return len(self.part.records) >= BATCH_RECORDS


def ingest_stream(store: Store, attempt: AttemptRow, spool: Spool) -> Ingested:
    """Store all records that have arrived; call it again as often as you like.

    A torn last line waits for its rest. A broken line or a gap ends the prefix for good: it is
    noted once, what lies behind it is not stored, and the attempt cannot succeed.
    """
    with store.reading() as connection:
        acked_seq, acked_bytes = acknowledged(connection, attempt.id)
    stored, problem, is_complete = 0, None, False
    while True:
        arrival = read_arrival(store, spool, acked_seq=acked_seq, acked_bytes=acked_bytes)
        if arrival is None:
            break
        problem = arrival.part.problem
        with store.writing() as connection:
            if store_arrival(connection, attempt, arrival) is None:
                break
        stored += len(arrival.part.records)
        is_complete = arrival.part.is_complete or is_complete
        acked_seq, acked_bytes = arrival.part.position.seq - 1, arrival.part.position.offset
        if not arrival.part.records:
            break
    return Ingested(stored=stored, is_complete=is_complete, problem=problem)


def read_arrival(store: Store, spool: Spool, *, acked_seq: int, acked_bytes: int) -> Arrival | None:
    """Read what has arrived behind the acknowledged prefix; None: nothing has."""
    position = Position(offset=acked_bytes, seq=acked_seq + 1)
    part = redact_part(read_stream(spool.stream, position, limit=BATCH_RECORDS), spool.redactor())
    if not part.records and part.problem is None:
        return None
    moved, lost = move_artifacts(store.blobs, spool, part.records)
    return Arrival(acked_seq=acked_seq, part=part, moved=tuple(moved), lost=tuple(lost))


# Built once: building a statement costs more than executing it, and these come with every batch.
_ACKED = prepare(
    select(Attempt.acked_seq, Attempt.acked_bytes).where(Attempt.id == bindparam("the_id"))
)
_ACKNOWLEDGE = prepare(
    cast("Table", Attempt.__table__)
    .update()
    .where(Attempt.id == bindparam("the_id"))
    .values({name: bindparam(name) for name in ("acked_seq", "acked_bytes", "in_flight")})
)


def acknowledged(connection: Connection, attempt_id: int) -> tuple[int, int]:
    """Return how far an attempt's stream is stored: last number, and bytes."""
    seq, offset = _ACKED.row(connection, the_id=attempt_id) or (0, 0)
    return seq, offset


def store_arrival(
    connection: Connection, attempt: AnyAttempt, arrival: Arrival
) -> list[str] | None:
    """Store one batch and move the acknowledgement; return the tests in flight behind it.

    None: nothing was written, because another reader was first, the attempt is over, or it has
    another fence by now. A `Standing` was read in this transaction and is not looked up again.
    """
    standing = attempt if isinstance(attempt, Standing) else standing_of(connection, attempt.id)
    if standing is None or standing.state not in ATTEMPT_LIVE:
        return None
    if standing.acked_seq != arrival.acked_seq or standing.fence != attempt.fence:
        return None
    part = arrival.part
    records = arrival.by_kind or sort_records(part.records)
    in_flight = in_flight_after(standing.in_flight, records)
    _ACKNOWLEDGE.run(
        connection,
        the_id=attempt.id,
        acked_seq=part.position.seq - 1,
        acked_bytes=part.position.offset,
        in_flight=in_flight,
    )
    context = context_at(attempt, standing.variant_id, standing.platform, standing.created_ns)
    refused = write_records(connection, context, records)
    refused += write_artifacts(connection, context, arrival.moved)
    _note_problems(connection, attempt.id, part, [*arrival.lost, *refused])
    return in_flight


def _note_problems(
    connection: Connection, attempt_id: int, part: StreamPart, lost: Sequence[tuple[int, str]]
) -> None:
    reasons: dict[int, list[str]] = {}
    for seq, reason in lost:
        reasons.setdefault(seq, []).append(reason)
    rows = [(attempt_id, -seq, "; ".join(said)) for seq, said in reasons.items()]
    if part.problem is not None:
        rows.append((attempt_id, part.position.offset, part.problem))
    results.insert_rows(connection, results.PROBLEM, rows)


_NOTED = prepare(
    select(StreamProblem.reason).where(StreamProblem.attempt_id == bindparam("the_id"))
)
_FIRST_BODY = prepare(
    select(Record.body)
    .where(Record.attempt_id == bindparam("the_id"), Record.kind == bindparam("kind"))
    .order_by(Record.seq)
    .limit(1)
)


def check_manifest(
    connection: Connection, attempt: AttemptRow, verdict: StreamVerdict
) -> ManifestCheck:
    """Hold the finished stream against its manifest and against what was stored of it."""
    acked_seq, _ = acknowledged(connection, attempt.id)
    noted = [reason for (reason,) in _NOTED.rows(connection, the_id=attempt.id)]
    problems = [*verdict.problems, *noted]
    if verdict.manifest is None:
        problems.append("the stream ends without a manifest")
    if verdict.records != acked_seq:
        problems.append(f"{verdict.records} records arrived and {acked_seq} are stored")
    if lacking := sorted(verdict.collected - verdict.finished):
        problems.append(f"{len(lacking)} collected tests have no result, first {lacking[0]}")
    return ManifestCheck(
        is_valid=not problems,
        reason="; ".join(dict.fromkeys(problems)),
        is_empty=not verdict.collected,
    )


def first_problem(connection: Connection, attempt_id: int) -> str:
    """Return the first trouble that the runner itself reported, shortened; empty if there was none."""
    (body,) = _FIRST_BODY.row(connection, the_id=attempt_id, kind=Kind.PROBLEM.value) or (None,)
    what = str((body or {}).get("what", ""))
    return what if len(what) <= PROBLEM_LENGTH else f"{what[:PROBLEM_LENGTH]}…"


def reported_evidence(connection: Connection, attempt_id: int) -> list[Evidence]:
    """Return what the runner and the commands of an attempt saw of its failure, in their order."""
    query = (
        select(Record.body)
        .where(Record.attempt_id == attempt_id, Record.kind == Kind.EVIDENCE.value)
        .order_by(Record.seq)
        .limit(EVIDENCE_LIMIT)
    )
    return [Evidence.from_json(body) for body in connection.execute(query).scalars()]
