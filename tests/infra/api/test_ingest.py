"""Ingest by HTTP: acknowledged after the commit, once, behind fence, caps and back-pressure."""

import gzip
import hashlib
from dataclasses import replace

import httpx
import msgspec
import pytest
from sqlalchemy import func, select

from hotfire_infra.errors import StorageFullError
from hotfire_infra.executors.spool import Spool
from hotfire_infra.ingest import writer as writer_module
from hotfire_infra.ingest.placing import write_at
from hotfire_infra.ingest.stream import read_arrival, store_arrival
from hotfire_infra.ingest.writer import IngestWriter
from hotfire_infra.store import queries
from hotfire_infra.store.models import Result, StreamProblem
from hotfire_testframework.contract.stream import encode_record

LINES = {"Content-Type": "application/x-ndjson"}


class Runner:
    """What a runner of one attempt may do."""

    def __init__(self, client, attempt):
        self.client = client
        self.ulid, self.token, self.fence = attempt

    def send(self, method, path, *, fence=None, token=None, headers=None, **options):
        return self.client.request(
            method,
            f"/attempts/{self.ulid}{path}",
            headers={
                "Authorization": f"Bearer {token or self.token}",
                "Hotfire-Fence": str(self.fence if fence is None else fence),
                **(headers or {}),
            },
            **options,
        )

    def records(self, content, **options):
        return self.send("POST", "/records", content=content, headers=LINES, **options)


@pytest.fixture
def service(make_service, live_attempt):
    return make_service()


@pytest.fixture
def runner(service, served, live_attempt, store):
    # The scripted runner must not have written a stream of its own.
    assert not (store.attempts / live_attempt[0] / "stream.jsonl").exists()
    with (
        served(service) as address,
        httpx.Client(base_url=f"{address}/api/v1", timeout=30) as client,
    ):
        yield Runner(client, live_attempt)


def results(count, first=1):
    pairs = []
    for number in range(count):
        test = f"m/s/t{number}"
        body = {"test": test, "try": 1, "outcome": "passed", "duration_ns": 5}
        pairs += [("test_start", {"test": test, "try": 1}), ("test_attempt", body)]
    return b"".join(
        encode_record(seq, *pair[:1], 7, pair[1]) for seq, pair in enumerate(pairs, first)
    )


def stored(store):
    with store.reading() as connection:
        return connection.execute(select(func.count()).select_from(Result)).scalar()


def acked(store, runner):
    with store.reading() as connection:
        return queries.attempt_by_ulid(connection, runner.ulid).acked_seq


def test_an_acknowledged_batch_is_committed_and_its_lines_are_kept(store, runner):
    before, content = stored(store), results(50)
    assert runner.records(content).json() == {"acked_seq": 100}
    assert (stored(store) - before, acked(store, runner)) == (50, 100)
    assert (store.attempts / runner.ulid / "stream.jsonl").read_bytes() == content


def test_the_same_batch_again_is_acknowledged_and_stored_once(store, runner):
    before, content = stored(store), results(50)
    assert [runner.records(content).json()["acked_seq"] for _ in range(3)] == [100, 100, 100]
    assert stored(store) - before == 50


def test_a_batch_that_overlaps_is_stored_from_where_it_is_new(store, runner):
    content = results(50)
    lines = content.splitlines(keepends=True)
    runner.records(b"".join(lines[:60]))
    assert runner.records(b"".join(lines[40:])).json() == {"acked_seq": 100}
    assert (store.attempts / runner.ulid / "stream.jsonl").read_bytes() == content


def test_a_gap_is_refused_with_where_to_go_on(store, runner):
    content = results(50)
    lines = content.splitlines(keepends=True)
    runner.records(b"".join(lines[:10]))
    answer = runner.records(b"".join(lines[20:]))
    assert (answer.status_code, answer.json()["type"]) == (409, "about:blank#gap")
    assert answer.json()["acked_seq"] == acked(store, runner) == 10


def test_what_precedes_a_broken_record_is_stored_and_the_rest_never(store, runner):
    content = results(5) + b'{"v":1,"seq":11,"kind":"test_start","mono_ns":1}\n' + results(1, 12)
    answer = runner.records(content)
    assert (answer.status_code, answer.json()["acked_seq"]) == (422, 10)
    assert "test_start.test" in answer.json()["detail"]
    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(StreamProblem)).scalar() == 1


