"""The queue in the loop: who starts, what who waits is told, and what a new push ends."""

from __future__ import annotations

import dataclasses

import pytest

from hotfire_infra.configuration import Configuration
from hotfire_infra.executors.fake import Script
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.fair_share import UsageLedger
from hotfire_infra.orchestrator.run_order import RunOrder, priority_of, supersedes
from hotfire_infra.sections.queue import QueueSection, TeamSection
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import Priority, RunState, TaskState
from hotfire_infra.store.queries_pending import pending_of_runs, superseded_by
from hotfire_pipelines.plan import QueueOrder

on_both = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
SOURCE = StoredSource(
    repository="here",
    revision="3f2a91c" + "0" * 33,
    patch_digest="",
    subject="First",
    archive_sha256=None,
)


@pytest.fixture
def dialect():
    """SQLite; what is marked `on_both` goes through PostgreSQL too."""
    return "sqlite"


ONE, TWO, THREE = "m/s/one", "m/s/two", "m/s/three"


@pytest.fixture
def start(store, make_plan):
    def begin(tasks=None, *, pipeline="small", ordered=None, user="ann", parent=None, **order):
        plan = make_plan(tasks or {"kernels": [ONE]})
        plan = dataclasses.replace(plan, pipeline=pipeline, order=ordered)
        request = RunRequest(
            plan=plan,
            source=SOURCE,
            requested_by=user,
            order=RunOrder(**order),
            parent_run_id=parent,
        )
        return create_run(store, request)

    return begin


def endless(_spec):
    return Script(is_endless=True)


def pending(stand, run_id):
    return {task.key: task.pending for task in stand.show(run_id).tasks if task.pending}


def running(stand, *run_ids):
    return [
        task.key
        for run_id in run_ids
        for task in stand.show(run_id).tasks
        if task.state is TaskState.RUNNING
    ]


@on_both
def test_who_waits_for_room_is_told_whose_it_is(make_stand, start, store):
    stand = make_stand(endless, cpus=1)
    first = start({"a": [ONE]}, priority=Priority.GATE)
    second = start({"b": [ONE], "c": [TWO]})
    stand.rounds(3)
    why = "waits for a slot: 1 of 1 in use by run 1 (gate)"
    assert pending(stand, second) == {"b": why, "c": why}
    assert [cell.pending for cell in stand.show(second).cells] == [why, why]
    assert pending(stand, first) == {}
    with store.reading() as connection:
        assert pending_of_runs(connection, [first, second]) == {second: why}


@on_both
def test_what_waits_for_another_task_says_for_which(make_stand, make_plan):
    stand = make_stand(endless)
    run_id = stand.start(make_plan({"build": [ONE], "unit": [TWO]}, edges=[("build", "unit")]))
    stand.rounds(3)
    assert [cell.pending for cell in stand.show(run_id).cells] == ["", "waits for build"]


def test_reasons_are_not_written_again_while_they_stay(make_stand, start, store, clock):
    stand = make_stand(endless, cpus=1)
    start({"a": [ONE]})
    waiting = start({"b": [ONE]})
    stand.rounds(3)
    commits = []
    real = type(stand.orchestrator.lock).writing
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            type(stand.orchestrator.lock),
            "writing",
            lambda lock: commits.append(1) or real(lock),
        )
        for _ in range(5):
            clock.advance(2)
            stand.orchestrator.queue.has_work(stand.orchestrator.book, stand.orchestrator._terms)
    assert commits == []
    assert pending(stand, waiting)["b"].startswith("waits for a slot")


def test_a_more_urgent_run_starts_first_though_it_came_later(make_stand, start):
    stand = make_stand(endless, cpus=1)
    low = start({"low": [ONE]}, priority=Priority.NIGHTLY)
    high = start({"high": [ONE]}, priority=Priority.GATE)
    stand.rounds(3)
    assert running(stand, low, high) == ["high"]


def test_a_cap_of_a_team_is_kept_in_the_loop_and_said(make_stand, start):
    section = QueueSection(teams={"vision": TeamSection(cap=1)})
    stand = make_stand(endless, cpus=4, configuration=Configuration(queue=section))
    run_id = start({"a": [ONE], "b": [TWO]}, team="vision")
    stand.rounds(3)
    assert running(stand, run_id) == ["a"]
    assert pending(stand, run_id) == {"b": "team vision is at its cap of 1"}


