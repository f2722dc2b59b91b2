"""Step of the finalizer: record the errors of a run's kernel cases, and say what drifts.

Only runs of the target branch are recorded. A group's level is chained: that of its last run plus the
mean shift of the cases both have, so that a case which comes or goes moves nothing, and a run costs two
runs' results and not the whole history.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert

from hotfire_infra.analysis.numerics.drift import ARL0, Alarm, alarms
from hotfire_infra.analysis.numerics.history import (
    RELATIVE_FLOOR,
    ULP_FLOOR,
    Group,
    distribution,
    finite,
    grouped_cases,
    level,
)
from hotfire_infra.store.database import Store
from hotfire_infra.store.mainline import mainline_runs
from hotfire_infra.store.models import Finding
from hotfire_infra.store.queries_numerics import (
    CaseErrorRow,
    KernelErrorRow,
    case_errors_of_run,
    recorded_errors,
    replace_errors,
)

KIND = "numeric-drift"
"""Of the findings that this step writes."""
MEMORY = 200
"""Runs that a rise is looked for in."""

Cases = Mapping[Group, Mapping[str, CaseErrorRow]]


def watch_numerics(store: Store, run_id: int) -> tuple[str, ...]:
    """Record, and leave a notice for every group whose error rose with this run; nothing blocks.

    Can be repeated after a crash: what this run recorded is replaced.
    """
    with store.reading() as connection:
        if not mainline_runs(connection, [run_id]):
            return ()
        now = _by_group(case_errors_of_run(connection, run_id))
        kernels = sorted({group.kernel for group in now})
        before = recorded_errors(connection, kernels, until_run=run_id - 1, last=MEMORY)
        then = _last_cases(connection, now, before)
    if now:
        with store.writing() as connection:
            rows = [_row(group, now[group], then.get(group), before) for group in sorted(now)]
            replace_errors(connection, run_id, rows)
            history = recorded_errors(connection, kernels, until_run=run_id, last=MEMORY)
            _tell(connection, run_id, history)
    return ()


def _by_group(rows: Iterable[CaseErrorRow]) -> dict[Group, dict[str, CaseErrorRow]]:
    found: dict[Group, dict[str, CaseErrorRow]] = defaultdict(dict)
    for group, row in grouped_cases(rows):
        found[group][row.name] = row
    return dict(found)


def _group(row: KernelErrorRow) -> Group:
    return Group(kernel=row.kernel, dtype=row.dtype, shape=row.shape, arch=row.arch)


def _last_cases(connection: Connection, now: Cases, before: Sequence[KernelErrorRow]) -> Cases:
    """Return the cases of each group in the last run that recorded it."""
    last = {_group(row): row.run_id for row in before}
    runs = {run for group, run in last.items() if group in now}
    cases = {run: _by_group(case_errors_of_run(connection, run)) for run in runs}
    return {group: cases[last[group]].get(group, {}) for group in now if group in last}


def _row(
    group: Group,
    cases: Mapping[str, CaseErrorRow],
    then: Mapping[str, CaseErrorRow] | None,
    before: Sequence[KernelErrorRow],
) -> dict[str, Any]:
    shared = [(row, then[name]) for name, row in cases.items() if then and name in then]
    last = next((row for row in reversed(before) if _group(row) == group), None)
    ulp = level([(row.max_ulp, old.max_ulp) for row, old in shared], ULP_FLOOR)
    relative = level([(row.max_relative, old.max_relative) for row, old in shared], RELATIVE_FLOOR)
    rows = list(cases.values())
    return {
        "kernel": group.kernel,
        "dtype": group.dtype,
        "shape": group.shape,
        "arch": group.arch,
        "cases": len(rows),
        "ulp": list(distribution([row.max_ulp for row in rows]).quantiles),
        "relative": list(distribution([row.max_relative for row in rows]).quantiles),
        "over_bound": max(finite(row.over_bound) for row in rows),
        "ulp_level": ulp + (last.ulp_level if last else 0.0),
        "relative_level": relative + (last.relative_level if last else 0.0),
    }


def _tell(connection: Connection, run_id: int, history: Sequence[KernelErrorRow]) -> None:
    mine = (Finding.run_id == run_id, Finding.kind == KIND)
    connection.execute(delete(Finding).where(*mine))
    grouped: dict[Group, list[KernelErrorRow]] = defaultdict(list)
    for row in history:
        grouped[_group(row)].append(row)
    for group, rows in sorted(grouped.items()):
        if rows[-1].run_id != run_id:
            continue
        # Two levels of a group: each with half of its false alarms.
        for name, levels in (
            ("ULP", [row.ulp_level for row in rows]),
            ("relative", [row.relative_level for row in rows]),
        ):
            found = alarms(levels, arl0=2 * ARL0)
            if found and found[-1].index == len(rows) - 1:
                text = drift_words(group, name, found[-1], rows)
                body = {"group": str(group), "measure": name}
                values = {"run_id": run_id, "kind": KIND, "text": text, "body": body}
                connection.execute(insert(Finding).values(**values))


def drift_words(group: Group, measure: str, alarm: Alarm, rows: Sequence[KernelErrorRow]) -> str:
    """Return the sentence of a rise: by how much, since when, how far the tolerance is."""
    factor = 2 ** (alarm.after - alarm.before)
    newest = rows[-1].over_bound
    rest = "it is exceeded" if newest >= 1 else f"{newest:.2g} of the tolerance is used"
    return (
        f"{group}: {measure} error ×{factor:.2g} since run {rows[alarm.begin].run_number}; {rest}"
    )
