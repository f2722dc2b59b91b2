"""Changes of series as pages, command line and API print them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hotfire_infra.analysis.change_groups import Commits, Moved, moved_words
from hotfire_infra.analysis.quantities import percent, quantity
from hotfire_infra.store.series_changes import ChangeRow
from hotfire_testframework.contract.metrics import METRICS


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeReport:
    """A change of one series: since which commits, by how much, and what became of it."""

    id: str
    series: str
    test: str
    metric: str
    kind: str
    """`step`, `drift`, `variance`, `mix`, or `environment`: the machine's canaries explain it."""
    state: str
    """`alert`, `recorded` or `withdrawn`."""
    direction: str
    """`worse`, `better` or `neither`."""
    words: str
    """All of it as one line."""
    run: int
    """First run of what is new; the interval of it is after `after_run`, up to `until_run`."""
    after_run: int | None
    until_run: int
    after_revision: str | None
    until_revision: str
    before: float
    after: float
    """Levels; of `variance` spreads, of `mix` shares of the higher mode."""
    effect: float | None
    """Share of the level before, or a difference where the metric is linear."""
    confidence: float
    reason: str
    """Why nobody was told, or why it was withdrawn."""
    cause: str | None
    """Shared by the changes of one alert."""
    noticed_run: int
    withdrawn_run: int | None
    label: str | None = None
    labelled_by: str | None = None
    operators: str = ""
    """Which parts of the metric moved with it; empty where they were not measured."""
    confirmation: str = ""
    """What reruns of suspect and parent say; empty where nobody asked."""
    accepted: str = ""
    """By whom and why it became the reference; empty where nobody accepted it."""

    @property
    def has_levels(self) -> bool:
        """Whether `before` and `after` are levels in the unit of the series."""
        return self.kind in {"step", "drift", "environment"}

    @property
    def look(self) -> str:
        """A word that has an appearance: the direction of an alert, else what became of it."""
        return self.direction if self.state == "alert" else self.state


def change_report(row: ChangeRow) -> ChangeReport:
    """Return a recorded change as people see it."""
    return ChangeReport(
        id=row.ulid,
        series=row.series_key,
        test=row.test,
        metric=row.metric,
        kind=row.kind,
        state=row.state,
        direction=row.direction,
        words=_words(row),
        run=row.run_number,
        after_run=row.after_run_number,
        until_run=row.until_run_number,
        after_revision=row.after_revision,
        until_revision=row.until_revision,
        before=row.before,
        after=row.after,
        effect=row.effect,
        confidence=row.confidence,
        reason=row.reason,
        cause=row.cause,
        noticed_run=row.noticed_run_number,
        withdrawn_run=row.withdrawn_run_number,
        label=row.label,
        labelled_by=row.labelled_by,
        operators=row.operators or "",
    )


def change_reports(rows: Iterable[ChangeRow]) -> tuple[ChangeReport, ...]:
    """Return recorded changes as people see them."""
    return tuple(change_report(row) for row in rows)


def commits_of(row: ChangeRow) -> Commits:
    """Return the interval of a recorded change."""
    return Commits(
        after=row.after_run_id,
        until=row.until_run_id,
        after_revision=row.after_revision,
        until_revision=row.until_revision,
    )


def moved_of(row: ChangeRow) -> Moved:
    """Return a recorded change as alerts tell it."""
    return Moved(
        test=row.test,
        metric=row.metric,
        kind=row.kind,
        effect=row.effect,
        course=row.direction,
        commits=commits_of(row),
    )


def _words(row: ChangeRow) -> str:
    """Return `decode -4.1 % of … since a..b (runs 39 to 41): 172 → 165 tok/s; alert of run 43`."""
    after = "the first" if row.after_run_number is None else str(row.after_run_number)
    where = f"since {commits_of(row).words} (after run {after}, by run {row.until_run_number})"
    why = f"; {row.operators}" if row.operators else ""
    return f"{moved_words([moved_of(row)])} {where}: {_levels(row)}{why}; {_fate(row)}"


def _levels(row: ChangeRow) -> str:
    if row.kind == "mix":
        shares = f"{percent(row.before, 0)} → {percent(row.after, 0)}"
        return f"{shares} of the points at the higher of two levels"
    if row.kind == "variance":
        return f"spread {_quantity(row, row.before)} → {_quantity(row, row.after)}"
    return f"{_quantity(row, row.before)} → {_quantity(row, row.after)}"


def _quantity(row: ChangeRow, value: float) -> str:
    if row.kind == "variance":
        return percent(value)
    unit = METRICS.get(row.metric).unit.value if row.metric in METRICS else ""
    return quantity(value, unit)


def _fate(row: ChangeRow) -> str:
    if row.state == "withdrawn":
        why = f" ({row.reason})" if row.reason else ""
        return f"withdrawn by run {row.withdrawn_run_number}{why}"
    if row.state == "recorded":
        return f"no alert: {row.reason}" if row.reason else "no alert"
    return f"alert of run {row.noticed_run_number}"