def test_a_wrong_fence_and_a_wrong_token_store_nothing(store, runner):
    before = stored(store)
    assert runner.records(results(5), fence=runner.fence + 1).status_code == 409
    assert runner.records(results(5), token="x" * 43).status_code == 401
    assert stored(store) == before


def test_an_encoded_gzipped_batch_is_stored_like_its_lines(store, runner):
    document = {
        "v": 1,
        "strings": ["m/s/a", "passed"],
        "records": [
            {"seq": 1, "kind": "test_start", "mono_ns": 1, "test": 0, "try": 1},
            {"seq": 2, "kind": "test_attempt", "mono_ns": 1, "test": 0, "try": 1, "outcome": 1,
             "duration_ns": 1},
        ],
    }  # fmt: skip
    before = stored(store)
    answer = runner.send(
        "POST", "/records", content=gzip.compress(msgspec.msgpack.encode(document)),
        headers={"Content-Type": "application/msgpack", "Content-Encoding": "gzip"},
    )  # fmt: skip
    assert answer.json() == {"acked_seq": 2}
    assert stored(store) - before == 1


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"x" * (17 << 20), LINES, 413),
        (gzip.compress(b" " * (65 << 20)), {**LINES, "Content-Encoding": "gzip"}, 413),
        (b"no gzip", {**LINES, "Content-Encoding": "gzip"}, 400),
        (b"x", {**LINES, "Content-Encoding": "br"}, 415),
        (b"<x/>", {"Content-Type": "text/xml"}, 415),
        (b"[1]", {"Content-Type": "application/json"}, 400),
    ],
)
def test_what_is_no_batch_is_refused_with_a_reason(runner, content, headers, status):
    answer = runner.send("POST", "/records", content=content, headers=headers)
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_a_full_queue_is_429_with_when_to_come_back(runner, service, monkeypatch):
    def is_full(_self, _delivery):
        raise writer_module.QueueFullError("busy")

    monkeypatch.setattr(IngestWriter, "deliver", is_full)
    answer = runner.records(results(1))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


def test_a_full_disk_is_507_and_nothing_is_acknowledged(store, runner, monkeypatch):
    def is_full(*_):
        raise StorageFullError("no room left")

    monkeypatch.setattr(writer_module, "_append", is_full)
    assert runner.records(results(5)).status_code == 507
    assert acked(store, runner) == 0
    monkeypatch.undo()
    assert runner.records(results(5)).json() == {"acked_seq": 10}


def test_a_value_that_cannot_be_stored_fails_its_own_batch_only(store, runner, monkeypatch):
    original = writer_module.store_arrival

    def picky(connection, attempt, arrival):
        if any(record.get("test") == "m/s/evil" for record in arrival.part.records):
            raise ValueError("evil")
        return original(connection, attempt, arrival)

    monkeypatch.setattr(writer_module, "store_arrival", picky)
    evil = encode_record(1, "test_start", 1, {"test": "m/s/evil", "try": 1})
    assert runner.records(evil).status_code == 422
    assert runner.records(results(1)).json() == {"acked_seq": 2}


def delivery_of(store, attempt, content):
    with store.reading() as connection:
        row = queries.attempt_by_ulid(connection, attempt[0])
    return writer_module.Delivery(
        attempt_id=row.id, fence=row.fence, spool=Spool(store.attempts / attempt[0]),
        content=content, media_type=LINES["Content-Type"],
    )  # fmt: skip


def test_what_was_taken_is_stored_before_the_writer_ends(store, live_attempt):
    writer = IngestWriter(store)
    lines = results(3).splitlines(keepends=True)
    answers = [writer.deliver(delivery_of(store, live_attempt, line)) for line in lines]
    writer.start()
    writer.close()
    assert [answer.result(0) for answer in answers] == [1, 2, 3, 4, 5, 6]
    with pytest.raises(writer_module.QueueFullError):
        writer.deliver(delivery_of(store, live_attempt, b""))


