"""Which tries count for a flake rate, on SQLite and PostgreSQL, and the lines made of them."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from hotfire_infra.analysis.flake_notes import flake_notes
from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.executors.fake import Script
from hotfire_infra.states import AttemptState
from hotfire_infra.store.models import Attempt, Result, Run
from hotfire_infra.store.queries_flakes import runs_for, tries_in_run, tries_of_test
from hotfire_infra.store.queries_pages import variants_of_test

NAME = "m/s/one"


@pytest.fixture
def runs(store, make_stand, make_plan):
    """Run the test once for each outcome, every time the same source."""

    def start(*outcomes):
        for outcome in outcomes:
            stand = make_stand(lambda _spec, said=outcome: Script(outcomes={NAME: said}))
            last = stand.run(make_plan({"unit": [NAME]}))
        return last

    return start


def tries(store, **bounds):
    with store.reading() as connection:
        test = connection.execute(select(Result.test_id)).scalars().first()
        (variant,) = variants_of_test(connection, test)
        found = tries_of_test(connection, test, variant, **{"limit": 50, **bounds})
    return [row.failed for row in found]


def test_tries_come_oldest_first_and_only_the_newest(store, runs):
    runs("passed", "failed", "passed")
    assert tries(store) == [False, True, False]
    assert tries(store, limit=2) == [True, False]


def test_a_run_is_judged_by_what_was_known_then(store, runs):
    runs("passed", "failed")
    assert tries(store, until_run=1) == [False]


@pytest.mark.parametrize(
    "values",
    [
        {"state": AttemptState.ERRORED},
        {"state": AttemptState.LOST},
        {"state": AttemptState.PREEMPTED},
        {"state": AttemptState.TIMED_OUT},
        {"purpose": "differential"},
    ],
)
def test_an_attempt_that_broke_off_or_asked_something_else_never_counts(store, runs, values):
    runs("passed", "failed")
    with store.writing() as connection:
        connection.execute(update(Attempt).where(Attempt.id == 2).values(**values))
    assert tries(store) == [False]


def test_a_run_for_another_question_never_counts(store, runs):
    runs("passed", "failed")
    with store.writing() as connection:
        connection.execute(update(Run).where(Run.id == 2).values(purpose="bisect"))
    assert tries(store) == [False]


def test_what_did_not_say_yes_or_no_is_no_try(store, runs):
    runs("passed", "errored", "skipped")
    assert tries(store) == [False]


def test_runs_of_one_question_are_found_by_its_key_with_what_their_tests_said(store, runs):
    runs("passed", "failed", "passed")
    with store.writing() as connection:
        for run, key in ((2, "mine"), (3, "other")):
            values = {"purpose": "bisect", "options": {"bisect": {"key": key, "commit": "c"}}}
            connection.execute(update(Run).where(Run.id == run).values(**values))
    with store.reading() as connection:
        (row,) = runs_for(connection, "bisect", "mine")
        test = connection.execute(select(Result.test_id)).scalars().first()
        assert (row.number, row.options["bisect"]["commit"]) == (2, "c")
        assert tries_in_run(connection, row.id, test) == (True,)


def test_a_failed_test_of_a_run_says_what_is_known_of_it(store, runs):
    last = runs("passed", "passed", "failed")
    report = StoreReports(store).find(str(last.run.number))
    (failure,) = report.failures
    # All three runs are of one source: it passes and it fails, so it is not broken.
    assert failure.flake.endswith("of 3 runs: first flake, p = 0.999")
    history = StoreReports(store).test(NAME)
    (note,) = history.flakes
    assert note.words == failure.flake
    assert (note.runs, note.failures) == (3, 1)


def test_a_test_that_never_failed_has_no_line(store, runs):
    runs("passed", "passed")
    with store.reading() as connection:
        assert flake_notes(connection, 1) == ()
