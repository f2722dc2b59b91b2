"""The stream: the golden corpus, prefixes, gaps, torn lines and what a record may hold."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from hotfire_testframework.contract.stream import Kind, check_body, decode_record, encode_record
from hotfire_testframework.contract.stream_reader import Position, read_stream, verify_stream
from hotfire_testframework.errors import ContractError, MetricError
from hotfire_testframework.runner.spool import DiskFullError, Spool

CORPUS = Path(__file__).parent / "corpus"
WHOLE = CORPUS / "v1-every-kind.jsonl"


def test_a_stream_of_every_kind_is_read_and_its_manifest_fits():
    verdict = verify_stream(WHOLE)

    assert verdict.is_valid
    streams = (WHOLE, CORPUS / "v1-evidence.jsonl", CORPUS / "v1-report.jsonl")
    kinds = {record.kind for path in streams for record in read_stream(path).records}
    assert {kind.value for kind in Kind} <= kinds


def test_reports_of_other_tools_are_named_by_the_verdict_of_a_stream():
    verdict = verify_stream(CORPUS / "v1-report.jsonl")

    assert verdict.is_valid
    found = [(one["path"], one["format"], one.get("artifact")) for one in verdict.reports]
    assert found == [("out/results.xml", "junit", "report-1.xml"), ("out/more.tap", "tap", None)]


def test_an_unknown_kind_is_kept():
    record = next(item for item in read_stream(WHOLE).records if not item.is_known)

    assert record.kind == "telemetry_of_the_future"
    assert record["anything"] == [1, None]


def test_the_version_before_is_read_in_the_words_of_this_one():
    verdict = verify_stream(CORPUS / "v0-passed.jsonl")
    records = read_stream(CORPUS / "v0-passed.jsonl").records

    assert verdict.is_valid
    assert [record.kind for record in records] == [
        "session",
        "collected",
        "test_start",
        "test_attempt",
        "manifest",
    ]
    assert records[3]["try"] == 1
    assert records[3].mono_ns == 4000


def test_a_newer_version_is_refused_and_not_guessed_at():
    part = read_stream(CORPUS / "v2-from-the-future.jsonl")

    assert len(part.records) == 1
    assert "newer reader" in str(part.problem)


def test_a_killed_runner_leaves_a_prefix_and_a_torn_line_is_no_problem():
    part, verdict = (
        read_stream(CORPUS / "v1-killed.jsonl"),
        verify_stream(CORPUS / "v1-killed.jsonl"),
    )

    assert part.problem is None
    assert part.torn_bytes == 40
    assert len(part.records) == 8
    assert not verdict.is_valid
    assert len(verdict.finished) == 1
    assert len(verdict.in_flight) == 1


def test_nothing_behind_a_gap_counts():
    part = read_stream(CORPUS / "v1-gap.jsonl")

    assert [record.seq for record in part.records] == [1, 2, 3, 4, 5]
    assert part.problem == "gap: expected seq 6, found 7"


def test_records_sent_twice_count_once():
    part = read_stream(CORPUS / "v1-doubled.jsonl")

    assert part.problem is None
    assert [record.seq for record in part.records] == list(range(1, len(part.records) + 1))
    assert part.is_complete


def test_nothing_behind_garbage_counts():
    part = read_stream(CORPUS / "v1-garbage.jsonl")

    assert len(part.records) == 5
    assert "seq 6" in str(part.problem)


def test_a_changed_result_breaks_the_manifest():
    verdict = verify_stream(CORPUS / "v1-tampered.jsonl")

    assert not verdict.is_valid
    assert any("sha256" in problem for problem in verdict.problems)


def test_reading_in_pieces_gives_the_same_as_reading_at_once():
    whole = read_stream(WHOLE).records
    position, pieces = Position(), []
    while (part := read_stream(WHOLE, position, limit=3)).records:
        pieces.extend(part.records)
        position = part.position

    assert tuple(pieces) == whole


def test_a_stream_is_followed_while_it_grows(tmp_path):
    data, path = WHOLE.read_bytes(), tmp_path / "stream.jsonl"
    position, seen = Position(), []
    for end in range(0, len(data) + 97, 97):
        path.write_bytes(data[:end])
        part = read_stream(path, position)
        assert part.problem is None
        seen.extend(part.records)
        position = part.position

    assert tuple(seen) == read_stream(WHOLE).records


def test_a_stream_that_is_not_there_yet_is_empty(tmp_path):
    assert read_stream(tmp_path / "none").records == ()


def test_a_collected_test_without_result_makes_a_stream_invalid(tmp_path):
    spool = Spool(tmp_path / "s.jsonl", tmp_path / "ballast")
    spool.emit(Kind.COLLECTED, {"harness": "cases", "tests": ["a/b/c", "a/b/d"]})
    spool.emit(
        Kind.TEST_ATTEMPT, {"test": "a/b/c", "try": 1, "outcome": "passed", "duration_ns": 1}
    )
    spool.finish(0)
    verdict = verify_stream(tmp_path / "s.jsonl")

    assert verdict.problems == ()
    assert not verdict.is_valid


def test_numbers_that_json_does_not_know_become_text():
    line = encode_record(
        1, "test_attempt", 0, {"metrics": {"a": float("nan"), "b": [float("-inf"), 1.5]}}
    )

    assert json.loads(line)["metrics"] == {"a": "nan", "b": ["-inf", 1.5]}


def test_half_a_character_is_replaced_and_a_whole_one_is_kept():
    body = {**RESULT, "message": "lone \ud800 and \U0001f525", "metrics": {"\udfff": 1}}
    read = decode_record(encode_record(1, "test_attempt", 0, body))
    assert read["message"] == "lone \ufffd and \U0001f525"
    assert read["metrics"] == {"\ufffd": 1}


RESULT = {"test": "a/b/c", "try": 1, "outcome": "passed", "duration_ns": 1}
POINT = {
    "metric": "build.duration", "version": 1, "unit": "s", "value": 1.0, "test": "a/b/c", "estimator": "median",
    "replicates": [1.0], "launches": [0], "inner": 1, "valid": True, "definition": "0" * 64,
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("test_attempt", {**RESULT, "outcome": "maybe"}, "test_attempt.outcome"),
        ("test_attempt", {**RESULT, "duration_ns": -1}, "test_attempt.duration_ns"),
        ("test_attempt", {**RESULT, "try": True}, "test_attempt.try"),
        (
            "test_attempt",
            {key: RESULT[key] for key in ("test", "try", "outcome")},
            "test_attempt.duration_ns",
        ),
        (
            "artifact",
            {"name": "a", "path": "../a", "sha256": "0" * 64, "size": 1, "media_type": "x"},
            "artifact.path",
        ),
        (
            "artifact",
            {"name": "a", "path": "/a", "sha256": "0" * 64, "size": 1, "media_type": "x"},
            "artifact.path",
        ),
        (
            "artifact",
            {"name": "a", "path": "a", "sha256": "0" * 63, "size": 1, "media_type": "x"},
            "artifact.sha256",
        ),
        ("collected", {"harness": "cases", "tests": [1]}, "collected.tests"),
        ("measurement", {**POINT, "launches": []}, "measurement.launches"),
        ("measurement", {**POINT, "value": "1"}, "measurement.value"),
        ("measurement", {**POINT, "value": float("nan")}, "measurement.value"),
        ("measurement", {**POINT, "value": 10**400}, "measurement.value"),
        ("measurement", {**POINT, "replicates": [float("inf")]}, "measurement.replicates"),
        ("test_attempt", {**RESULT, "duration_ns": 2**63}, "test_attempt.duration_ns"),
        (
            "accuracy_sample",
            {
                "task": "t",
                "dataset": "d",
                "item": "i",
                "prompt": "p",
                "decode_seed": 0,
                "outcome": True,
            },
            "accuracy_sample.outcome",
        ),
    ],
)
def test_a_wrong_field_is_named_with_its_value(kind, body, field):
    with pytest.raises(ContractError, match=field.replace(".", r"\.")):
        check_body(kind, body)


@pytest.mark.parametrize("change", [{"metric": "build.time"}, {"unit": "ms"}, {"version": 2}])
def test_a_measurement_must_fit_its_registered_metric(change):
    with pytest.raises(MetricError):
        check_body("measurement", {**POINT, **change})


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"v":true,"seq":1,"kind":"x","mono_ns":1}',
        b'{"v":1,"seq":0,"kind":"x","mono_ns":1}',
        b'{"v":1,"seq":1,"kind":"","mono_ns":1}',
        b'{"v":1,"seq":1,"kind":"x"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_record_is_refused(line):
    with pytest.raises(ContractError):
        decode_record(line)


def test_a_torn_write_is_taken_back_so_that_the_prefix_stays_readable(tmp_path, monkeypatch):
    spool = Spool(tmp_path / "s.jsonl", tmp_path / "ballast")
    spool.emit("problem", {"what": "first"})
    real, calls = os.write, []

    def write_a_part(descriptor: int, data: bytes) -> int:
        calls.append(data)
        if len(calls) == 1:
            return real(descriptor, data[:10])
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "write", write_a_part)
    with pytest.raises(DiskFullError):
        spool.emit("problem", {"what": "second"})
    monkeypatch.undo()
    spool.emit("problem", {"what": "third"})
    spool.finish(35)

    assert verify_stream(tmp_path / "s.jsonl").problems == ()
    assert [record.get("what") for record in read_stream(tmp_path / "s.jsonl").records] == [
        "first",
        "third",
        None,
    ]
