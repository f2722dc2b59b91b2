"""Step of the finalizer: compare a run's accuracy with earlier runs, record it, fail the gates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from hotfire_infra.analysis.accuracy.gates import Gate
from hotfire_infra.analysis.accuracy.tasks import TaskComparison, compare_accuracy
from hotfire_infra.analysis.transport import to_plain
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Finding, Run
from hotfire_infra.store.queries_accuracy import run_to_compare

KIND = "accuracy"
"""Of the findings that this step writes, one per task and platform."""


def analyse_accuracy(store: Store, run_id: int) -> tuple[str, ...]:
    """Compare, record, and return the sentences of the gates that fail.

    A run is compared with the last one of its pipeline that passed, and with an older one, so that
    a decline in steps below the tolerance adds up and fails in the end. Only a gate that the
    pipeline declares blocks. Can be repeated after a crash.
    """
    with store.reading() as connection:
        gates = declared_gates(store, connection, run_id)
        compared = tuple(_compared(connection, run_id, gates))
    with store.writing() as connection:
        mine = (Finding.run_id == run_id, Finding.kind == KIND)
        connection.execute(delete(Finding).where(*mine))
        for number, one in compared:
            row = insert(Finding).values(
                run_id=run_id,
                kind=KIND,
                text=_text(number, one),
                body={**to_plain(asdict(one)), "compared_with": number},
            )
            connection.execute(row)
    return tuple(
        f"accuracy regressed: {_text(number, one)}"
        for number, one in compared
        if one.is_gate and one.is_regressed
    )


def declared_gates(store: Store, connection: Connection, run_id: int) -> Mapping[str, Gate]:
    """Return the gates that the plan of a run declares, by task; `*` is for all others."""
    digest = connection.execute(select(Run.plan_sha256).where(Run.id == run_id)).scalar()
    if digest is None:
        return {}
    return gates_of(json.loads(store.blobs.read(digest)))


def gates_of(plan: Mapping[str, Any]) -> Mapping[str, Gate]:
    """Return the gates of a plan in its JSON form."""
    said = plan.get("policy", {}).get("accuracy", {})
    return {task: gate_of(figures) for task, figures in said.items()}


def gate_of(figures: Mapping[str, Any]) -> Gate:
    """Return a gate from its figures in a plan; ValueError for figures that no gate has."""
    known = Gate.__dataclass_fields__
    return Gate(**{name: value for name, value in figures.items() if name in known})


def _compared(
    connection: Connection, run_id: int, gates: Mapping[str, Gate]
) -> Iterable[tuple[int, TaskComparison]]:
    """Every task against the newest run; against the oldest what is regressed there alone."""
    red: set[tuple[str, str]] = set()
    for place, (earlier, number) in enumerate(run_to_compare(connection, run_id)):
        for one in compare_accuracy(connection, earlier, run_id, gates):
            name = (one.task, one.platform)
            if place == 0 or (one.is_regressed and name not in red):
                yield number, one
            if one.is_regressed:
                red.add(name)


def _text(number: int, one: TaskComparison) -> str:
    return f"against run {number}: {one.line}"
