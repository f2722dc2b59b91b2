"""What reruns of suspect and parent have come to: read from the launches, in words for every door."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from hotfire_infra.analysis.change_groups import metric_word
from hotfire_infra.analysis.change_reports import ChangeReport, change_report
from hotfire_infra.analysis.changes import change_words
from hotfire_infra.analysis.interleaved import (
    PATTERN,
    Answer,
    Judged,
    block_losses,
    first_answer,
)
from hotfire_infra.analysis.judgements import judgement_of
from hotfire_infra.analysis.quantities import count
from hotfire_infra.states import RUN_TERMINAL, RunState
from hotfire_infra.store.confirmations import (
    ConfirmationRow,
    confirmations_of_changes,
    confirmations_of_run,
    time_of_launch,
)
from hotfire_infra.store.queries import run_by_id
from hotfire_infra.store.queries_measurements import MeasurementRow, measurements_of_run
from hotfire_infra.store.references import AcceptanceRow, acceptances_of
from hotfire_infra.store.rows import RunRow
from hotfire_infra.store.series_changes import ChangeRow
from hotfire_testframework.contract.metrics import Direction

MOST_FAILURES = 3
"""Launches without a valid value after which nobody tries again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspected:
    """A series that is judged."""

    key: str
    test: str
    metric: str
    is_worse: bool = True
    """Whether a loss is suspected, or a gain."""

    @property
    def larger_is_less(self) -> bool:
        """Whether a larger value speaks against what is suspected."""
        return (judgement_of(self.metric).direction is Direction.LARGER) == self.is_worse


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesAnswer:
    """What the reruns say of one series."""

    series: str
    test: str
    metric: str
    answer: str
    """`confirmed`, `refuted`, `undecided`, or `open` while it goes on."""
    interval: tuple[float, float, float] | None
    """Estimate, low and high of suspect against parent, as of a comparison."""
    confidence: float
    blocks: int

    @property
    def words(self) -> str:
        """`decode of test_decode -9.5 % (-10.6 % … -8.4 %): confirmed by 4 blocks`."""
        size = change_words(self.metric, self.interval) if self.interval else "no value yet"
        name = f"{metric_word(self.metric)} of {self.test.split('/', 2)[-1]}"
        return f"{name} {size}: {self.answer} by {count(self.blocks, 'block')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationReport:
    """Suspect and parent run again, interleaved: how far, and what it came to."""

    id: str
    run: int
    """The run that measured the suspect."""
    change: str | None
    """The change that it is about."""
    state: str
    """`open` or `decided`."""
    answer: str
    """`confirmed`, `refuted` or `undecided`; `open` while it goes on."""
    words: str
    """All of it as one line."""
    reason: str
    parent: str
    suspect: str
    """Revisions."""
    series: tuple[SeriesAnswer, ...]
    launches: int
    """Runs that were started for it."""
    spent_seconds: float
    """Of the machine."""
    budget_seconds: int
    devices: tuple[str, ...]
    live_run: int | None
    """Number of the launch under way."""
    requested_by: str
    created_ns: int
    decided_ns: int | None


@dataclass(slots=True, kw_only=True)
class Progress:
    """Where a confirmation stands, read from its launches."""

    place: int = 0
    """Launches that count; the next one is PATTERN[place % 4]."""
    failures: int = 0
    last_failure: str = ""
    live: RunRow | None = None
    seconds: float = 0.0
    devices: dict[str, str] = field(default_factory=dict)
    levels: dict[str, list[float | None]] = field(default_factory=dict)
    judged: tuple[tuple[Suspected, Judged], ...] = ()

    @property
    def is_between_blocks(self) -> bool:
        """Whether the next launch begins a block."""
        return self.place % len(PATTERN) == 0

    @property
    def seconds_of_a_block(self) -> float:
        """How long a block takes, by those so far; 0 before the first."""
        return self.seconds * len(PATTERN) / self.place if self.place else 0.0

    @property
    def is_decided(self) -> bool:
        """Whether every series has its answer."""
        return all(one.answer is not Answer.OPEN for _, one in self.judged)


def suspected_of(row: ConfirmationRow) -> tuple[Suspected, ...]:
    """Return the series of a confirmation."""
    return tuple(Suspected(**one) for one in row.body["series"])


def look(connection: Connection, row: ConfirmationRow) -> Progress:
    """Read the launches of a confirmation and judge what they measured."""
    found = Progress()
    wanted = suspected_of(row)
    found.levels = {one.key: [] for one in wanted}
    for run_id in row.launches:
        run = run_by_id(connection, run_id)
        if run.state not in RUN_TERMINAL:
            found.live = run
            break
        time = time_of_launch(connection, run_id, row.body["tasks"])
        found.seconds += time.seconds
        found.devices |= time.devices
        _take(found, run, measurements_of_run(connection, run_id))
    found.judged = tuple((one, _judge(one, found.levels[one.key], len(wanted))) for one in wanted)
    return found


def _take(found: Progress, run: RunRow, rows: Iterable[MeasurementRow]) -> None:
    """Take one launch in: its level of every series, or that it says nothing."""
    mine = {row.series_key: row for row in rows if row.series_key in found.levels}
    valid = {key: level for key, row in mine.items() if (level := _level(row)) is not None}
    if run.state is RunState.CANCELLED or not valid:
        found.failures += 1
        found.last_failure = _why(run, mine)
        return
    for key, levels in found.levels.items():
        levels.append(valid.get(key))
    found.place += 1


