"""What is decoded quickly and what the contract decodes are the same records, rows and refusals."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import aliased

from hotfire_infra.executors.fake import Script
from hotfire_infra.ingest import usual as usual_module
from hotfire_infra.ingest import wire
from hotfire_infra.ingest.redaction import redact_records
from hotfire_infra.ingest.stream import Arrival, store_arrival
from hotfire_infra.ingest.usual import Ended, Measured, Observed, Started, usual_record
from hotfire_infra.ingest.wire import read_batch
from hotfire_infra.store import queries
from hotfire_infra.store.models import Attempt, Environment, Message, Result, StreamProblem
from hotfire_infra.store.models import Test as StoredTest
from hotfire_testframework.contract.stream import Record, decode_record, encode_record
from hotfire_testframework.contract.stream_reader import Position, StreamPart
from hotfire_testframework.errors import ContractError
from hotfire_testframework.runner.redaction import Redactor

LINES = "application/x-ndjson"
START = {"test": "m/s/n", "try": 1}
NAMES = ("m/s/n", "m/s/other", "m/s/a/b", "no identifier", "m/s/" + "x" * 2000, "m/s/\u00e9\x00")
names = st.sampled_from(NAMES)
texts = st.sampled_from(
    ["", "wrong", "wrong by \u00e9", "half \ud83d of a sign", "a\x00b", "y" * 50]
)
maps = st.dictionaries(
    st.sampled_from(["n", "rate", "\u00e9"]),
    st.one_of(
        st.none(), st.booleans(), st.integers(), texts, st.floats(), st.lists(st.integers(0, 3)),
    ),
    max_size=3,
)  # fmt: skip
starts = st.fixed_dictionaries({"test": names, "try": st.integers(0, 3)})
ends = st.fixed_dictionaries(
    {
        "test": names,
        "try": st.integers(0, 3),
        "outcome": st.sampled_from(["passed", "failed", "skipped", "errored"]),
        "duration_ns": st.integers(0, 2**63 - 1),
    },
    optional={
        "failure_class": st.sampled_from(["product", "infrastructure"]),
        "message": texts, "detail": texts, "environment_class": texts,
        "params": maps, "metrics": maps,
    },
)  # fmt: skip
figures = st.one_of(
    st.integers(-(2**63) + 1, 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)
)
odd = st.sampled_from([2**63, -(2**63), 10**40, True, "nan", None, float("inf"), [1]])
points = st.fixed_dictionaries(
    {
        "metric": st.sampled_from(["aestus.decode_rate", "aestus.decode_rate", "no.metric"]),
        "version": st.sampled_from([1, 1, 1, 2, 1.0]),
        "unit": st.sampled_from(["token/s", "token/s", "token/s", "s"]),
        "value": st.one_of(figures, figures, figures, odd),
        "test": names,
        "estimator": texts,
        "replicates": st.lists(figures, min_size=2, max_size=2),
        "launches": st.one_of(
            st.just([0, 1]), st.just([0, 1]), st.just([0]), st.just([None, {"a": 10**40}])
        ),
        "inner": st.integers(0, 3),
        "valid": st.booleans(),
        "definition": st.sampled_from(["0" * 64, "f" * 64, "F" * 64, "0" * 64 + "\n", "0" * 63]),
    },
    optional={
        "probe": st.one_of(maps, st.just({"metric": "probe.read_bandwidth", "value": 1e10}), odd),
        "canary": st.one_of(figures, odd),
        "reason": texts,
        "more": texts,
    },
)  # fmt: skip
measured = st.tuples(st.just("measurement"), points)
usual = st.one_of(
    st.tuples(st.just("test_start"), starts), st.tuples(st.just("test_attempt"), ends)
)
strange = st.sampled_from(
    [
        ("test_start", {"test": 1, "try": 1}), ("test_attempt", {"test": "m/s/n"}),
        ("test_start", {"test": "m/s/n", "try": 1, "more": [1]}),
        ("test_attempt", {"test": "m/s/n", "try": 1, "outcome": "passed", "duration_ns": 1,
                          "message": None}),
        ("problem", {"what": "none"}), ("new_kind", {"a": 1}), ("", {}),
        ("collected", {"harness": "cases", "tests": ["m/s/n"]}),
    ]
)  # fmt: skip
edits = st.sampled_from(
    [
        lambda line: line,
        lambda line: line,
        lambda line: line,
        lambda line: b"\n" + line,
        lambda line: line + line,
        lambda line: line.replace(b"\n", b"\r\n"),
        lambda line: line.replace(b"\n", b""),
        lambda line: line.replace(b",", b",\n", 1),
        lambda line: line.replace(b'"kind"', b'"kind":"test_start","kind"'),
        lambda line: line.replace(b'"try"', b'"try":1,"try"'),
        lambda line: line.replace(b'{"v":1,', b"{").replace(b"}\n", b',"v":1}\n'),
        lambda line: line.replace(b'"v":1', b'"v":0'),
        lambda line: line.replace(b'"v":1', b'"v":1.0'),
        lambda line: line.replace(b'"test"', b'"t\\u0065st"'),
        lambda line: line[:-9],
        lambda line: b"\xff" + line,
        lambda line: line.replace(b"m/s", b"m\xff/s"),
        lambda line: line.replace(b'"mono_ns":7', b'"mono_ns":' + b"9" * 40),
    ]
)
batches = st.lists(st.tuples(st.one_of(usual, usual, usual, measured, strange), edits), max_size=6)


def body_of(batch, first=1, gap=0):
    """Return the lines of a batch; one number is left out before the record at `gap`."""
    pieces = []
    for place, ((kind, body), edit) in enumerate(batch):
        seq = first + place + (1 if gap and place >= gap else 0)
        pieces.append(edit(encode_record(seq, kind, 7, body)))
    return b"".join(pieces)


def by_contract(content):
    """Return records, their lines and what ends them, each line looked at by the contract alone."""
    records, kept = [], b""
    for line in content.split(b"\n")[:-1]:
        try:
            record = decode_record(line + b"\n")
        except ContractError as error:
            return records, kept, str(error)
        if records and record.seq != records[-1].seq + 1:
            return records, kept, f"gap: expected seq {records[-1].seq + 1}, found {record.seq}"
        records.append(record)
        kept += line + b"\n"
    return records, kept, None


READ = {"test_start": ("test", "try")}


def told(record):
    """Return what is stored of a record; fields that no version knows are not."""
    known = ("test", "try", "outcome", "duration_ns", "failure_class", "message", "detail",
             "environment_class", "params", "metrics")  # fmt: skip
    body = record.body
    if record.kind in {"test_start", "test_attempt"}:
        body = {name: body[name] for name in READ.get(record.kind, known) if name in body}
    return record.seq, record.kind, record.mono_ns, json.dumps(body, sort_keys=True)


@settings(max_examples=400, deadline=None)
@given(batches, st.integers(0, 3), st.sampled_from([0, 0, 5]))
def test_any_batch_is_read_as_the_contract_reads_its_lines(batch, gap, torn):
    content = body_of(batch, gap=gap)
    content = content[:-torn] if torn else content
    found = read_batch(content, LINES)
    records, kept, problem = by_contract(content)
    assert (found.content, found.problem) == (kept, problem)
    assert [*map(told, found.records)] == [*map(told, records)]
    assert [line for line in found.lines() if line.count(b"\n") != 1] == []


def test_a_batch_of_usual_records_is_decoded_in_one_go(monkeypatch):
    # The long way would hide that the short one is never taken.
    monkeypatch.setattr(wire, "_read_each", None)
    start = encode_record(1, "test_start", 7, {"test": "m/s/n", "try": 1})
    found = read_batch(start, LINES)
    assert [type(record) for record in found.records] == [Started]


def test_a_batch_with_other_records_is_decoded_in_one_go_too(monkeypatch):
    monkeypatch.setattr(wire, "_read_each", None)
    point = {"metric": "aestus.decode_rate", "version": 1, "unit": "token/s", "value": 3,
             "test": "m/s/n", "estimator": "median", "replicates": [3, 3.5], "launches": [0, 0],
             "inner": 2, "valid": True, "definition": "0" * 64}  # fmt: skip
    sent = [("phase", {"phase": "run", "state": "begin"}), ("test_start", START), ("new", {"a": 1}),
            ("measurement", point), ("test_start", START)]  # fmt: skip
    lines = [encode_record(seq, kind, 7, body) for seq, (kind, body) in enumerate(sent, 1)]
    found = read_batch(b"".join(lines), LINES).records
    assert [type(one) for one in found] == [Record, Started, Record, Measured, Started]
    told = [(one.seq, one.kind, one.body) for one in map(decode_record, lines)]
    assert [(one.seq, one.kind, one.body) for one in found] == told


@settings(max_examples=300, deadline=None)
@given(points)
def test_a_measurement_is_the_record_that_the_contract_makes_of_it(body):
    line = encode_record(1, "measurement", 7, body)
    quick = usual_record(line)
    slow = None if quick is None else decode_record(line)
    assert quick is None or told(quick) == told(slow)


def test_a_measurement_is_decoded_quickly(monkeypatch):
    monkeypatch.setattr(usual_module, "decode_record", None)
    point = {"metric": "aestus.decode_rate", "version": 1, "unit": "token/s", "value": 3,
             "test": "m/s/n", "estimator": "median", "replicates": [3, 3.5], "launches": [0, 0],
             "inner": 2, "valid": False, "reason": "restless", "canary": 0.5, "probe": {"value": 1},
             "definition": "0" * 64}  # fmt: skip
    (found,), by_kind = usual_module.usual_records(encode_record(1, "measurement", 7, point))
    assert (found.body, by_kind.measured) == (point, [found])


def test_a_field_that_nobody_knows_is_left_to_the_contract():
    body = {"test": "m/s/n", "try": 1, "outcome": "passed", "duration_ns": 1}
    content = encode_record(1, "test_attempt", 7, {**body, "more": 1})
    content += encode_record(2, "test_attempt", 7, body)
    assert [type(one) for one in read_batch(content, LINES).records] == [Record, Ended]


def test_a_line_that_is_too_long_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(wire, "LINE_LIMIT", 200)
    long = encode_record(2, "test_start", 7, {"test": "m/s/" + "n" * 200, "try": 1})
    found = read_batch(encode_record(1, "test_start", 7, {"test": "m/s/n", "try": 1}) + long, LINES)
    assert (len(found.records), found.problem) == (1, "seq 2: a line is longer than 200 bytes")


def test_many_short_lines_may_be_longer_than_one_may_be(monkeypatch):
    monkeypatch.setattr(wire, "LINE_LIMIT", 200)
    starts_of = [
        encode_record(seq, "test_start", 7, {"test": "m/s/n", "try": 1}) for seq in (1, 2, 3, 4)
    ]
    assert len(read_batch(b"".join(starts_of), LINES).records) == 4


@pytest.fixture
def attempt(make_stand, make_plan, store):
    stand = make_stand(lambda spec: Script(is_endless=True))
    run_id = stand.start(make_plan({"kernels": ["m/s/n"]}))
    stand.rounds(3)
    with store.reading() as connection:
        (row,) = queries.attempts_of(connection, run_id)
    return row


def stored(store, attempt, records):
    """Store records, return what is there, and take it back."""
    part = StreamPart(records=tuple(records), position=Position(seq=len(records) + 1, offset=9))
    arrival = Arrival(acked_seq=attempt.acked_seq, part=part, moved=(), lost=())
    detail = aliased(Message)
    columns = [
        column for column in Result.__table__.c
        if column.name not in {"test_id", "message_id", "detail_id"}
    ]  # fmt: skip
    query = (
        select(
            *columns,
            StoredTest.module,
            StoredTest.scheme,
            StoredTest.name,
            Message.text,
            detail.text,
        )
        .join(StoredTest, StoredTest.id == Result.test_id)
        .join(Message, Message.id == Result.message_id, isouter=True)
        .join(detail, detail.id == Result.detail_id, isouter=True)
        .where(Result.attempt_id == attempt.id)
        .order_by(Result.seq)
    )
    with contextlib.suppress(ZeroDivisionError), store.writing() as connection:
        in_flight = store_arrival(connection, attempt, arrival)
        rows = [tuple(row) for row in connection.execute(query)]
        problems = [*connection.execute(select(StreamProblem.reason).order_by("offset"))]
        raise ZeroDivisionError
    return in_flight, rows, problems


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example([("test_attempt", {"test": "m/s/n", "try": 1, "outcome": "passed", "duration_ns": 1,
                            "message": "", "params": {}, "metrics": {"n": None}})])  # fmt: skip
@given(st.lists(usual, min_size=1, max_size=6))
def test_any_usual_batch_leaves_the_same_rows_either_way(store, attempt, batch):
    content = b"".join(encode_record(seq, *one[:1], 7, one[1]) for seq, one in enumerate(batch, 1))
    quick = read_batch(content, LINES).records
    slow, _, _ = by_contract(content)
    assert stored(store, attempt, quick) == stored(store, attempt, slow)


@pytest.mark.parametrize("moments", [(True, False), (False, True)])
def test_of_two_environments_the_later_stands_however_each_was_decoded(store, attempt, moments):
    bodies = [
        {"values": {"driver": str(seq)}, **({"moment": {"load": 1}} if has_moment else {})}
        for seq, has_moment in enumerate(moments, 1)
    ]
    content = b"".join(
        encode_record(seq, "environment", 7, one) for seq, one in enumerate(bodies, 1)
    )
    records = read_batch(content, LINES).records
    assert {type(one) for one in records} == {Record, Observed}
    part = StreamPart(records=tuple(records), position=Position(seq=3, offset=9))
    with store.writing() as connection:
        arrival = Arrival(acked_seq=attempt.acked_seq, part=part, moved=(), lost=())
        assert store_arrival(connection, attempt, arrival) == []
    query = select(Environment.fields).join(Attempt, Attempt.environment_id == Environment.id)
    with store.reading() as connection:
        assert connection.execute(query).scalar_one() == {"driver": "2"}


def test_a_record_that_was_decoded_quickly_is_redacted_whole():
    value = "hf_9Zk4wq7LxN2pT0vB"
    body = {"test": f"m/s/{value}", "try": 1, "outcome": "failed", "duration_ns": 5,
            "message": f"no {value}", "params": {value: [value]}}  # fmt: skip
    (found,) = read_batch(encode_record(1, "test_attempt", 7, body), LINES).records
    (redacted,) = redact_records([found], Redactor([value.encode()]))
    stars = "*" * len(value)
    assert type(found) is Ended
    assert (found["message"], found.get("detail", "none")) == (f"no {value}", "none")
    assert (redacted.v, redacted.seq, redacted.kind, redacted.mono_ns) == (1, 1, "test_attempt", 7)
    assert redacted.body == {**body, "test": f"m/s/{stars}", "message": f"no {stars}",
                             "params": {stars: [stars]}}  # fmt: skip
