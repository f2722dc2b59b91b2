"""The mix of `benchmarks.ingest`: records of attempts, and the store that they are written into."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, insert

from hotfire_infra.store.database import Store
from hotfire_infra.store.models import (
    Attempt,
    Base,
    Cell,
    Run,
    SourceStamp,
    Task,
    Test,
    Variant,
)
from hotfire_testframework.contract.stream import Record, encode_record

A_BATCH = 1_000
MESSAGE_BYTES = 2_000
KNOWN_TESTS = 4_000


def batches(count: int, seed: int = 1) -> list[list[Record]]:
    """Return the records of `count` attempts."""
    chance = random.Random(seed)
    frequent = [_message(chance) for _ in range(200)]
    made = []
    for attempt in range(count):
        records: list[Record] = []

        def add(kind: str, body: dict[str, Any], into: list[Record] = records) -> None:
            into.append(Record(seq=len(into) + 1, kind=kind, mono_ns=0, body=body))

        if attempt % 5 == 0:
            add("environment", _environment(f"{attempt}"))
        while len(records) < A_BATCH:
            for kind, body in _one_test(chance, frequent, f"{attempt}-{len(records)}"):
                add(kind, body)
        made.append(records)
    return made


def streams(count: int, length: int, seed: int = 1) -> list[list[bytes]]:
    """Return what `count` attempts send: `length` batches each, numbered through.

    Each try has its start, as a runner tells it; one batch in five begins with a new environment.
    """
    chance = random.Random(seed)
    frequent = [_message(chance) for _ in range(200)]
    return [[*_sent(chance, frequent, stream, length)] for stream in range(count)]


def _sent(chance: random.Random, frequent: list[str], stream: int, length: int) -> Iterator[bytes]:
    seq = 0
    for batch in range(length):
        lines: list[bytes] = []

        def add(kind: str, body: dict[str, Any], into: list[bytes] = lines) -> None:
            nonlocal seq
            seq += 1
            into.append(encode_record(seq, kind, 1000 * seq, body))

        if batch % 5 == 0:
            add("environment", _environment(f"{stream}-{batch}"))
        while len(lines) < A_BATCH:
            for kind, body in _one_test(chance, frequent, f"{stream}-{seq}"):
                if kind == "test_attempt":
                    add("test_start", {"test": body["test"], "try": body["try"]})
                add(kind, body)
        yield b"".join(lines)


def _environment(driver: str) -> dict[str, Any]:
    return {"values": {"driver": driver, "cpu": "Zen 5"}}


def _one_test(
    chance: random.Random, frequent: list[str], new: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what one test says: one or two tries, sometimes a measurement."""
    number = chance.randrange(KNOWN_TESTS)
    is_new = chance.random() < 0.01
    test = f"m/case/new-{new}" if is_new else _name(number)
    for try_number in (1, 2) if chance.random() < 0.02 else (1,):
        failed = chance.random() < 0.1
        body: dict[str, Any] = {
            "test": test,
            "try": try_number,
            "outcome": "failed" if failed else "passed",
            "duration_ns": chance.randrange(10**9),
            "environment_class": "cpu/avx2",
        }
        if failed:
            is_known = chance.random() < 0.5
            body["message"] = chance.choice(frequent) if is_known else _message(chance)
            body["failure_class"] = "product"
        yield "test_attempt", body
    if chance.random() < 0.05:
        yield "measurement", _measurement(chance, test)


def _name(number: int) -> str:
    return f"aestus.kernels/case/matmul.f32:m={number},n=64,k=64,seed=1"


def _measurement(chance: random.Random, test: str) -> dict[str, Any]:
    replicates = [chance.uniform(170.0, 175.0) for _ in range(10)]
    return {
        "metric": "aestus.decode_rate",
        "version": 1,
        "unit": "token/s",
        "value": statistics.median(replicates),
        "test": test,
        "estimator": "median",
        "replicates": replicates,
        "launches": [number // 5 for number in range(10)],
        "inner": 32,
        "probe": {"metric": "probe.read_bandwidth", "value": 1e10},
        "valid": True,
        "definition": "0" * 64,
    }


def _message(chance: random.Random) -> str:
    return chance.randbytes(MESSAGE_BYTES // 2).hex()


def prepare(store: Store, attempts: int) -> None:
    """Fill in what results point to: a run with one cell and so many attempts; the known tests."""
    with store.writing() as connection:

        def one(model: type[Base], **values: Any) -> None:
            connection.execute(insert(model).values(**values))

        one(SourceStamp, id=1, repository="here", revision="r", patch_digest="", subject="")
        one(Variant, id=1, hash="0", axes={})
        one(
            Run, id=1, ulid="1", number=1, pipeline="p", source_stamp_id=1, plan_digest="0",
            plan_sha256="0", state="running", requested_by="me", created_ns=0,
        )  # fmt: skip
        one(
            Cell, id=1, run_id=1, key="c", task="t", platform="here", variant_id=1,
            required="always", requires={}, state="running",
        )  # fmt: skip
        one(
            Task, id=1, run_id=1, cell_id=1, key="c", shard=1, shards=1, spec={},
            requested_digest="0", state="running",
        )  # fmt: skip
        connection.execute(
            insert(Attempt),
            [
                {
                    "id": number + 1, "ulid": str(number), "task_id": 1, "number": number + 1,
                    "state": "started", "executor": "e", "pool": "p", "token_sha256": "0",
                    "boot_id": "b", "lease_expires_mono_ns": 0, "created_ns": 0,
                }
                for number in range(attempts)
            ],
        )  # fmt: skip
        add_known_tests(connection)


def add_known_tests(connection: Connection) -> None:
    """Add the tests that nearly all results are of."""
    connection.execute(
        insert(Test),
        [
            dict(zip(("module", "scheme", "name"), _name(number).split("/", 2), strict=True))
            for number in range(KNOWN_TESTS)
        ],
    )
