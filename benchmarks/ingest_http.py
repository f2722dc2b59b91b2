"""`python -m benchmarks.ingest_http`: results by HTTP, against the best bare server for the same bytes.

The mix of `benchmarks.ingest` in batches of 1,000 records over four connections, each batch
acknowledged after its commit, while two processes read pages. Each server is one process on the same
schema with its index of history, under the same uvicorn; the load and the readers are beside it on
the machine. Both leave the same number of rows, or nothing is said.

The bare server decodes, numbers tests and messages, inserts, commits, answers. Ours besides: compares
token and fence, counts what the attempt has sent, asks for room on the disk, holds each record against
the contract, keeps the spool's copy, the tests in flight and the environment's digest, looks messages
up in the table (retention may have removed them), counts and audits the request.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ingest_mix import add_known_tests, streams
from benchmarks.ingest_readers import Readers
from benchmarks.report import Row, print_report
from sqlalchemy import func, insert, select

from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import AttemptState
from hotfire_infra.store.database import Store, open_store
from hotfire_infra.store.models import (
    Attempt,
    Environment,
    Measurement,
    Message,
    Result,
    Task,
    Test,
)
from hotfire_pipelines.plan import Plan, PlannedCell, PlannedTask, Source, inventory_digest
from hotfire_testframework.contract.task import TaskSpec
from hotfire_testframework.contract.ulid import new_ulid
from hotfire_testframework.contract.variants import variant_hash

CONNECTIONS = 4
WARM = 4
"""Batches of each connection before anything is timed: what is asked or compiled once has been."""
TOKEN = "t" * 43
REVISION = "0" * 40


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trial: records a second, how long a batch took, what it cost."""

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """Of the server, per record: it does not depend on what else the machine does."""
    rows: dict[str, int]
    """What was stored, by table."""


def http_rows(readers: Readers, *, quick: bool) -> list[Row]:
    """Measure both servers in turn and return the rows."""
    batches, trials = (15, 3) if quick else (60, 5)
    bodies = streams(CONNECTIONS, WARM + batches)
    ours: list[Outcome] = []
    bare: list[Outcome] = []
    for trial in range(trials):
        for which in ("ours", "bare") if trial % 2 == 0 else ("bare", "ours"):
            (ours if which == "ours" else bare).append(_trial(which, bodies, readers))
    stored = [one.rows for one in ours + bare]
    if any(rows != stored[0] for rows in stored):
        raise AssertionError(f"the servers did not store the same: {stored}")
    mine, limit = _median(ours), _median(bare)
    name = "uvicorn + msgspec + sqlite3"
    return [
        Row(name="HTTP ingest", ours=mine.rate, peer=limit.rate, peer_name=name, unit="records/s",
            goal=0.8, better="higher"),
        Row(name="HTTP ingest, p50 of a batch", ours=mine.p50_ms, peer=limit.p50_ms,
            peer_name=name, unit="ms", goal=None, better="lower"),
        Row(name="HTTP ingest, p99 of a batch", ours=mine.p99_ms, peer=limit.p99_ms,
            peer_name=name, unit="ms", goal=None, better="lower"),
        Row(name="HTTP ingest, CPU of the server", ours=mine.cpu_us, peer=limit.cpu_us,
            peer_name=name, unit="µs/record", goal=1.25, better="lower"),
    ]  # fmt: skip


def _median(outcomes: Sequence[Outcome]) -> Outcome:
    return Outcome(
        rate=statistics.median(one.rate for one in outcomes),
        p50_ms=statistics.median(one.p50_ms for one in outcomes),
        p99_ms=statistics.median(one.p99_ms for one in outcomes),
        cpu_us=statistics.median(one.cpu_us for one in outcomes),
        rows=outcomes[0].rows,
    )


