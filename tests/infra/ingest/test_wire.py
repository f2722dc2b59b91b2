"""Batches: the quick decoder says the same as the contract, and nobody gets past the caps."""

import gzip
import json

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hotfire_infra.ingest.wire import WireError, inflate, read_batch
from hotfire_testframework.contract.stream import decode_record, encode_record
from hotfire_testframework.errors import ContractError

LINES = "application/x-ndjson"
START = {"test": "m/s/n", "try": 1}
RESULT = {
    "test": "m/s/n", "try": 1, "outcome": "failed", "duration_ns": 5, "message": "no \u00e9",
    "failure_class": "product", "metrics": {"error_over_bound": 3.1}, "params": {"n": 1},
}  # fmt: skip


def lines_of(*records, first=1):
    return b"".join(
        encode_record(seq, kind, 7, body) for seq, (kind, body) in enumerate(records, first)
    )


def read(content, kind=LINES):
    return read_batch(content, kind)


def test_records_are_read_with_their_lines():
    content = lines_of(("test_start", START), ("test_attempt", RESULT), ("new_kind", {"a": 1}))
    batch = read(content)
    assert (batch.content, b"".join(batch.lines())) == (content, content)
    assert [record.kind for record in batch.records] == ["test_start", "test_attempt", "new_kind"]
    assert batch.problem is None


def test_the_quick_decoder_gives_the_values_of_the_contract():
    content = lines_of(("test_start", START), ("test_attempt", RESULT))
    for quick, line in zip(read(content).records, content.splitlines(True), strict=True):
        slow = decode_record(line)
        assert (quick.seq, quick.kind, quick.mono_ns) == (slow.seq, slow.kind, slow.mono_ns)
        assert dict(quick.body) == dict(slow.body)
        for name in (*slow.body, "environment_class"):
            assert quick.get(name, "absent") == slow.get(name, "absent")
        assert quick["test"] == slow["test"]


READ = {"test_start": ("test", "try")}
values = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 3), st.just(2**63), st.just(1.0), st.text(max_size=3),
    st.just("m/s/n"), st.just("passed"), st.just({}), st.just([]),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@example("test_start", {"v": 0, "kind": {}})
@given(
    st.sampled_from(["test_start", "test_attempt"]),
    st.dictionaries(
        st.sampled_from([*RESULT, "v", "seq", "kind", "mono_ns", "detail", "more"]), values
    ),
)
def test_what_the_contract_refuses_is_refused_with_its_words(kind, change):
    record = {"v": 1, "seq": 1, "kind": kind, "mono_ns": 7, **RESULT, **change}
    line = json.dumps(record).encode() + b"\n"
    batch = read(line)
    slow = by_contract(line)
    if isinstance(slow, str):
        assert (batch.records, batch.problem) == ([], slow)
        return
    assert batch.problem is None
    (quick,) = batch.records
    assert (quick.seq, quick.kind) == (slow.seq, slow.kind)
    for name in READ.get(quick.kind, RESULT):
        assert quick.get(name) == slow.get(name)


def by_contract(line):
    """Return the record of a line, or why it is none."""
    try:
        return decode_record(line)
    except ContractError as error:
        return str(error)


def test_a_broken_line_ends_the_batch_and_what_precedes_it_counts():
    content = lines_of(("test_start", START)) + b"{not json\n" + lines_of(("x", {}), first=3)
    batch = read(content)
    assert len(batch.records) == 1
    assert "no JSON" in batch.problem


def test_a_gap_inside_a_batch_ends_it():
    batch = read(lines_of(("a", {})) + lines_of(("b", {}), first=3))
    assert (len(batch.records), batch.problem) == (1, "gap: expected seq 2, found 3")


def test_a_torn_last_line_is_not_there_yet():
    content = lines_of(("a", {}), ("b", {}))
    assert len(read(content[:-3]).records) == 1


@pytest.mark.parametrize("kind", ["application/json", "application/msgpack"])
def test_an_encoded_document_is_the_same_as_its_lines(kind):
    document = {
        "v": 1,
        "strings": ["m/s/n", "no \u00e9", "failed", "product"],
        "records": [
            {"seq": 1, "kind": "collected", "mono_ns": 7, "harness": "cases", "tests": [0]},
            {"seq": 2, "kind": "test_start", "mono_ns": 7, "test": 0, "try": 1},
            {"seq": 3, "kind": "test_attempt", "mono_ns": 7, **RESULT, "test": 0, "message": 1,
             "outcome": 2, "failure_class": 3},
        ],
    }  # fmt: skip
    encode = msgspec.json.encode if kind.endswith("json") else msgspec.msgpack.encode
    expected = lines_of(
        ("collected", {"harness": "cases", "tests": ["m/s/n"]}),
        ("test_start", START),
        ("test_attempt", RESULT),
    )
    assert read(encode(document), kind).content == expected


@pytest.mark.parametrize(
    "document",
    [
        [], {"v": 2, "records": []}, {"v": 1, "records": [1]}, {"v": 1, "records": [{}]},
        {"v": 1, "records": [{"seq": 1, "kind": "a", "mono_ns": 1, "test": 0}]},
        {"v": 1, "records": [], "more": 1}, "x", None,
    ],
)  # fmt: skip
def test_a_document_that_is_no_batch_is_refused(document):
    with pytest.raises(WireError):
        read(json.dumps(document).encode(), "application/json")


def test_the_outcome_of_an_accuracy_sample_is_no_position():
    sample = {
        "task": "t", "dataset": "d", "item": "i", "prompt": "p", "decode_seed": 0, "outcome": 1,
    }  # fmt: skip
    record = {"seq": 1, "kind": "accuracy_sample", "mono_ns": 1, **sample}
    document = {"v": 1, "strings": [], "records": [record]}
    (found,) = read(json.dumps(document).encode(), "application/json").records
    assert found["outcome"] == 1


def test_an_inflated_body_is_capped_before_it_is_whole():
    bomb = gzip.compress(b"\0" * (64 << 20))
    with pytest.raises(WireError, match="more than 1048576 bytes"):
        inflate(bomb, 1 << 20)


@pytest.mark.parametrize(
    "body", [b"", b"no gzip", gzip.compress(b"x", mtime=0)[:-4], gzip.compress(b"x", mtime=0) * 2]
)
def test_a_broken_gzip_is_refused(body):
    with pytest.raises(WireError):
        inflate(body, 1000)


def test_an_unknown_media_type_is_refused():
    with pytest.raises(WireError, match="not as 'text/xml'"):
        read(b"", "text/xml")