@on_both
def test_the_ledger_counts_what_ended_once_and_halves_it(make_stand, start, store, clock):
    ledger = UsageLedger(half_life_seconds=3600)
    stand = make_stand(lambda spec: Script(is_endless=True), cpus=2)
    run_id = start({"a": [ONE]}, team="vision")
    stand.rounds(3)
    clock.advance(20)
    with store.writing() as connection:
        stand.orchestrator.book.forget()
        from sqlalchemy import update

        from hotfire_infra.store.models import Run

        connection.execute(
            update(Run).where(Run.id == run_id).values(cancel_requested_ns=clock.wall_ns())
        )
    stand.rounds(4)

    def seconds():
        with store.reading() as connection:
            ledger.catch_up(connection, wall_ns=clock.wall_ns(), mono_ns=clock.mono_ns())
        return {(one.team, one.pool): one.cpu_seconds for one in ledger.used()}

    assert seconds() == {("vision", "fake"): pytest.approx(20)}
    assert seconds() == {("vision", "fake"): pytest.approx(20)}
    clock.advance(3600)
    assert seconds() == {("vision", "fake"): pytest.approx(10)}


@pytest.mark.parametrize(
    ("pipeline", "ordered", "asked", "expected"),
    [
        ("small", None, None, Priority.DEVELOPER),
        ("nightly", None, None, Priority.NIGHTLY),
        ("small", QueueOrder(priority="gate"), None, Priority.GATE),
        ("nightly", QueueOrder(priority="gate"), Priority.BACKFILL, Priority.BACKFILL),
    ],
)
def test_the_class_is_as_asked_else_declared_else_of_the_name(
    make_plan, pipeline, ordered, asked, expected
):
    plan = dataclasses.replace(make_plan({"a": [ONE]}), pipeline=pipeline, order=ordered)
    assert priority_of(plan, RunOrder(priority=asked)) is expected


def test_nightly_and_release_are_not_superseded_unless_they_say_so(make_plan):
    plan = make_plan({"a": [ONE]})
    assert supersedes(plan, Priority.PRE_MERGE)
    assert not supersedes(plan, Priority.NIGHTLY)
    release = dataclasses.replace(plan, pipeline="release")
    assert not supersedes(release, Priority.DEVELOPER)
    declared = dataclasses.replace(release, order=QueueOrder(supersede=True))
    assert supersedes(declared, Priority.NIGHTLY)


def test_order_is_no_part_of_the_digest_of_a_plan(make_plan):
    plan = make_plan({"a": [ONE]})
    urgent = dataclasses.replace(plan, order=QueueOrder(priority="gate", supersede=False))
    assert urgent.digest == plan.digest
    assert type(plan).from_json(urgent.to_json()).order == urgent.order


@on_both
def test_a_new_push_ends_the_older_runs_of_its_change_and_both_say_so(make_stand, start, store):
    stand = make_stand(endless)
    old = start({"a": [ONE]}, change="fix")
    stand.rounds(3)
    other = start({"b": [ONE]}, change="other")
    new = start({"a": [ONE]}, change="fix")
    stand.rounds(6)
    assert stand.show(old).run.state is RunState.CANCELLED
    assert stand.show(old).run.superseded_by_number == stand.show(new).run.number
    assert stand.show(other).run.state is stand.show(new).run.state is RunState.RUNNING
    with store.reading() as connection:
        assert superseded_by(connection, new) == (1,)


def test_another_pipeline_a_retry_and_a_nightly_end_nothing(make_stand, start):
    stand = make_stand(endless, cpus=8)
    old = start({"a": [ONE]}, change="fix")
    start({"a": [ONE]}, change="fix", pipeline="other")
    start({"a": [ONE]}, change="fix", parent=old)
    start({"a": [ONE]}, change="fix", pipeline="nightly")
    start({"a": [ONE]}, change="fix", ordered=QueueOrder(supersede=False))
    stand.rounds(4)
    assert stand.show(old).run.superseded_by_number is None
    assert stand.show(old).run.state is RunState.RUNNING
