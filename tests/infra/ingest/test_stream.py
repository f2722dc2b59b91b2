"""Streams arrive in pieces, twice, torn and broken; what is stored is a prefix, once."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from hotfire_infra.executors.fake import Script
from hotfire_infra.executors.spool import Spool
from hotfire_infra.ingest.logs import CHUNK_BYTES, ingest_logs
from hotfire_infra.ingest.stream import check_manifest, ingest_stream
from hotfire_infra.store import queries
from hotfire_infra.store.models import (
    AccuracySample,
    Artifact,
    Collected,
    Coverage,
    Environment,
    Measurement,
    Record,
    Result,
    StreamProblem,
)
from hotfire_testframework.contract.stream import encode_record
from hotfire_testframework.contract.stream_reader import verify_stream


@pytest.fixture
def attempt(make_stand, make_plan, store):
    """A claimed attempt whose spool the test writes."""
    stand = make_stand(lambda spec: Script(is_endless=True))
    run_id = stand.start(make_plan({"kernels": ["m/s/one"]}))
    stand.rounds(3)
    with store.reading() as connection:
        (row,) = queries.attempts_of(connection, run_id)
    return row


@pytest.fixture
def spool(store, attempt) -> Spool:
    return Spool(store.attempts / attempt.ulid)


def result(test: str, outcome: str = "passed", **more):
    body = {"test": test, "try": 1, "outcome": outcome, "duration_ns": 5, **more}
    return ("test_attempt", body)


def lines(*records, start: int = 1) -> bytes:
    return b"".join(
        encode_record(seq, kind, seq, body) for seq, (kind, body) in enumerate(records, start)
    )


def whole(*records) -> bytes:
    """Return a stream that ends with a manifest that fits."""
    collected = {test for kind, body in records if kind == "collected" for test in body["tests"]}
    finished = {body["test"] for kind, body in records if kind == "test_attempt"}
    body = lines(*records)
    manifest = {
        "count": len(records),
        "tests": len(finished),
        "collected": len(collected),
        "sha256": hashlib.sha256(body).hexdigest(),
        "exit_code": 0,
    }
    return body + lines(("manifest", manifest), start=len(records) + 1)


def count(store, model) -> int:
    with store.reading() as connection:
        return connection.execute(select(func.count()).select_from(model)).scalar_one()


def checked(store, attempt, spool):
    with store.reading() as connection:
        return check_manifest(connection, attempt, verify_stream(spool.stream))


def acked(store, attempt) -> int:
    with store.reading() as connection:
        return queries.attempt_by_ulid(connection, attempt.ulid).acked_seq


def test_a_stream_read_twice_is_stored_once(store, attempt, spool):
    spool.stream.write_bytes(lines(result("m/s/a"), result("m/s/b")))
    assert ingest_stream(store, attempt, spool).stored == 2
    assert ingest_stream(store, attempt, spool).stored == 0
    with store.writing() as connection:
        connection.execute(text("UPDATE attempt SET acked_seq = 0, acked_bytes = 0"))
    ingest_stream(store, attempt, spool)
    assert count(store, Result) == 2


def test_a_stream_that_grows_is_read_on_from_where_it_was(store, attempt, spool):
    body = lines(result("m/s/a"), result("m/s/b"), result("m/s/c"))
    for end in range(0, len(body) + 1, 37):
        spool.stream.write_bytes(body[:end])
        ingest_stream(store, attempt, spool)
    spool.stream.write_bytes(body)
    ingest_stream(store, attempt, spool)
    assert (count(store, Result), acked(store, attempt)) == (3, 3)
    assert count(store, StreamProblem) == 0


def test_a_copied_stretch_is_skipped(store, attempt, spool):
    body = lines(result("m/s/a"), result("m/s/b"))
    spool.stream.write_bytes(body + body + lines(result("m/s/c"), start=3))
    ingest_stream(store, attempt, spool)
    assert (count(store, Result), acked(store, attempt)) == (3, 3)


@pytest.mark.parametrize(
    "broken",
    [b"not json\n", b'{"v":99}\n', lines(result("m/s/c"), start=7), b"\xff\x00\n", b"[1]\n"],
)
def test_behind_a_broken_line_or_a_gap_nothing_counts(store, attempt, spool, broken):
    spool.stream.write_bytes(lines(result("m/s/a")) + broken + lines(result("m/s/b"), start=3))
    assert ingest_stream(store, attempt, spool).problem is not None
    ingest_stream(store, attempt, spool)
    assert (acked(store, attempt), count(store, Result), count(store, StreamProblem)) == (1, 1, 1)
    assert not checked(store, attempt, spool).is_valid


def test_unknown_kinds_are_kept_whole(store, attempt, spool):
    spool.stream.write_bytes(lines(("from_the_future", {"answer": 42})))
    ingest_stream(store, attempt, spool)
    with store.reading() as connection:
        row = connection.execute(select(Record)).one()
    assert (row.kind, row.body) == ("from_the_future", {"answer": 42})


def test_a_test_in_flight_is_known_while_it_runs(store, attempt, spool):
    start = ("test_start", {"test": "m/s/a", "try": 1})
    spool.stream.write_bytes(lines(start))
    ingest_stream(store, attempt, spool)
    with store.reading() as connection:
        assert queries.attempt_by_ulid(connection, attempt.ulid).in_flight == ("m/s/a",)
    spool.stream.write_bytes(lines(start, result("m/s/a")))
    ingest_stream(store, attempt, spool)
    with store.reading() as connection:
        assert queries.attempt_by_ulid(connection, attempt.ulid).in_flight == ()


def test_a_whole_stream_satisfies_its_manifest(store, attempt, spool):
    collected = ("collected", {"harness": "command", "tests": ["m/s/a"]})
    spool.stream.write_bytes(whole(collected, result("m/s/a")))
    assert ingest_stream(store, attempt, spool).is_complete
    assert checked(store, attempt, spool).is_valid


def test_a_collected_test_without_a_result_is_not_a_success(store, attempt, spool):
    collected = ("collected", {"harness": "command", "tests": ["m/s/a", "m/s/b"]})
    spool.stream.write_bytes(whole(collected, result("m/s/a")))
    ingest_stream(store, attempt, spool)
    check = checked(store, attempt, spool)
    assert not check.is_valid
    assert "m/s/b" in check.reason


def artifact(path: str, content: bytes, **more):
    body = {
        "name": "out.bin",
        "path": path,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "media_type": "application/octet-stream",
        **more,
    }
    return ("artifact", body)


def write_file(spool: Spool, name: str, content: bytes) -> Path:
    path = spool.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_an_artifact_becomes_a_blob_under_its_name(store, attempt, spool):
    write_file(spool, "artifacts/out.bin", b"content")
    spool.stream.write_bytes(lines(artifact("artifacts/out.bin", b"content")))
    ingest_stream(store, attempt, spool)
    with store.reading() as connection:
        row = connection.execute(select(Artifact)).one()
    assert store.blobs.read(row.sha256) == b"content"


@pytest.mark.parametrize(
    ("path", "content"),
    [("artifacts/out.bin", b"other"), ("artifacts/none.bin", b"content"), ("link", b"content")],
)
def test_an_artifact_that_is_not_what_was_announced_is_a_problem(
    store, attempt, spool, tmp_path, path, content
):
    write_file(spool, "artifacts/out.bin", b"other" if path.endswith("out.bin") else b"content")
    (tmp_path / "outside").write_bytes(b"content")
    (spool.root / "link").symlink_to(tmp_path / "outside")
    announced = b"content" if content == b"other" else content
    spool.stream.write_bytes(lines(artifact(path, announced)))
    ingest_stream(store, attempt, spool)
    assert count(store, Artifact) == 0
    assert "out.bin" in checked(store, attempt, spool).reason


def test_text_that_no_database_can_hold_is_stored_as_well_as_can_be(store, attempt, spool):
    spool.stream.write_bytes(lines(result("m/s/one", message="half \ud800")))
    assert ingest_stream(store, attempt, spool).stored == 1


def test_environments_are_stored_once(store, attempt, spool):
    first = ("environment", {"values": {"cpu_model": "x", "swap": {"absent": True}}})
    again = ("environment", {"values": {"swap": {"absent": True}, "cpu_model": "x"}})
    spool.stream.write_bytes(lines(first, again))
    ingest_stream(store, attempt, spool)
    assert count(store, Environment) == 1


def measurement(**more):
    return {
        "metric": "aestus.decode_rate",
        "version": 1,
        "unit": "token/s",
        "value": 172.5,
        "test": "m/s/decode",
        "estimator": "median",
        "replicates": [170.0, 175.0],
        "launches": [0, 1],
        "inner": 32,
        "probe": {"metric": "probe.read_bandwidth", "value": 1e10},
        "valid": True,
        "definition": "0" * 64,
        **more,
    }


def test_measurements_and_samples_become_rows(store, attempt, spool):
    sample = {
        "task": "perplexity",
        "dataset": "d" * 64,
        "item": "0",
        "prompt": "p",
        "decode_seed": 0,
        "outcome": 1,
        "score": 0.5,
    }
    spool.stream.write_bytes(lines(("measurement", measurement()), ("accuracy_sample", sample)))
    ingest_stream(store, attempt, spool)
    with store.reading() as connection:
        point = connection.execute(select(Measurement)).one()
        item = connection.execute(select(AccuracySample)).one()
    assert (point.value, point.replicates, point.probe_value) == (172.5, [170.0, 175.0], 1e10)
    assert (point.month, item.outcome, item.score) == (202311, "1", 0.5)


def test_coverage_arrives_as_a_record_or_as_an_artifact(store, attempt, spool):
    file = {"path": "a.py", "sha256": "a" * 64, "executable": "07", "hit": "05"}
    body = {"suite": "unit", "language": "python", "files": [file]}
    other = {**body, "suite": "kernels"}
    content = json.dumps(other).encode()
    write_file(spool, "artifacts/out.bin", content)
    announced = artifact(
        "artifacts/out.bin", content, media_type="application/x-hotfire-coverage+json"
    )
    spool.stream.write_bytes(lines(("coverage", body), announced))
    ingest_stream(store, attempt, spool)
    with store.reading() as connection:
        rows = connection.execute(select(Coverage).order_by(Coverage.suite)).all()
    assert [(row.suite, row.executable, row.hit) for row in rows] == [
        ("kernels", b"\x07", b"\x05"),
        ("unit", b"\x07", b"\x05"),
    ]


def test_logs_become_chunks_that_join_up(store, attempt, spool):
    content = bytes(range(256)) * (CHUNK_BYTES // 256 * 2) + b"tail"
    spool.log("stdout").write_bytes(content)
    assert ingest_logs(store, attempt.id, spool, is_final=False) == 2 * CHUNK_BYTES
    assert ingest_logs(store, attempt.id, spool, is_final=True) == 4
    assert ingest_logs(store, attempt.id, spool, is_final=True) == 0
    with store.reading() as connection:
        chunks = queries.log_chunks(connection, attempt.id, "stdout", 0)
    assert b"".join(store.blobs.read(digest) for _, _, digest in chunks) == content


def test_two_thousand_results_are_stored_in_well_under_a_second(store, attempt, spool):
    records = [
        result(f"aestus.kernels/native/gemm.f32:m={i},n=1,k=1", metrics={"impl": "avx2", "n": i})
        for i in range(2000)
    ]
    spool.stream.write_bytes(lines(*records))
    began = time.process_time()
    ingest_stream(store, attempt, spool)
    # Processor time: other work on the machine must not make this fail.
    assert time.process_time() - began < 0.5
    assert count(store, Result) == 2000


def problems(store) -> dict[int, str]:
    with store.reading() as connection:
        return dict(connection.execute(select(StreamProblem.offset, StreamProblem.reason)).all())


LONG = "n" * 1025
WIDE = "é" * 700


@pytest.mark.parametrize(
    "test",
    [f"m/s/{LONG}", f"{LONG}/s/a", f"{WIDE}/{WIDE}/a", "no-identifier", "m/only-two"],
    ids=["long name", "long module", "too many bytes", "one part", "two parts"],
)
def test_a_test_that_no_database_can_hold_is_a_problem_and_the_rest_is_stored(
    store, attempt, spool, test
):
    spool.stream.write_bytes(
        lines(
            ("collected", {"harness": "command", "tests": [test, "m/s/b"]}),
            ("test_start", {"test": test, "try": 1}),
            result(test),
            result("m/s/b"),
        )
    )
    assert ingest_stream(store, attempt, spool).stored == 4
    assert (acked(store, attempt), count(store, Result), count(store, Collected)) == (4, 1, 1)
    assert set(problems(store)) == {-1, -3}
    assert all("test" in reason and len(reason) < 200 for reason in problems(store).values())
    assert not checked(store, attempt, spool).is_valid
    with store.reading() as connection:
        assert queries.attempt_by_ulid(connection, attempt.ulid).in_flight == ()


def test_the_longest_name_is_stored(store, attempt, spool):
    spool.stream.write_bytes(lines(result(f"m/s/{'n' * 1024}"), result(f"{'é' * 1024}/s/b")))
    ingest_stream(store, attempt, spool)
    assert (count(store, Result), problems(store)) == (2, {})


def test_other_names_that_are_too_long_are_problems_too(store, attempt, spool):
    sample = {"task": LONG, "dataset": "d", "item": "1", "prompt": "p", "decode_seed": 1}
    file = {"path": LONG, "sha256": "0" * 64, "executable": "ff", "hit": "00"}
    measured = measurement(estimator=LONG)
    spool.stream.write_bytes(
        lines(
            (LONG, {"answer": 42}),
            ("accuracy_sample", {**sample, "outcome": 1}),
            ("coverage", {"suite": "s", "language": "c", "files": [file]}),
            ("measurement", measured),
            result("m/s/a"),
        )
    )
    ingest_stream(store, attempt, spool)
    assert (acked(store, attempt), count(store, Result)) == (5, 1)
    assert sorted(problems(store)) == [-4, -3, -2, -1]
    assert count(store, Record) + count(store, Coverage) + count(store, AccuracySample) == 0


def test_a_figure_that_is_none_is_kept_by_its_word(store, attempt, spool):
    line = lines(result("m/s/a", metrics={"x": 1.5, "y": None, "z": 7}))
    spool.stream.write_bytes(line.replace(b'"z":7', b'"z":NaN'))
    ingest_stream(store, attempt, spool)
    with store.reading() as connection:
        (metrics,) = connection.execute(select(Result.metrics)).scalars()
    assert metrics == {"x": 1.5, "y": None, "z": "nan"}
