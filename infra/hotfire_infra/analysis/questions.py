"""What a bisection needs to know of a store: its subject, and what its runs said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from hotfire_infra.analysis.bisection import false_fail_of
from hotfire_infra.analysis.flake_changes import last_rise
from hotfire_infra.analysis.flake_verdicts import TRIES, Try
from hotfire_infra.errors import RequestRefusedError
from hotfire_infra.store.confirmations import time_of_launch
from hotfire_infra.store.queries import find_run
from hotfire_infra.store.queries_flakes import axes_of, runs_for, tries_in_run, tries_of_test
from hotfire_infra.store.queries_measurements import measurements_of_run, points_of_series
from hotfire_infra.store.queries_pages import history_page, variants_of_test
from hotfire_infra.store.queries_tests import ResultRow, test_key

PURPOSE = "bisect"
LOOKED_AT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is searched: a test in one cell of a pipeline, and what its history says of its rates."""

    test: str
    cell: str
    pipeline: str
    false_fail: float
    """Of a test that is whole, on the high side."""
    rise: tuple[float, float] | None = None
    """Rates of failures before and since they rose last."""
    series: str = ""
    metric: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionRun:
    """One run of a bisection, and what it said."""

    run: int
    state: str
    body: Mapping[str, object]
    """What was asked with it: key, commit, perhaps side."""
    failed: tuple[bool, ...] = ()
    """Of each try of the test that counts."""
    levels: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Replicates by series, of valid points."""
    why: str = ""
    """Why it has no level: of the first point that is not valid."""
    devices: Mapping[str, str] = field(default_factory=dict)
    """What its cells ran on."""


def subject_of_test(connection: Connection, test: str, variant: Mapping[str, str]) -> Subject:
    """Return the cell and pipeline of a test's newest failure, and the rates of its history."""
    test_id = test_key(connection, test)
    if test_id is None:
        raise RequestRefusedError(
            f"nobody recorded a test {test!r}; its exact name stands on the run's page"
        )
    rows = history_page(connection, test_id, limit=LOOKED_AT).items
    fitting = [row for row in rows if variant.items() <= dict(row.variant).items()]
    if not fitting:
        known = ", ".join(sorted({row.cell_key for row in rows})) or "nowhere"
        raise RequestRefusedError(f"{test} has no result with {dict(variant)}; it ran in: {known}")
    chosen = next((row for row in fitting if row.outcome == "failed"), fitting[0])
    tries = tries_of_test(
        connection, test_id, _variant_of(connection, test_id, chosen), limit=TRIES
    )
    known_tries = tuple(Try(row.source, row.failed) for row in tries)
    rise = last_rise(one.failed for one in known_tries)
    return Subject(
        test=test,
        cell=chosen.cell_key,
        pipeline=find_run(connection, str(chosen.run_number)).pipeline,
        false_fail=false_fail_of(known_tries),
        rise=None if rise is None else (rise.before, rise.after),
    )


def subject_of_series(connection: Connection, key: str) -> Subject:
    """Return the cell and pipeline that measured a series last."""
    points = points_of_series(connection, [key])
    if not points:
        raise RequestRefusedError(f"series {key[:16]} has no point that counts")
    newest = points[-1]
    return Subject(
        test=newest.test,
        cell=newest.cell_key,
        pipeline=find_run(connection, str(newest.run_number)).pipeline,
        false_fail=0.0,
        series=key,
        metric=newest.metric,
    )


def runs_of_question(connection: Connection, key: str, test: str) -> tuple[QuestionRun, ...]:
    """Return the runs of one question, oldest first, with what they said of a test."""
    test_id = test_key(connection, test)
    found = []
    for row in runs_for(connection, PURPOSE, key):
        measured = [
            one
            for one in measurements_of_run(connection, row.id)
            if one.series_key and one.test == test
        ]
        found.append(
            QuestionRun(
                run=row.number,
                state=str(row.state),
                body=row.options[PURPOSE],
                failed=() if test_id is None else tries_in_run(connection, row.id, test_id),
                levels={
                    one.series_key: one.replicates or (one.value,) for one in measured if one.valid
                },
                why=next((one.reason for one in measured if not one.valid), ""),
                devices=time_of_launch(connection, row.id).devices,
            )
        )
    return tuple(found)


def _variant_of(connection: Connection, test_id: int, row: ResultRow) -> int:
    axes = axes_of(connection, variants_of_test(connection, test_id))
    return next(key for key, known in axes.items() if dict(known) == dict(row.variant))
