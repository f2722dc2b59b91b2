"""Results that do not count any more: many attempts at once, by what they ran on and when.

A bad driver makes every result on it worthless, and nobody can rerun a night. An invalidated
attempt leaves history, baselines, reuse and flake counts. A run that is over is not reopened: it
says that results of it were invalidated. Withdrawing the decision brings everything back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, update

from hotfire_infra.errors import RequestRefusedError
from hotfire_infra.states import ATTEMPT_LIVE, AttemptState
from hotfire_infra.store.audit import local_entry, record_audit
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Attempt, Device, Environment, Invalidation, Run, Task
from hotfire_infra.store.noise import doubt_noise_of_attempts
from hotfire_infra.store.rollups import made_months_of, roll_up
from hotfire_infra.store.series_changes import forget_states_of_attempts
from hotfire_infra.store.transitions import publish
from hotfire_testframework.contract.ulid import new_ulid

DRIVER_FIELDS = ("nvidia_driver", "driver")
"""Fields of an environment that name the version of a device's driver."""
BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicate:
    """Which attempts: those that agree with everything that is given."""

    devices: tuple[str, ...] = ()
    """Identities: what the machine itself calls them."""
    pools: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    since_ns: int | None = None
    """Started at or after; by the store's wall clock."""
    until_ns: int | None = None
    """Started before."""

    @property
    def says_what(self) -> bool:
        """Whether it names anything but a time."""
        return bool(self.devices or self.pools or self.drivers or self.environment)

    def to_json(self) -> dict[str, Any]:
        """Return what is given, for the record."""
        values = {
            "devices": list(self.devices),
            "pools": list(self.pools),
            "drivers": list(self.drivers),
            "environment": dict(self.environment),
            "since_ns": self.since_ns,
            "until_ns": self.until_ns,
        }
        return {name: value for name, value in values.items() if value not in ([], {}, None)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalidated:
    """What a decision meets, or would meet."""

    ulid: str
    """Of the decision; empty for a dry run."""
    attempts: int
    runs: tuple[int, ...]
    """Numbers of the runs that these attempts belong to, or that reused them; newest first."""
    still_running: int
    """Attempts that agree with the predicate and are not over: their results will count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidationRow:
    """One decision."""

    ulid: str
    predicate: Mapping[str, Any]
    reason: str
    requested_by: str
    attempts: int
    created_ns: int
    withdrawn_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInvalidation:
    """A decision as a run shows it."""

    ulid: str
    reason: str
    requested_by: str
    created_ns: int
    attempts: int
    """Of this run, or reused by it."""


def invalidate(
    store: Store, predicate: Predicate, *, reason: str, requested_by: str, dry_run: bool = False
) -> Invalidated:
    """Take the results of all attempts that agree out of the count, or say which they would be."""
    if not predicate.says_what:
        raise RequestRefusedError(
            "say which results: --device, --pool, --driver or --environment; a time alone is "
            "every result of that time"
        )
    if not reason.strip():
        raise RequestRefusedError("an invalidation needs a --reason: every reader asks for it")
    now = store.clock.wall_ns()
    if dry_run:
        with store.reading() as connection:
            keys, live = _matching(connection, predicate)
            return _outcome(connection, "", keys, live)
    with store.writing() as connection:
        keys, live = _matching(connection, predicate)
        ulid = new_ulid()
        row = insert(Invalidation).values(
            ulid=ulid,
            predicate=predicate.to_json(),
            reason=reason,
            requested_by=requested_by,
            attempts=len(keys),
            created_ns=now,
        )
        key = connection.execute(row.returning(Invalidation.id)).scalar_one()
        for part in _parts(keys):
            mark = update(Attempt).where(Attempt.id.in_(part)).values(invalidation_id=key)
            connection.execute(mark)
            forget_states_of_attempts(connection, part)
            doubt_noise_of_attempts(connection, part)
        _note(
            connection, "results invalidate", ulid, predicate.to_json(), reason, requested_by, now
        )
        found = _outcome(connection, ulid, keys, live)
        _tell(connection, keys, f"results invalidated: {reason}", now)
        months = made_months_of(connection, keys)
    roll_up(store, now, months)
    return found


def withdraw(store: Store, ref: str, *, reason: str, requested_by: str) -> InvalidationRow:
    """Let the results of a decision count again."""
    now = store.clock.wall_ns()
    with store.writing() as connection:
        row = _find(connection, ref)
        if row.withdrawn_ns is not None:
            raise RequestRefusedError(f"invalidation {row.ulid} was withdrawn before")
        own = select(Attempt.id).where(Attempt.invalidation_id == row.id)
        keys = list(connection.execute(own).scalars())
        clear = update(Attempt).where(Attempt.invalidation_id == row.id)
        connection.execute(clear.values(invalidation_id=None))
        for part in _parts(keys):
            forget_states_of_attempts(connection, part)
            doubt_noise_of_attempts(connection, part)
        done = update(Invalidation).where(Invalidation.id == row.id).values(withdrawn_ns=now)
        connection.execute(done)
        _note(connection, "results withdraw", row.ulid, {}, reason, requested_by, now)
        _tell(connection, keys, f"invalidation withdrawn: {reason}", now)
        months = made_months_of(connection, keys)
        done_row = _row(_find(connection, row.ulid))
    # In a transaction of its own: a month has many rows, and others want to write.
    roll_up(store, now, months)
    return done_row


def invalidations(connection: Connection, *, limit: int = 50) -> tuple[InvalidationRow, ...]:
    """Return the newest decisions."""
    query = select(*Invalidation.__table__.c).order_by(Invalidation.id.desc()).limit(limit)
    return tuple(_row(row) for row in connection.execute(query))


def invalidations_of_run(connection: Connection, run_id: int) -> tuple[RunInvalidation, ...]:
    """Return the decisions that concern results of a run, reused ones included."""
    own = select(Attempt.id).join(Task, Task.id == Attempt.task_id).where(Task.run_id == run_id)
    reused = select(Task.origin_attempt_id).where(
        Task.run_id == run_id, Task.origin_attempt_id.is_not(None)
    )
    shown = (
        Invalidation.id,
        Invalidation.ulid,
        Invalidation.reason,
        Invalidation.requested_by,
        Invalidation.created_ns,
    )
    query = (
        select(*shown, func.count(Attempt.id).label("mine"))
        .join(Attempt, Attempt.invalidation_id == Invalidation.id)
        .where(Attempt.id.in_(own.union(reused)))
        .group_by(*shown)
        .order_by(Invalidation.id)
    )
    return tuple(
        RunInvalidation(
            ulid=row.ulid,
            reason=row.reason,
            requested_by=row.requested_by,
            created_ns=row.created_ns,
            attempts=row.mine,
        )
        for row in connection.execute(query)
    )


def _matching(connection: Connection, predicate: Predicate) -> tuple[list[int], int]:
    """Return the attempts that agree and are over, and how many agree and are not."""
    query = _agreeing(select(Attempt.id, Attempt.state), connection, predicate)
    rows = connection.execute(query.where(Attempt.invalidation_id.is_(None))).all()
    live = sum(row.state in ATTEMPT_LIVE for row in rows)
    return [row.id for row in rows if row.state not in ATTEMPT_LIVE], live


def _agreeing(
    query: Select[int, AttemptState], connection: Connection, said: Predicate
) -> Select[int, AttemptState]:
    began = func.coalesce(Attempt.started_ns, Attempt.created_ns)
    if said.devices:
        ids = select(Device.id).where(Device.identity.in_(said.devices))
        query = query.where(Attempt.device_id.in_(ids))
    if said.pools:
        query = query.where(Attempt.pool.in_(said.pools))
    if said.drivers or said.environment:
        query = query.where(Attempt.environment_id.in_(_environments(connection, said)))
    if said.since_ns is not None:
        query = query.where(began >= said.since_ns)
    if said.until_ns is not None:
        query = query.where(began < said.until_ns)
    return query.order_by(Attempt.id)


def _environments(connection: Connection, said: Predicate) -> list[int]:
    """Return the environments that agree; they are few, and JSON has no common index."""
    rows = connection.execute(select(Environment.id, Environment.fields))
    return [row.id for row in rows if _agrees(row.fields or {}, said)]


def _agrees(fields: Mapping[str, Any], said: Predicate) -> bool:
    if said.drivers and not any(_has_driver(fields, version) for version in said.drivers):
        return False
    return all(_text(fields.get(key)) == value for key, value in said.environment.items())


def _has_driver(fields: Mapping[str, Any], version: str) -> bool:
    """Whether a driver field names the version whole: `570.1` is not `570.124`."""
    whole = re.compile(rf"(?<![\w.]){re.escape(version)}(?![\w.])")
    return any(whole.search(_text(fields.get(name))) for name in DRIVER_FIELDS)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return next(iter(value), "")
    return "" if value is None else str(value)


def _outcome(connection: Connection, ulid: str, keys: Sequence[int], live: int) -> Invalidated:
    runs: set[int] = set()
    for part in _parts(keys):
        numbers_of = select(Run.number).join(Task, Task.run_id == Run.id).distinct()
        own = numbers_of.join(Attempt, Attempt.task_id == Task.id).where(Attempt.id.in_(part))
        reused = numbers_of.where(Task.origin_attempt_id.in_(part))
        for query in (own, reused):
            runs.update(connection.execute(query).scalars())
    numbers = tuple(sorted(runs, reverse=True))
    return Invalidated(ulid=ulid, attempts=len(keys), runs=numbers, still_running=live)


def _tell(connection: Connection, keys: Sequence[int], reason: str, now: int) -> None:
    """Tell the watchers of the runs; their verdicts stay."""
    runs: set[int] = set()
    for part in _parts(keys):
        query = select(Task.run_id).join(Attempt, Attempt.task_id == Task.id)
        runs.update(connection.execute(query.where(Attempt.id.in_(part)).distinct()).scalars())
    for run_id in sorted(runs):
        payload = {"state": "invalidated", "reason": reason}
        publish(connection, topic="run.invalidated", run_id=run_id, payload=payload, at_ns=now)


def _note(
    connection: Connection,
    action: str,
    ulid: str,
    detail: Mapping[str, Any],
    reason: str,
    by: str,
    now: int,
) -> None:
    entry = local_entry(by, action, ulid, detail=detail, reason=reason)
    record_audit(connection, entry, now)


def _find(connection: Connection, ref: str) -> Any:
    wanted = ref.upper()
    query = select(*Invalidation.__table__.c).where(
        Invalidation.ulid.startswith(wanted, autoescape=True)
    )
    rows = connection.execute(query.limit(2)).all() if len(wanted) >= 4 else []
    if len(rows) != 1:
        what = "several invalidations begin" if rows else "no invalidation begins"
        raise RequestRefusedError(f"{what} with {ref!r}; list them with `hotfire results list`")
    return rows[0]


def _row(row: Any) -> InvalidationRow:
    return InvalidationRow(
        ulid=row.ulid,
        predicate=row.predicate,
        reason=row.reason,
        requested_by=row.requested_by,
        attempts=row.attempts,
        created_ns=row.created_ns,
        withdrawn_ns=row.withdrawn_ns,
    )


def _parts(keys: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(keys), BATCH):
        yield list(keys[start : start + BATCH])
