"""Attempts for another question than the run's bring nothing into the run's figures."""

from __future__ import annotations

from sqlalchemy import select, update

from hotfire_infra.executors.fake import Script
from hotfire_infra.store.models import Attempt
from hotfire_infra.store.queries_tests import coverage_bitmaps_of_run

COVERED = {
    "suite": "unit",
    "language": "python",
    "files": [{"path": "a.py", "sha256": "0" * 64, "executable": "ff", "hit": "0f"}],
}


def test_a_differential_rerun_covers_nothing_of_the_run(make_stand, make_plan, store):
    stand = make_stand(lambda _spec: Script(records=(("coverage", COVERED),)))
    run_id = stand.run(make_plan({"unit": ["m/s/one"]})).run.id
    with store.reading() as connection:
        (row,) = coverage_bitmaps_of_run(connection, run_id)
        (attempt,) = connection.execute(select(Attempt.id)).scalars()
    assert (row.attempt_id, row.path) == (attempt, "a.py")
    with store.writing() as connection:
        connection.execute(update(Attempt).values(purpose="differential"))
    with store.reading() as connection:
        assert coverage_bitmaps_of_run(connection, run_id) == ()
