"""The limit of HTTP ingest: a bare server for the same bytes and the same rows. HOME PORT.

No framework, no token, no fence, no limits, no copy of the stream, no foreign keys, nothing kept but
these four kinds: one ASGI function under uvicorn, msgspec in one go over a body, one writer thread
with raw sqlite3, a hundred results in one statement, in the order of the index of history, every test
and every message that was ever seen in a dictionary; acknowledged after the commit, several batches in
one where they wait. It does look for a gap: a number acknowledged means all before it. Durability is
ours: write-ahead log, synchronous NORMAL. What ours was found to do faster, it does as well.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import itertools
import operator
import queue
import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import Any, Literal

import msgspec
import uvicorn


class Start(msgspec.Struct, tag_field="kind", tag="test_start", gc=False):
    """A test begins."""

    seq: int
    test: str


class Ended(msgspec.Struct, tag_field="kind", tag="test_attempt", gc=False):
    """A test has a result."""

    seq: int
    test: str
    outcome: Literal["passed", "failed", "skipped", "errored"]
    duration_ns: int
    number: int = msgspec.field(name="try")
    failure_class: str | None = None
    message: str | None = None
    environment_class: str | None = None
    metrics: dict[str, Any] | None = None


class Measured(msgspec.Struct, tag_field="kind", tag="measurement", gc=False):
    """A point of a series."""

    seq: int
    test: str
    metric: str
    version: int
    unit: str
    value: float
    estimator: str
    replicates: list[float]
    launches: list[int]
    inner: int
    valid: bool
    definition: str
    probe: dict[str, Any] = {}
    canary: float | None = None
    reason: str = ""


class Environment(msgspec.Struct, tag_field="kind", tag="environment", gc=False):
    """What the machine is."""

    seq: int
    values: dict[str, Any]


DECODE = msgspec.json.Decoder(Start | Ended | Measured | Environment).decode_lines
ENCODE = msgspec.json.encode
MONTH = int(time.strftime("%Y%m", time.gmtime()))
"""Of the run, which was made just before."""
AT_ONCE = (100, 20, 5, 1)
"""Results in one statement: half the time of `executemany`, which steps and binds for each row."""


@functools.lru_cache
def insert_results(count: int, *, has_metrics: bool) -> str:
    """Return the statement for so many results of one attempt, which is its first value."""
    names = "seq test_id try_number outcome failure_class duration_ns message_id environment_class"
    columns = [*names.split(), *(["metrics"] if has_metrics else [])]
    width = len(columns)
    rows = (
        f"(?1, 1, {', '.join(f'?{place}' for place in range(first, first + width))})"
        for first in range(2, 2 + width * count, width)
    )
    return (
        f"INSERT OR FAIL INTO result (attempt_id, variant_id, {', '.join(columns)})"
        f" VALUES {', '.join(rows)} ON CONFLICT DO NOTHING"
    )


BY_TEST = operator.itemgetter(1)
MEASUREMENT = (
    "INSERT INTO measurement (month, attempt_id, seq, test_id, variant_id, metric, version, unit,"
    " value, estimator, replicates, launches, inner, probe_metric, probe_value, canary, valid,"
    " reason, definition)"
    " VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)


class Writer(threading.Thread):
    """Stores batches, several in one commit."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(daemon=True)
        self.queue: queue.Queue[tuple[int, bytes, asyncio.Future[int]]] = queue.Queue()
        self._loop = loop
        self._path = path
        self._tests: dict[str, int] = {}
        self._messages: dict[str, int] = {}
        self._acked: dict[int, int] = {}

    def run(self) -> None:
        """Store until the process ends."""
        base = sqlite3.connect(self._path, isolation_level=None, timeout=30)
        for pragma in (
            "journal_mode = WAL", "synchronous = NORMAL", "cache_size = -32768",
            "wal_autocheckpoint = 8000",
        ):  # fmt: skip
            base.execute(f"PRAGMA {pragma}")
        tests = base.execute("SELECT module || '/' || scheme || '/' || name, id FROM test")
        self._tests.update(tests.fetchall())
        while True:
            group = [self.queue.get()]
            while len(group) < 16 and not self.queue.empty():
                group.append(self.queue.get_nowait())
            base.execute("BEGIN IMMEDIATE")
            acked = [self._store(base, attempt, body) for attempt, body, _ in group]
            base.execute("COMMIT")
            for (_, _, future), seq in zip(group, acked, strict=True):
                self._loop.call_soon_threadsafe(future.set_result, seq)

    def _store(self, base: sqlite3.Connection, attempt: int, body: bytes) -> int:
        records = DECODE(body)
        acked = self._acked.get(attempt, 0)
        if [one.seq for one in records] != [*range(acked + 1, acked + 1 + len(records))]:
            raise ValueError(f"attempt {attempt}: a gap behind {acked}")
        ended = [record for record in records if type(record) is Ended]
        measured = [record for record in records if type(record) is Measured]
        self._intern(base, ended)
        tests, messages = self._tests, self._messages
        rows: list[tuple[Any, ...]] = [
            (
                one.seq,
                tests[one.test],
                one.number,
                one.outcome,
                one.failure_class,
                one.duration_ns,
                None if one.message is None else messages[one.message],
                one.environment_class,
            )
            for one in ended
        ]
        metrics = {one.seq: ENCODE(one.metrics).decode() for one in ended if one.metrics}
        if metrics:
            rows = [(*row, metrics.get(row[0])) for row in rows]
        rows.sort(key=BY_TEST)
        start = 0
        for count in AT_ONCE:
            while len(rows) - start >= count:
                some = itertools.chain.from_iterable(rows[start : start + count])
                statement = insert_results(count, has_metrics=bool(metrics))
                base.execute(statement, [attempt, *some])
                start += count
        base.executemany(MEASUREMENT, [self._point(attempt, one) for one in measured])
        for record in records:
            if type(record) is Environment:
                self._observe(base, attempt, record)
        seq = int(records[-1].seq)
        base.execute("UPDATE attempt SET acked_seq = ? WHERE id = ?", (seq, attempt))
        self._acked[attempt] = seq
        return seq

    def _point(self, attempt: int, one: Measured) -> tuple[Any, ...]:
        return (
            MONTH,
            attempt,
            one.seq,
            self._tests[one.test],
            one.metric,
            one.version,
            one.unit,
            one.value,
            one.estimator,
            ENCODE(one.replicates).decode(),
            ENCODE(one.launches).decode(),
            one.inner,
            one.probe.get("metric"),
            one.probe.get("value"),
            one.canary,
            one.valid,
            one.reason,
            one.definition,
        )

    @staticmethod
    def _observe(base: sqlite3.Connection, attempt: int, record: Environment) -> None:
        fields = ENCODE(record.values)
        digest = hashlib.sha256(fields).hexdigest()
        base.execute(
            "INSERT INTO environment (sha256, fields) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (digest, fields.decode()),
        )
        base.execute(
            "UPDATE attempt SET environment_id = (SELECT id FROM environment WHERE sha256 = ?)"
            " WHERE id = ?",
            (digest, attempt),
        )

    def _intern(self, base: sqlite3.Connection, ended: list[Ended]) -> None:
        """Number what is new: nobody else writes, so the keys are known beforehand."""
        tests, messages = self._tests, self._messages
        new = dict.fromkeys(one.test for one in ended if one.test not in tests)
        base.executemany(
            "INSERT INTO test (id, module, scheme, name) VALUES (?, ?, ?, ?)",
            [(key, *test.split("/", 2)) for key, test in enumerate(new, len(tests) + 1)],
        )
        tests.update(zip(new, range(len(tests) + 1, len(tests) + 1 + len(new)), strict=True))
        texts = dict.fromkeys(
            one.message for one in ended if one.message and one.message not in messages
        )
        base.executemany(
            "INSERT INTO message (id, sha256, text) VALUES (?, ?, ?)",
            [
                (key, hashlib.sha256(text.encode()).hexdigest(), text)
                for key, text in enumerate(texts, len(messages) + 1)
                if text is not None
            ],
        )
        for text in texts:
            if text is not None:
                messages[text] = len(messages) + 1


class Application:
    """POST /ATTEMPT with JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Writer | None = None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Read a body, store it, answer."""
        if scope["type"] != "http":
            return
        loop = asyncio.get_running_loop()
        if self._writer is None:
            self._writer = Writer(self._path, loop)
            self._writer.start()
        pieces, more = [], True
        while more:
            message = await receive()
            pieces.append(message.get("body", b""))
            more = message.get("more_body", False)
        answer = b"{}"
        if scope["method"] == "POST":
            future: asyncio.Future[int] = loop.create_future()
            self._writer.queue.put((int(scope["path"][1:]), b"".join(pieces), future))
            answer = b'{"acked_seq":%d}' % await future
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    uvicorn.run(
        Application(Path(sys.argv[1]) / "hotfire.db"),
        port=int(sys.argv[2]), log_level="error", access_log=False, lifespan="off",
    )  # fmt: skip
