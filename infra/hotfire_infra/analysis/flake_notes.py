"""The flake verdicts of recorded tests: beside a failure of a run, and over the history of a test."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from sqlalchemy import Connection

from hotfire_infra.analysis.flake_verdicts import TRIES, FlakeVerdict, Try, flake_words, judge
from hotfire_infra.analysis.history import FlakeNote
from hotfire_infra.analysis.report import CellReport
from hotfire_infra.store.queries_flakes import TryRow, axes_of, failed_tests, tries_of_test
from hotfire_infra.store.queries_pages import variants_of_test

JUDGED = 20
"""Failures of a run that get a line: a run with more has one cause, and it is no flake."""


def flake_notes(connection: Connection, test_id: int) -> tuple[FlakeNote, ...]:
    """Return a note for each variant in which a test ever failed, those surely broken first."""
    judged = {
        variant: verdict
        for variant in variants_of_test(connection, test_id)
        if (verdict := _judged(connection, test_id, variant)) is not None
    }
    axes = axes_of(connection, judged)
    notes = [
        FlakeNote(
            variant={key: str(value) for key, value in axes[variant].items()},
            kind=verdict.kind.value,
            words=flake_words(verdict),
            broken=verdict.broken,
            rate=verdict.rate,
            low=verdict.low,
            high=verdict.high,
            runs=verdict.runs,
            failures=verdict.failures,
        )
        for variant, verdict in judged.items()
    ]
    return tuple(sorted(notes, key=lambda note: -note.broken))


def with_flakes(
    connection: Connection, run_id: int, cells: Iterable[CellReport], keys: Iterable[int]
) -> list[CellReport]:
    """Return the cells (with these surrogates) whose failures say what is known of the test.

    Judged by what was recorded up to this run.
    """
    words: dict[int, dict[str, str]] = {}
    for row in failed_tests(connection, run_id, limit=JUDGED):
        verdict = _judged(connection, row.test_id, row.variant_id, run_id)
        if verdict is not None:
            name = f"{row.module}/{row.scheme}/{row.name}"
            words.setdefault(row.cell_id, {})[name] = flake_words(verdict)
    return [
        _noted(cell, words[key]) if key in words else cell
        for cell, key in zip(cells, keys, strict=True)
    ]


def _noted(cell: CellReport, words: dict[str, str]) -> CellReport:
    failures = tuple(
        replace(failure, flake=words.get(failure.test, "")) for failure in cell.failures
    )
    return replace(cell, failures=failures)


def _judged(
    connection: Connection, test_id: int, variant_id: int, until_run: int | None = None
) -> FlakeVerdict | None:
    """Judge the tries of a test × variant; None where it never failed."""
    rows = tries_of_test(connection, test_id, variant_id, limit=TRIES, until_run=until_run)
    if not any(row.failed for row in rows):
        return None
    return _verdict_of(rows)


@lru_cache(maxsize=256)
def _verdict_of(rows: tuple[TryRow, ...]) -> FlakeVerdict | None:
    # Who follows a run asks the same at every cell that is decided.
    return judge([Try(row.source, row.failed) for row in rows])
