"""`python -m benchmarks.ingest_http`: results by HTTP, against the best bare server for the same bytes.

The mix of `benchmarks.ingest` in batches of 1,000 records over four connections, each batch
acknowledged after its commit, while two processes read pages. Each server is one process on the same
schema with its index of history, under the same uvicorn; the load and the readers are beside it on
the machine. Both leave the same number of rows, or nothing is said.

Both servers live at the same time and get the same batches in turn, block by block of a third of a
second; who begins changes from pair to pair, the other one has nothing to do meanwhile, and the
readers read the store of the one whose turn it is. What else the machine does meets both blocks of a
pair about alike, so that the median of the pairs' ratios says more than a ratio of whole runs; its
interval of 95 % is that of the order statistics. The full run begins three times with new processes
and stores.

The bare server decodes, numbers tests and messages, inserts, commits, answers. Ours besides: compares
token and fence, counts what the attempt has sent, asks for room on the disk, holds each record against
the contract, keeps the spool's copy, the tests in flight and the environment's digest, looks messages
up in the table (retention may have removed them), counts and audits the request.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import math
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
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
PEER = "uvicorn + msgspec + sqlite3"
SIDES = ("ours", "bare")

Bodies = Sequence[Sequence[bytes]]
"""What is sent: batches by connection."""


@dataclass(frozen=True, slots=True)
class Block:
    """What one server did with a few batches of each connection."""

    records: int
    seconds: float
    cpu_seconds: float
    """Of the server's processes, which does not depend on what else the machine does."""
    took: list[float]
    """Seconds of each batch."""

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds


@dataclass(frozen=True, slots=True)
class Pair:
    """Two blocks of the same batches, one behind the other."""

    ours: Block
    bare: Block

    @property
    def ratio(self) -> float:
        """Of the rates."""
        return self.ours.rate / self.bare.rate


def http_rows(readers: Readers, *, quick: bool) -> list[Row]:
    """Measure both servers in turn and return the rows."""
    sessions, blocks, batches = (1, 20, 4) if quick else (3, 20, 6)
    bodies = streams(CONNECTIONS, WARM + blocks * batches)
    pairs = [pair for _ in range(sessions) for pair in _session(bodies, readers, blocks, batches)]
    ratios = sorted(pair.ratio for pair in pairs)
    low, high = _interval(ratios)
    name = f"HTTP ingest, median of {len(ratios)} pairs of blocks, 95 % {low:.3f} to {high:.3f}"
    ours, bare = ([getattr(pair, side) for pair in pairs] for side in SIDES)
    (mine, mine_99, cpu), (limit, limit_99, limit_cpu) = _figures(ours), _figures(bare)
    return [
        Row(name=name, ours=statistics.median(ratios), peer=1.0, peer_name=PEER, unit="ratio",
            goal=0.8, better="higher"),
        Row(name="HTTP ingest, all blocks", ours=_rate(ours), peer=_rate(bare), peer_name=PEER,
            unit="records/s", goal=0.8, better="higher"),
        Row(name="HTTP ingest, p50 of a batch", ours=mine, peer=limit, peer_name=PEER, unit="ms",
            goal=None, better="lower"),
        Row(name="HTTP ingest, p99 of a batch", ours=mine_99, peer=limit_99, peer_name=PEER,
            unit="ms", goal=None, better="lower"),
        Row(name="HTTP ingest, CPU of the server", ours=cpu, peer=limit_cpu, peer_name=PEER,
            unit="µs/record", goal=1.25, better="lower"),
    ]  # fmt: skip