def test_what_another_reader_stores_meanwhile_is_waited_for_and_not_stored_again(
    store, live_attempt
):
    content, writer = results(5), IngestWriter(store)
    spool = Spool(store.attempts / live_attempt[0])
    answer = writer.deliver(delivery_of(store, live_attempt, content))
    write_at(spool.stream, 0, content)
    with store.writing() as connection:
        attempt = queries.attempt_by_ulid(connection, live_attempt[0])
        # The orchestrator, which has read the copy of the spool, is first.
        arrival = read_arrival(store, spool, acked_seq=0, acked_bytes=0)
        assert store_arrival(connection, attempt, arrival) == []
        writer.start()
    writer.close()
    assert answer.result(0) == 10
    assert stored(store) == 5 + 2  # those of the run before
    assert spool.stream.read_bytes() == content


def test_records_of_an_attempt_that_is_gone_are_refused(store, live_attempt):
    writer = IngestWriter(store)
    gone = replace(delivery_of(store, live_attempt, results(1)), attempt_id=1 << 40)
    answer = writer.deliver(gone)
    writer.start()
    writer.close()
    with pytest.raises(writer_module.IngestRefusedError, match="gone"):
        answer.result(0)


def test_a_queue_that_holds_enough_takes_no_more(store, live_attempt, monkeypatch):
    monkeypatch.setattr(writer_module, "QUEUED_BYTES", 1000)
    writer = IngestWriter(store)
    # One batch always fits, however large.
    writer.deliver(delivery_of(store, live_attempt, b"x" * 5000))
    with pytest.raises(writer_module.QueueFullError):
        writer.deliver(delivery_of(store, live_attempt, b"x"))


def test_output_comes_in_pieces_that_may_come_twice(store, runner):
    def put(offset, content):
        return runner.send("POST", "/logs/stdout", params={"offset": offset}, content=content)

    (store.attempts / runner.ulid / "stdout.log").unlink(missing_ok=True)
    assert put(0, b"abc").json() == {"size": 3}
    assert put(1, b"bcd").json() == {"size": 4}
    gap = put(9, b"x")
    assert (gap.status_code, gap.json()["size"]) == (409, 4)
    assert (store.attempts / runner.ulid / "stdout.log").read_bytes() == b"abcd"


def test_an_artifact_is_stored_before_the_record_that_names_it(store, runner):
    content = b"kept"
    digest = hashlib.sha256(content).hexdigest()
    put = runner.send("PUT", "/artifacts/deep/out.txt", params={"sha256": digest}, content=content)
    assert put.json() == {"name": "deep/out.txt", "sha256": digest, "size": 4}
    body = {
        "name": "deep/out.txt", "path": "artifacts/deep/out.txt", "sha256": digest, "size": 4,
        "media_type": "text/plain",
    }  # fmt: skip
    assert runner.records(encode_record(1, "artifact", 1, body)).json() == {"acked_seq": 1}
    read = runner.client.get(f"/attempts/{runner.ulid}/artifacts/deep/out.txt")
    assert read.content == content


@pytest.mark.parametrize("name", ["..%2fx", "a/../../x", "%2e%2e/x", "a%00b", "a//b", "x" * 300])
def test_an_artifact_stays_in_the_attempts_directory(store, runner, name):
    digest = hashlib.sha256(b"x").hexdigest()
    answer = runner.send("PUT", f"/artifacts/{name}", params={"sha256": digest}, content=b"x")
    assert answer.status_code in (404, 405, 422)


def test_the_answer_to_a_heartbeat_says_when_to_stop(store, runner, service):
    beat = {"phase": "run", "test": "m/s/t"}
    assert runner.send("PUT", "/heartbeat", json=beat).json()["cancel"] is False
    service.executor.cancel(runner.ulid, grace_seconds=5)
    answer = runner.send("PUT", "/heartbeat", json=beat).json()
    assert (answer["cancel"], answer["grace_seconds"]) == (True, 5.0)


def test_the_holder_may_claim_again_and_nobody_else(store, runner):
    with store.reading() as connection:
        holder = queries.attempt_by_ulid(connection, runner.ulid).holder
    again = runner.send("POST", "/claim", json={"holder": holder})
    assert again.json()["fence"] == runner.fence
    other = runner.send("POST", "/claim", json={"holder": "another"})
    assert (other.status_code, other.json()["type"]) == (409, "about:blank#claimed")


def test_specification_and_inputs_are_for_the_runner_only(store, runner):
    assert runner.send("GET", "/spec").json()["attempt"] == runner.ulid
    assert runner.client.get(f"/attempts/{runner.ulid}/spec").status_code == 401
    assert runner.send("GET", "/inputs/nothing").status_code == 404
