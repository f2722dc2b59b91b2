"""Whatever lies in a local spool, the orchestrator's round goes on, and what is right is stored."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hotfire_infra.executors.fake import Script
from hotfire_infra.executors.spool import Spool
from hotfire_infra.store import queries
from hotfire_infra.store.models import Result, StreamProblem
from hotfire_testframework.contract.stream import Kind, encode_record

GOOD = "m/s/good"
RIGHT = {"test": GOOD, "try": 1, "outcome": "passed", "duration_ns": 5}
TEXTS = st.one_of(
    st.sampled_from(["", "x", "a/b", "/", "//", "m/s/n", "m/s/" + "x" * 3000, "m/s/\0\x1b[2J", "../x"]),
    st.text(max_size=20),
)  # fmt: skip
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(1 << 70), 1 << 70), st.floats(), TEXTS,
        st.sampled_from(["0" * 64, "passed", "failed", "errored"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)  # fmt: skip
# What most kinds need, so that records come past the contract's check and reach the store.
USUAL = {
    "test": "m/s/n", "try": 1, "outcome": "passed", "duration_ns": 5, "harness": "command",
    "tests": ["m/s/n"], "name": "out", "path": "artifacts/out", "sha256": "0" * 64, "size": 3,
    "media_type": "text/plain", "suite": "unit", "language": "c++", "files": [], "values": {},
    "what": "x", "class": "infra-device", "source": "x", "confidence": 0.5, "count": 2, "phase": "run",
    "state": "end", "collected": 1, "exit_code": 0, "task": "t", "dataset": "d", "item": "i",
    "prompt": "p", "decode_seed": 1,
}  # fmt: skip
FIELDS = st.sampled_from(
    [*USUAL, "message", "detail", "failure_class", "params", "metrics", "device"]
)
BODIES = st.dictionaries(FIELDS, VALUES, max_size=2).map(lambda wrong: {**USUAL, **wrong})
KINDS = st.one_of(st.sampled_from([kind.value for kind in Kind]), TEXTS.filter(bool))
TAILS = st.one_of(
    st.just(b""), st.binary(max_size=30), st.sampled_from([b"{}\n", b"[" * 9000 + b"\n", b"\xff\xfe\n"])
)  # fmt: skip


def lines_of(records):
    return b"".join(
        encode_record(seq, kind, seq, body) for seq, (kind, body) in enumerate(records, 1)
    )


@pytest.fixture
def play(make_stand, make_plan):
    """Let an attempt leave a stream of these records and end; returns (run, attempt)."""
    stand = make_stand(lambda _spec: Script(is_endless=True))

    def leave(records, tail=b""):
        run_id = stand.start(make_plan({"kernels": [GOOD]}))
        while not (live := live_of(stand)):
            stand.orchestrator.round()
        root = Spool(stand.store.attempts / live[0].ulid).root
        while not (root / "claim.answer").exists():
            stand.orchestrator.round()
        (root / "stream.jsonl").write_bytes(lines_of(records) + tail)
        stand.rounds(2)
        (root / "exit").write_text("0\n")
        (root / "ended").touch()
        for _ in range(60):
            stand.orchestrator.round()
            for later in live_of(stand):
                (stand.store.attempts / later.ulid / "ended").touch()
            if stand.show(run_id).run.verdict is not None:
                return stand.show(run_id), live[0]
        raise AssertionError("the run does not end")

    leave.store = stand.store
    return leave


def live_of(stand):
    with stand.store.reading() as connection:
        return [row for row in queries.live_attempts(connection) if row.purpose == "result"]


def stored(store, attempt):
    """Return the results and problems of an attempt."""
    with store.reading() as connection:
        results = connection.execute(select(Result.seq).where(Result.attempt_id == attempt.id))
        seqs = results.scalars().all()
        reasons = connection.execute(
            select(StreamProblem.reason).where(StreamProblem.attempt_id == attempt.id)
        )
        return seqs, list(reasons.scalars())


@seed(20261121)
@settings(
    max_examples=30, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(hostile=st.lists(st.tuples(KINDS, BODIES), min_size=1, max_size=5), tail=TAILS)
def test_no_record_of_a_local_spool_stops_the_round(play, hostile, tail):
    done, attempt = play([("test_attempt", RIGHT), *hostile], tail)
    assert done.run.verdict != "passed", "a stream without its manifest is no success"
    seqs, _ = stored(play.store, attempt)
    assert 1 in seqs, "what was right is stored"


@pytest.mark.parametrize("test", ["", "x", "no/scheme", "m/s/" + "x" * 5000])
def test_a_test_that_cannot_be_stored_is_a_stated_problem_and_nothing_else_is_lost(play, test):
    wrong = [("test_start", {"test": test, "try": 1}), ("test_attempt", {**RIGHT, "test": test})]
    collected = ("collected", {"harness": "command", "tests": [GOOD, test]})
    before, after = ("test_attempt", RIGHT), ("test_attempt", {**RIGHT, "try": 2})
    done, attempt = play([collected, before, *wrong, after])
    seqs, reasons = stored(play.store, attempt)
    assert seqs == [2, 5]
    assert [reason for reason in reasons if "test " in reason]
    assert done.run.verdict != "passed"
