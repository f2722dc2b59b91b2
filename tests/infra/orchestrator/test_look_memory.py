"""What a round of thousands of waiting attempts does not do again."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from hotfire_infra.executors.fake import Script
from hotfire_infra.executors.protocol import Capacity, Mark, Remote
from hotfire_infra.orchestrator import facts
from hotfire_infra.orchestrator.attendance import GRANTED, grant_claim
from hotfire_infra.orchestrator.look_memory import GOOD_NS, WORDS_NS
from hotfire_infra.orchestrator.queue_keeper import MOST_AT_ONCE
from hotfire_infra.orchestrator.requests import RequestBook
from hotfire_infra.states import AttemptState, RequestKind
from hotfire_infra.store import queries
from hotfire_testframework.contract.ulid import Ulid

ONE = "m/s/one"
WHY = "Pending: couldn't assign flavors"


@dataclass
class Marks:
    """Tells that nothing has changed, until told."""

    value: int = 0
    words: int = 0
    asked: list[Ulid] = field(default_factory=list)

    def mark(self, attempt: Ulid) -> Mark:
        self.asked.append(attempt)
        return Mark(self.value, self.words)

    def acts(self, attempt: Ulid) -> int:
        self.asked.append(attempt)
        return self.value

    def nudge(self) -> None:
        pass


@pytest.fixture
def marks() -> Marks:
    return Marks()


@pytest.fixture
def far(make_stand, marks):
    """A stand whose executor is remote; everything waits there."""
    stand = make_stand(lambda spec: Script(waits=WHY, is_endless=True))
    stand.executor.capacity = Capacity(cpus=3, counts_attempts=True)
    stand.orchestrator._terms._counts_attempts = True
    assert isinstance(marks, Remote)
    stand.orchestrator._memory._remote = marks
    return stand


@pytest.fixture
def looked(far, monkeypatch) -> list[Ulid]:
    """Attempts at which the executor was asked to look."""
    found: list[Ulid] = []
    attach = far.executor.attach
    monkeypatch.setattr(
        far.executor, "attach", lambda attempt: (found.append(attempt), attach(attempt))[1]
    )
    return found


def test_an_attempt_of_which_nothing_changed_is_not_looked_at_again(
    far, looked, marks, make_plan, clock
):
    far.start(make_plan({"kernels": [ONE]}))
    far.rounds(4)
    looked.clear()
    far.rounds(5)
    assert not looked
    marks.value += 1
    far.rounds(2)
    assert len(looked) == 1
    clock.advance(GOOD_NS / 1e9 + 0.1)
    far.rounds(2)
    assert len(looked) == 2


def test_words_alone_have_an_attempt_looked_at_now_and_then(far, looked, marks, make_plan, clock):
    far.start(make_plan({"kernels": [ONE]}))
    far.rounds(4)
    looked.clear()
    for _ in range(3):
        marks.words += 1
        far.rounds(1)
    assert not looked
    clock.advance(WORDS_NS / 1e9 + 0.01)
    far.rounds(2)
    assert len(looked) == 1


@pytest.mark.parametrize(("live", "least", "most"), [(1, 0.05, 0.06), (300, 0.3, 0.3)])
def test_rounds_pause_for_a_crowd_and_hardly_for_a_few(far, live, least, most):
    memory = far.orchestrator._memory
    paused = []

    class Stop:
        def wait(self, seconds):
            paused.append(seconds)

    memory.begin([object()] * live)
    memory.pause(Stop(), 0.2, has_changed=True)
    assert least <= paused[0] <= most


def cancel(far, run_id: int) -> None:
    book = RequestBook(far.store)
    book.ask(RequestKind.CANCEL, run_id, payload={"reason": "enough"}, requested_by="tester")


def test_a_cancelled_run_is_looked_at_in_every_round(far, looked, make_plan):
    run_id = far.start(make_plan({"kernels": [ONE]}))
    far.rounds(4)
    looked.clear()
    cancel(far, run_id)
    far.rounds(2)
    assert looked


def claim(far, run_id: int) -> None:
    """Do what the ingest routes do when a runner claims."""
    with far.store.writing() as connection:
        (attempt,) = queries.attempts_of(connection, run_id)
        status, _ = grant_claim(connection, far.store, attempt.id, "a pod")
    assert status == GRANTED


def test_a_claim_by_the_ingest_routes_costs_one_row_and_not_the_whole_run(
    far, make_plan, monkeypatch
):
    run_id = far.start(make_plan({"kernels": [ONE]}))
    far.rounds(4)
    read = []
    whole = facts.read_run
    monkeypatch.setattr(
        facts, "read_run", lambda connection, run: (read.append(run.id), whole(connection, run))[1]
    )
    claim(far, run_id)
    far.rounds(1)
    (known,) = far.orchestrator.book.live_attempts()
    assert known.state is AttemptState.STARTED
    assert not read


def test_what_others_do_beside_claims_has_the_run_read_anew(far, make_plan, monkeypatch):
    run_id = far.start(make_plan({"kernels": [ONE]}))
    far.rounds(4)
    claim(far, run_id)
    cancel(far, run_id)
    far.rounds(2)
    assert far.orchestrator.book.runs[run_id].is_cancelled


def test_a_claim_between_look_and_transaction_is_known_in_it(far, make_plan):
    run_id = far.start(make_plan({"kernels": [ONE]}))
    far.rounds(4)
    claim(far, run_id)
    book = far.orchestrator.book
    with far.store.writing() as connection:
        before = book.last_event
        assert book.keep_up(connection) == {row.id for row in book.live_attempts()}
        assert book.last_event == facts.last_event(connection) > before
    (known,) = book.live_attempts()
    assert known.state is AttemptState.STARTED


def test_a_round_starts_only_so_many_that_it_stays_short(make_stand, make_plan):
    stand = make_stand(lambda spec: Script(waits=WHY))
    stand.executor.capacity = Capacity(cpus=1000, counts_attempts=True)
    stand.orchestrator._terms._counts_attempts = True
    names = [f"t{number}" for number in range(MOST_AT_ONCE + 5)]
    run_id = stand.start(make_plan({name: [ONE] for name in names}))
    stand.rounds(1)
    assert len(stand.attempts(run_id)) == MOST_AT_ONCE
    stand.rounds(1)
    assert len(stand.attempts(run_id)) == MOST_AT_ONCE + 5