def _why(run: RunRow, mine: Mapping[str, MeasurementRow]) -> str:
    reasons = [row.reason for row in mine.values() if not row.valid and row.reason]
    if run.state is RunState.CANCELLED:
        return f"run {run.number} was cancelled"
    what = next(iter((*reasons, *run.reasons)), "measured nothing in the series' environment class")
    return f"run {run.number}: {what}"


def _level(row: MeasurementRow) -> float | None:
    values = row.replicates or (row.value,)
    judgement = judgement_of(row.metric)
    if not row.valid or (judgement.is_log and min(values) <= 0):
        return None
    return statistics.median(judgement.levels(values))


def _judge(one: Suspected, levels: Sequence[float | None], series: int) -> Judged:
    size = len(PATTERN)
    losses: list[float] = []
    for at in range(0, len(levels) - size + 1, size):
        block = [level for level in levels[at : at + size] if level is not None]
        if len(block) == size:
            losses += block_losses(block, larger_is_better=one.larger_is_less)
    return first_answer(losses, judgement_of(one.metric).margin, series=series)


def series_answer(one: Suspected, judged: Judged, *, is_over: bool) -> SeriesAnswer:
    """Return the answer for one series as people see it: of suspect against parent."""
    interval = None
    if judged.interval is not None:
        low, high = judged.interval.low, judged.interval.high
        ends = (-high, -low) if one.larger_is_less else (low, high)
        estimate = -judged.interval.estimate if one.larger_is_less else judged.interval.estimate
        interval = (estimate, *ends)
    is_open = judged.answer is Answer.OPEN
    return SeriesAnswer(
        series=one.key,
        test=one.test,
        metric=one.metric,
        answer=(Answer.UNDECIDED if is_over and is_open else judged.answer).value,
        interval=interval,
        confidence=judged.confidence,
        blocks=judged.blocks,
    )


def whole_answer(answers: Sequence[SeriesAnswer]) -> Answer:
    """Return the answer of all series together: one that is confirmed is enough."""
    said = {one.answer for one in answers}
    if Answer.CONFIRMED.value in said:
        return Answer.CONFIRMED
    return Answer.REFUTED if said == {Answer.REFUTED.value} else Answer.UNDECIDED


def confirmation_report(connection: Connection, row: ConfirmationRow) -> ConfirmationReport:
    """Return a confirmation as it stands now, or as it was decided."""
    found = look(connection, row)
    is_over = row.answer is not None
    answers = tuple(series_answer(*one, is_over=is_over) for one in found.judged)
    sides = row.body["sides"]
    report = ConfirmationReport(
        id=row.ulid,
        run=row.run_number,
        change=row.change,
        state=row.state,
        answer=row.answer or Answer.OPEN.value,
        words="",
        reason=row.reason,
        parent=sides["A"]["revision"],
        suspect=sides["B"]["revision"],
        series=answers,
        launches=len(row.launches),
        spent_seconds=found.seconds,
        budget_seconds=row.budget_seconds,
        devices=tuple(sorted(set(found.devices.values()))),
        live_run=None if found.live is None else found.live.number,
        requested_by=row.requested_by,
        created_ns=row.created_ns,
        decided_ns=row.decided_ns,
    )
    return replace(report, words=_words(report))


def _words(report: ConfirmationReport) -> str:
    """Return `confirmed: decode … by 4 blocks; parent 1b2c3d4, suspect 3f2a91c, 12 of 30 min`."""
    series = ", ".join(one.words for one in report.series)
    where = f" on {', '.join(report.devices)}" if report.devices else ""
    spent = f"{report.spent_seconds / 60:.0f} of {report.budget_seconds / 60:.0f} min"
    sides = f"parent {report.parent[:7]}, suspect {report.suspect[:7]}"
    why = f"; {report.reason}" if report.reason else ""
    return f"{report.answer}: {series}; {sides}{where}, {spent}{why}"


def reports_of_run(connection: Connection, run_id: int) -> tuple[ConfirmationReport, ...]:
    """Return the confirmations of a run, oldest first."""
    rows = confirmations_of_run(connection, run_id)
    return tuple(confirmation_report(connection, row) for row in rows)


def shown_changes(connection: Connection, rows: Sequence[ChangeRow]) -> tuple[ChangeReport, ...]:
    """Return recorded changes as people see them, with what was run again and decided about them."""
    words = {
        row.change_id: confirmation_report(connection, row).words
        for row in confirmations_of_changes(connection, [row.id for row in rows])
    }
    accepted = acceptances_of(connection, [row.id for row in rows])
    return tuple(
        replace(
            change_report(row),
            confirmation=words.get(row.id, ""),
            accepted=accepted_words(accepted[row.id]) if row.id in accepted else "",
        )
        for row in rows
    )


def accepted_words(row: AcceptanceRow) -> str:
    """Return `reference since run 41, accepted by ada: the new kernel is exact`."""
    return f"reference since run {row.run_number}, accepted by {row.accepted_by}: {row.reason}"


def answers_of_run(connection: Connection, run_id: int) -> Mapping[str, SeriesAnswer]:
    """Return what reruns that a run's gate asked for say, by series, once they are decided."""
    return {
        one.series: one
        for row in confirmations_of_run(connection, run_id)
        if row.answer is not None and row.change_id is None
        for one in confirmation_report(connection, row).series
    }
