"""Since when a failure is known, on SQLite and PostgreSQL."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from hotfire_infra.analysis.failure_clusters import cluster_id
from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.executors.fake import Script
from hotfire_infra.store.models import Message, Run

NAMES = ["m/s/one", "m/s/two"]


@pytest.fixture
def fail(store, make_stand, make_plan):
    """Run two failing tests that say a message; return their lines about the cluster."""

    def run(message):
        stand = make_stand(lambda _spec: Script(outcomes=dict.fromkeys(NAMES, "failed")))
        done = stand.run(make_plan({"unit": NAMES}))
        with store.writing() as connection:
            # All runs of the script share one message; its numbers do not matter.
            connection.execute(update(Message).values(text=message))
        report = StoreReports(store).find(str(done.run.number))
        return {failure.cluster for failure in report.failures}

    return run


def test_a_failure_nobody_saw_is_new_and_later_ones_count(store, fail):
    here = cluster_id("error 3 at 5")
    assert fail("error 3 at 5") == {f"{here}: new"}
    assert fail("error 4 at 1024") == {f"{here}: 2 failures in 1 run since run 1"}
    assert fail("error 5 at 6") == {f"{here}: 4 failures in 2 runs since run 1"}


def test_a_run_for_another_question_makes_nothing_known(store, fail):
    fail("error 3 at 5")
    with store.writing() as connection:
        connection.execute(update(Run).values(purpose="bisect"))
    assert fail("error 4 at 5") == {f"{cluster_id('error 3 at 5')}: new"}