def _interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Return what holds the median of sorted figures in 95 of 100 cases, whatever they are like."""
    count = len(ratios)
    tail, cut = 0.5**count, 0
    # So many of the smallest and of the largest may be left out.
    while tail <= 0.025 and cut < count // 2:
        cut += 1
        tail += math.comb(count, cut) * 0.5**count
    place = max(0, cut - 1)
    return ratios[place], ratios[count - 1 - place]


def _rate(blocks: Sequence[Block]) -> float:
    return sum(one.records for one in blocks) / sum(one.seconds for one in blocks)


def _figures(blocks: Sequence[Block]) -> tuple[float, float, float]:
    """Return p50 and p99 of a batch in milliseconds, and microseconds of the server a record."""
    took = sorted(second for one in blocks for second in one.took)
    spent = sum(one.cpu_seconds for one in blocks) / sum(one.records for one in blocks)
    p99 = took[min(len(took) - 1, int(len(took) * 0.99))]
    return took[len(took) // 2] * 1000, p99 * 1000, spent * 1e6


def _session(bodies: Bodies, readers: Readers, blocks: int, batches: int) -> list[Pair]:
    """Start both servers on new stores and give them the batches in turn, block by block."""
    with tempfile.TemporaryDirectory(prefix="hotfire-bench-") as folder, ExitStack() as open_:
        homes = {side: Path(folder) / side for side in SIDES}
        servers = {side: open_.enter_context(_server(side, homes[side])) for side in SIDES}
        open_.enter_context(readers.reading(homes["ours"], None))
        pairs = []
        for block in range(-1, blocks):
            # The first is for warmth.
            first = WARM + block * batches if block >= 0 else 0
            last = first + batches if block >= 0 else WARM
            sent = [mine[first:last] for mine in bodies]
            done = {}
            for side in SIDES if block % 2 else reversed(SIDES):
                readers.turn_to(homes[side], None)
                done[side] = servers[side].take(sent)
            pairs.append(Pair(ours=done["ours"], bare=done["bare"]))
        stored = [_stored(home) for home in homes.values()]
    if stored[0] != stored[1]:
        raise AssertionError(f"the servers did not store the same: {stored}")
    return pairs[1:]


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


class Sender:
    """One connection, which brings the batches of one attempt."""

    def __init__(self, port: int, path: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._path = path
        self._sent = 0

    def send(self, batches: Sequence[bytes]) -> list[float]:
        """Send one batch after the other, each once the one before is acknowledged; return seconds."""
        headers = {
            "Content-Type": "application/x-ndjson",
            "Authorization": f"Bearer {TOKEN}",
            "Hotfire-Fence": "1",
        }
        took = []
        for body in batches:
            began = time.perf_counter()
            self.connection.request("POST", self._path, body, headers)
            answer = json.loads(self.connection.getresponse().read())
            took.append(time.perf_counter() - began)
            self._sent += _count(body)
            if answer.get("acked_seq") != self._sent:
                raise RuntimeError(f"{self._path} refused a batch: {answer}")
        return took


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs, and what it is loaded by."""

    pid: int
    senders: Sequence[Sender]
    threads: ThreadPoolExecutor

    def take(self, bodies: Bodies) -> Block:
        """Send these batches over all connections at once."""
        before, began = _cpu_seconds(self.pid), time.perf_counter()
        pieces = [*self.threads.map(Sender.send, self.senders, bodies)]
        span, spent = time.perf_counter() - began, _cpu_seconds(self.pid) - before
        records = sum(_count(body) for mine in bodies for body in mine)
        return Block(records, span, spent, [second for piece in pieces for second in piece])


@contextmanager
def _server(side: str, home: Path) -> Iterator[Server]:
    """Run a server on a new store, with a connection for each of its attempts."""
    home.mkdir()
    attempts = _prepare(home)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = _start(side, home, port)
    senders = [
        Sender(port, f"/{key}" if side == "bare" else f"/api/v1/attempts/{ulid}/records")
        for key, ulid in attempts
    ]
    try:
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            yield Server(process.pid, senders, threads)
    finally:
        for sender in senders:
            sender.connection.close()
        process.terminate()
        process.wait()


def _start(side: str, home: Path, port: int) -> subprocess.Popen[bytes]:
    program = ["-m", "benchmarks.ingest_http_bare", str(home), str(port)]
    if side == "ours":
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
    server.kill()
    raise RuntimeError(f"the server {side} does not answer on port {port}")


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


def main(arguments: Sequence[str]) -> int:
    """Print table and JSON; 0 always: a goal that is missed is a figure, not a failure."""
    readers = Readers()
    print_report("ingest_http", http_rows(readers, quick="--quick" in arguments))
    readers.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
