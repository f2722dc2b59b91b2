"""Accepted shifts: where the reference of a series begins anew; and what triage says of a change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from hotfire_infra.store.models import Acceptance, Run, SeriesChange, SeriesPoint


class ChangeLabel(StrEnum):
    """What triage says of a change."""

    TRUE = "true"
    """The code did it."""
    FALSE = "false"
    """Nothing changed."""
    DRIFT = "drift"
    """It is real and came slowly: no commit of the interval did it."""
    INFRA = "infra"
    """The machine, a driver, a neighbour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Where a series' reference begins since a shift was accepted."""

    begin: int
    """Surrogate of the first run that counts …"""
    until: int
    """… and of the last one that counts whatever its gate said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptanceRow:
    """One acceptance, as people see it."""

    change_id: int
    series_key: str
    run_number: int
    reason: str
    accepted_by: str
    accepted_ns: int
    withdrawn_ns: int | None


def references_of(connection: Connection, keys: Sequence[str]) -> Mapping[str, Reference]:
    """Return the newest accepted reference of each series that has one."""
    query = (
        select(Acceptance.series_key, Acceptance.run_id, Acceptance.until_run_id)
        .where(Acceptance.series_key.in_(keys), Acceptance.withdrawn_ns.is_(None))
        .order_by(Acceptance.id)
    )
    return {
        row.series_key: Reference(begin=row.run_id, until=row.until_run_id)
        for row in connection.execute(query)
    }


def acceptances_of(
    connection: Connection, change_ids: Sequence[int]
) -> Mapping[int, AcceptanceRow]:
    """Return the acceptances in force, by change."""
    query = (
        select(
            Acceptance.change_id,
            Acceptance.series_key,
            Run.number.label("run_number"),
            Acceptance.reason,
            Acceptance.accepted_by,
            Acceptance.accepted_ns,
            Acceptance.withdrawn_ns,
        )
        .join(Run, Run.id == Acceptance.run_id)
        .where(Acceptance.change_id.in_(change_ids), Acceptance.withdrawn_ns.is_(None))
        .order_by(Acceptance.id)
    )
    return {row.change_id: AcceptanceRow(**row._mapping) for row in connection.execute(query)}


def accept_shift(
    connection: Connection,
    change: Mapping[str, Any],
    *,
    reason: str,
    accepted_by: str,
    at_ns: int,
) -> None:
    """Let a series' reference begin with a change: `id`, `series_key` and `run_id` of it."""
    newest = connection.execute(
        select(func.max(SeriesPoint.run_id)).where(
            SeriesPoint.series_key == change["series_key"], SeriesPoint.position.is_not(None)
        )
    ).scalar()
    connection.execute(
        insert(Acceptance).values(
            series_key=change["series_key"],
            change_id=change["id"],
            run_id=change["run_id"],
            until_run_id=max(newest or 0, change["run_id"]),
            reason=reason,
            accepted_by=accepted_by,
            accepted_ns=at_ns,
        )
    )


def withdraw_acceptance(connection: Connection, change_id: int, at_ns: int) -> bool:
    """Let the reference be what it was; False where nothing was accepted."""
    mine = (Acceptance.change_id == change_id, Acceptance.withdrawn_ns.is_(None))
    step = update(Acceptance).where(*mine).values(withdrawn_ns=at_ns)
    return bool(connection.execute(step.returning(Acceptance.id)).all())


def label_change(
    connection: Connection, change_id: int, label: ChangeLabel | None, by: str, at_ns: int
) -> None:
    """Write what triage says of a change; None takes the label back."""
    said = None if label is None else label.value
    connection.execute(
        update(SeriesChange)
        .where(SeriesChange.id == change_id)
        .values(label=said, labelled_by=by if said else None, labelled_ns=at_ns if said else None)
    )