def _trial(which: str, bodies: Sequence[Sequence[bytes]], readers: Readers) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="hotfire-bench-") as folder:
        home = Path(folder)
        attempts = _prepare(home)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        server = _start(which, home, port)
        try:
            with readers.reading(home, None):
                span, spent, took = _load(which, (server.pid, port), attempts, bodies)
        finally:
            server.terminate()
            server.wait()
        rows = _stored(home)
    took.sort()
    records = sum(_count(body) for mine in bodies for body in mine[WARM:])
    return Outcome(
        rate=records / span,
        p50_ms=took[len(took) // 2] * 1000,
        p99_ms=took[min(len(took) - 1, int(len(took) * 0.99))] * 1000,
        cpu_us=spent / records * 1e6,
        rows=rows,
    )


def _count(body: bytes) -> int:
    """Return the records of a batch."""
    return body.count(b"\n")


def _stored(home: Path) -> dict[str, int]:
    store = open_store(home)
    try:
        with store.reading() as connection:
            counts = {
                model.__tablename__: connection.execute(select(func.count()).select_from(model))
                for model in (Result, Measurement, Test, Message, Environment)
            }
            return {name: int(found.scalar_one()) for name, found in counts.items()}
    finally:
        store.close()


def _cpu_seconds(pid: int) -> float:
    """Return what a process has used of the processors."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _start(which: str, home: Path, port: int) -> subprocess.Popen[bytes]:
    program = ["-m", "benchmarks.ingest_http_bare", str(home), str(port)]
    if which == "ours":
        program = [
            "-m", "hotfire_infra.cli.main", "serve", "--no-execute", "--port", str(port)
        ]  # fmt: skip
    server = subprocess.Popen(
        [sys.executable, *program],
        env={**os.environ, "HOTFIRE_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/api/v1/service")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.1)
        else:
            return server
        finally:
            connection.close()
    raise RuntimeError(f"the server {which} does not answer on port {port}")


def _prepare(home: Path) -> list[tuple[int, str]]:
    """Make a store with a run and its claimed attempts; return (surrogate, ULID) of each."""
    store = open_store(home)
    source = StoredSource(
        repository="here", revision=REVISION, patch_digest="", subject="", archive_sha256=None
    )
    with store.writing() as connection:
        add_known_tests(connection)
    run_id = create_run(store, RunRequest(plan=_plan(), source=source, requested_by="benchmark"))
    attempts = _claim(store, run_id)
    store.close()
    return attempts


def _plan() -> Plan:
    cells, tasks = [], []
    expected = inventory_digest(())
    for number in range(CONNECTIONS):
        key = f"load-{number}"
        axes = {"execution": "native", "platform": "here"}
        cells.append(
            PlannedCell(
                key=key, task=key, platform="here", variant=axes, variant_hash=variant_hash(axes),
                required="always", requires={}, inventory=expected,
            )
        )  # fmt: skip
        spec = TaskSpec.from_json({"harness": "command", "command": ["true"]})
        task = PlannedTask(key=key, cell=key, shard=(1, 1), spec=spec, requested_digest="0" * 64)
        tasks.append(task)
    return Plan(
        pipeline="load", source=Source(repository="here", revision=REVISION), platforms=(),
        cells=tuple(cells), tasks=tuple(tasks), edges=(), inventories={expected: ()},
    )  # fmt: skip


def _claim(store: Store, run_id: int) -> list[tuple[int, str]]:
    claimed = []
    with store.writing() as connection:
        for task_id in connection.execute(select(Task.id).where(Task.run_id == run_id)).scalars():
            ulid = str(new_ulid())
            row = insert(Attempt).values(
                ulid=ulid, task_id=task_id, number=1, state=AttemptState.STARTED, fence=1,
                executor="pushed", pool="pushed", boot_id=store.clock.boot_id,
                token_sha256=hashlib.sha256(TOKEN.encode()).hexdigest(), created_ns=1,
                lease_expires_mono_ns=store.clock.mono_ns() + 3600 * 10**9, in_flight=[],
            )  # fmt: skip
            key = connection.execute(row.returning(Attempt.id)).scalar_one()
            claimed.append((int(key), ulid))
    return claimed


def _load(
    which: str,
    server: tuple[int, int],
    attempts: Sequence[tuple[int, str]],
    bodies: Sequence[Sequence[bytes]],
) -> tuple[float, float, list[float]]:
    """Send all batches to a server (process, port), each connection its own attempt's.

    Return seconds, those of the server's processor, and those of each batch, the warm ones apart.
    """
    pid, port = server
    took: list[float] = []
    failures: list[str] = []
    gate = threading.Barrier(CONNECTIONS + 1)

    def send(attempt: tuple[int, str], mine: Sequence[bytes]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        path = f"/{attempt[0]}" if which == "bare" else f"/api/v1/attempts/{attempt[1]}/records"
        headers = {
            "Content-Type": "application/x-ndjson",
            "Authorization": f"Bearer {TOKEN}",
            "Hotfire-Fence": "1",
        }
        sent = 0
        for place, body in enumerate(mine):
            if place == WARM:
                gate.wait()
            began = time.perf_counter()
            connection.request("POST", path, body, headers)
            answer = json.loads(connection.getresponse().read())
            if place >= WARM:
                took.append(time.perf_counter() - began)
            sent += _count(body)
            if answer.get("acked_seq") != sent:
                failures.append(str(answer))
                gate.abort()
                break
        connection.close()

    threads = [
        threading.Thread(target=send, args=(attempt, mine))
        for attempt, mine in zip(attempts, bodies, strict=True)
    ]
    for thread in threads:
        thread.start()
    with contextlib.suppress(threading.BrokenBarrierError):
        gate.wait()
    before, began = _cpu_seconds(pid), time.perf_counter()
    for thread in threads:
        thread.join()
    span, spent = time.perf_counter() - began, _cpu_seconds(pid) - before
    if failures:
        raise RuntimeError(f"{which} refused a batch: {failures[0]}")
    return span, spent, took


def main(arguments: Sequence[str]) -> int:
    """Print table and JSON; 0 always: a goal that is missed is a figure, not a failure."""
    readers = Readers()
    print_report("ingest_http", http_rows(readers, quick="--quick" in arguments))
    readers.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
