"""A state changes by one guarded step, with history and outbox, or not at all."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select

from hotfire_infra import states
from hotfire_infra.executors.fake import Script
from hotfire_infra.states import AttemptState, RunState
from hotfire_infra.store import queries
from hotfire_infra.store.models import History, Outbox
from hotfire_infra.store.transitions import Move, move

TABLES = {
    states.AttemptState: states.ATTEMPT_TRANSITIONS,
    states.TaskState: states.TASK_TRANSITIONS,
    states.RunState: states.RUN_TRANSITIONS,
    states.RequestState: states.REQUEST_TRANSITIONS,
}


@pytest.mark.parametrize("enum", TABLES)
def test_every_state_has_its_row_and_can_be_left_or_is_an_end(enum):
    assert set(TABLES[enum]) == set(enum)
    assert states.terminal_states(TABLES[enum])


@pytest.mark.parametrize("enum", TABLES)
def test_from_every_state_an_end_can_be_reached(enum):
    table = TABLES[enum]
    reached = set(states.terminal_states(table))
    while more := {s for s, onward in table.items() if onward & reached} - reached:
        reached |= more
    assert reached == set(enum)


@pytest.fixture
def run(make_stand, make_plan):
    return make_stand().start(make_plan({"kernels": ["m/s/one"]}))


def step(run_id: int, to_state) -> Move:
    return Move(entity="run", entity_id=run_id, to_state=to_state, reason="why", by="me")


def test_a_step_writes_history_and_outbox_in_its_transaction(store, run):
    with store.writing() as connection:
        assert move(connection, step(run, RunState.RUNNING), 7)
    with store.reading() as connection:
        last = connection.execute(select(History).order_by(History.id.desc())).first()
        event = connection.execute(select(Outbox).order_by(Outbox.id.desc())).first()
    assert (last.from_state, last.to_state, last.reason, last.by, last.at_ns) == (
        "planned",
        "running",
        "why",
        "me",
        7,
    )
    assert event.topic == "run.running"


def test_a_step_that_the_table_forbids_writes_nothing(store, run):
    with store.writing() as connection:
        assert not move(connection, step(run, RunState.FINALIZED), 7)
    with store.reading() as connection:
        assert queries.run_by_id(connection, run).state is RunState.PLANNED
        assert len(connection.execute(select(History)).all()) == 1


def test_a_finalized_run_never_reopens(store, run):
    with store.writing() as connection:
        for state in (RunState.RUNNING, RunState.FINALIZING, RunState.FINALIZED):
            assert move(connection, step(run, state), 7)
        assert not any(move(connection, step(run, state), 8) for state in RunState)


def make_a_step_and_fail(store, run):
    with store.writing() as connection:
        move(connection, step(run, RunState.RUNNING), 7)
        raise RuntimeError


def test_a_step_and_its_history_are_rolled_back_together(store, run):
    with pytest.raises(RuntimeError):
        make_a_step_and_fail(store, run)
    with store.reading() as connection:
        assert queries.run_by_id(connection, run).state is RunState.PLANNED
        assert len(connection.execute(select(History)).all()) == 1


def test_of_many_threads_one_makes_the_step(store, run):
    made = []

    def attempt_the_step():
        with store.writing() as connection:
            made.append(move(connection, step(run, RunState.RUNNING), 7))

    threads = [threading.Thread(target=attempt_the_step) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False] * 7 + [True]


def test_a_write_with_an_old_fence_is_refused(make_stand, make_plan, store):
    stand = make_stand(lambda spec: Script(is_endless=True))
    run_id = stand.start(make_plan({"kernels": ["m/s/one"]}))
    stand.rounds(4)
    with store.writing() as connection:
        (attempt,) = queries.attempts_of(connection, run_id)
        stale = Move(
            entity="attempt",
            entity_id=attempt.id,
            to_state=AttemptState.PASSED,
            reason="",
            by="me",
            fence=attempt.fence - 1,
        )
        assert not move(connection, stale, 7)
