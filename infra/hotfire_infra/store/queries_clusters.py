"""SELECTs on what failures said in the newest runs, for the clusters that they belong to."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from hotfire_infra.store.models import Message, Run, Verdict
from hotfire_testframework.contract.outcomes import Verdict as VerdictWord


@dataclass(frozen=True, slots=True)
class SaidRow:
    """One message in one run, and of how many failed tests."""

    run: int
    """Its number."""
    text: str
    failures: int


def said_by_failures(
    connection: Connection, until_run: int, *, runs: int, limit: int
) -> tuple[SaidRow, ...]:
    """Return what failed tests said in the newest runs before one (excluded), oldest run first.

    A run for another question says nothing here. Reads the failures of `runs` runs by their index.
    """
    newest = (
        select(Run.id)
        .where(Run.purpose == "result", Run.id < until_run)
        .order_by(Run.id.desc())
        .limit(runs)
    )
    keys = list(connection.execute(newest).scalars())
    query = (
        select(Run.number, Message.text, func.count().label("failures"))
        .select_from(Verdict)
        .join(Run, Run.id == Verdict.run_id)
        .join(Message, Message.id == Verdict.message_id)
        .where(Verdict.run_id.in_(keys), Verdict.verdict == VerdictWord.FAILED.value)
        .group_by(Run.number, Message.id, Message.text)
        .order_by(Run.number.desc(), Message.id.desc())
        .limit(limit)
    )
    rows = connection.execute(query).all()
    return tuple(SaidRow(row.number, row.text, row.failures) for row in reversed(rows))
