"""A machine without processes: attempts live for some looks, and can be killed, silenced, cut off.

Two kinds of attempts: *near* ones write their stream into the spool as a runner on this machine
does, and give their slot back before they end; *far* ones send it in batches through the ingest
writer, as a runner behind HTTP does, over a line that duplicates, reorders and drops.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hotfire_infra.errors import StorageFullError
from hotfire_infra.executors.fake import (
    ENVIRONMENT,
    FakeExecutor,
    Script,
    _play,
)
from hotfire_infra.executors.protocol import Capacity, Life, Observation
from hotfire_infra.executors.spool import Spool
from hotfire_infra.ingest.writer import Delivery, IngestRefusedError, IngestWriter
from hotfire_infra.store import queries
from hotfire_infra.store.database import Store
from hotfire_testframework.contract.task import AttemptSpec

LIFE = 5
"""Looks from claim to end."""
CLOSING = 3
"""Looks for which an attempt goes on when it has given its slot back."""
BATCH_LINES = 2
JSON_LINES = "application/x-ndjson"


def script_of(spec: AttemptSpec) -> Script:
    """Say what a task does: every seventh fails, every third has an artifact."""
    number = int(spec.task[1:])
    outcomes = dict.fromkeys(spec.expected, "failed") if number % 7 == 3 else {}
    artifacts = {"out.bin": spec.task.encode()} if number % 3 == 1 else {}
    return Script(outcomes=outcomes, artifacts=artifacts)


def is_far(spec: AttemptSpec) -> bool:
    """Whether an attempt streams over the network."""
    return int(spec.task[1:]) % 3 == 0


class ScriptedExecutor(FakeExecutor):
    """The machine survives the service: one object for all services of a test."""

    def __init__(self, store: Store, slots: int, clock: object) -> None:
        super().__init__(
            store.attempts,
            director=script_of,
            capacity=Capacity(cpus=slots, ahead=slots),
            clock=clock,
        )
        self._store = store
        self._writer = IngestWriter(store)
        self._writer.start()
        self.life = LIFE
        self.tasks: set[str] = set()
        """Tasks that have had an attempt."""
        self.looks: dict[str, int] = {}
        self.dead: set[str] = set()
        self.silent: set[str] = set()
        self.line_faults: dict[str, str] = {}
        self.is_doomed: Callable[[AttemptSpec], bool] = lambda _spec: False
        """Asked once in an attempt's life; True: its runner dies now."""
        self.is_blind = False
        """What a service on another machine sees of attempts: nothing."""
        self.may_end: Callable[[], bool] = lambda: True
        self.is_line_quiet = False
        """Nothing comes over the network now."""
        self._acked: dict[str, int] = {}
        self._busy: set[str] = set()
        """Whose claim was granted, and who has neither ended nor given the slot back."""
        self._giving_back: set[str] = set()
        self.closing: Counter[str] = Counter()
        self.most_at_once = 0
        """Attempts that have run at one time, beside those that had given their slot back."""
        self.handed_over: set[str] = set()
        """Began in the slot of an attempt that had not ended yet."""

    def close(self) -> None:
        """End the thread that stores what comes over the network."""
        self._writer.close()

    def live(self) -> list[AttemptSpec]:
        """Return what runs now, oldest first."""
        specs = []
        for attempt in self.submitted:
            root = self.spool(attempt).root
            if not (root / "ended").exists() and attempt not in self.dead | self.silent:
                specs.append(AttemptSpec.parse((root / "attempt.json").read_bytes()))
        return specs

    def in_flight(self, spec: AttemptSpec) -> str:
        """Return the test that an attempt is in as far as the service knows; empty: in none."""
        if spec.attempt not in self._acked:
            return ""
        lines = self._stream_of(self.spool(spec.attempt), spec)[: self._acked[spec.attempt]]
        records = [json.loads(line) for line in lines]
        ended = {one["test"] for one in records if one["kind"] == "test_attempt"}
        begun = [one["test"] for one in records if one["kind"] == "test_start"]
        return next((test for test in begun if test not in ended), "")

    def waiting(self) -> list[AttemptSpec]:
        """Return the runners that have asked and are not answered: they were started ahead."""
        return [
            spec
            for spec in self.live()
            if self.spool(spec.attempt).claim_request() is not None
            and self.spool(spec.attempt).claim_answer() is None
        ]

    def submit(self, order):
        self.tasks.add(order.spec.task)
        super().submit(order)

    def attach(self, attempt):
        spool = self.spool(attempt)
        is_here = (spool.root / "attempt.json").exists() and not (spool.root / "ended").exists()
        if not is_here or (attempt not in self.silent and (spool.root / "cancel").exists()):
            return super().attach(attempt)
        if self.is_blind:
            return Observation(life=Life.ENDED, detail="nothing of it is seen from here")
        if attempt in self.silent and (spool.root / "cancel").exists():
            self.dead.add(attempt)
        if attempt in self.dead:
            return self._end(spool, None)
        if attempt in self.silent:
            return Observation(life=Life.RUNNING)
        answer = self._claimed(spool, attempt)
        if answer is None or answer.get("status") != 200:
            return super().attach(attempt)
        self._begin(attempt)
        self._beat(spool, answer)
        self.looks[attempt] = self.looks.get(attempt, 0) + 1
        spec = AttemptSpec.parse((spool.root / "attempt.json").read_bytes())
        if self.looks[attempt] == 2 and self.is_doomed(spec):
            return self._end(spool, None)
        if not self.may_end():
            return Observation(life=Life.RUNNING)
        if is_far(spec):
            return self._send(spool, spec, int(answer["fence"]))
        if self.looks[attempt] < self.life - 1:
            return Observation(life=Life.RUNNING)
        if not script_of(spec).outcomes and self._is_closing(spool, attempt):
            return Observation(life=Life.RUNNING)
        return super().attach(attempt)

    def _begin(self, attempt: str) -> None:
        """Note who runs, and in whose slot."""
        if attempt in self.looks:
            return
        self._busy.add(attempt)
        self._giving_back -= {other for other in self._giving_back if self._has_ended(other)}
        taken = {other for other in self._busy if not self._has_ended(other)}
        self.most_at_once = max(self.most_at_once, len(taken))
        if len(taken) + len(self._giving_back) > self.capacity.cpus:
            self.handed_over.add(attempt)
        self._busy = taken

    def _is_closing(self, spool: Spool, attempt: str) -> bool:
        """Give the slot back, and go on for some looks."""
        (spool.root / "free").touch()
        self._busy.discard(attempt)
        self._giving_back.add(attempt)
        self.closing[attempt] += 1
        return self.closing[attempt] < CLOSING

    def _has_ended(self, attempt: str) -> bool:
        gone = self.dead | self.silent
        return attempt in gone or (self.spool(attempt).root / "ended").exists()

    def _send(self, spool: Spool, spec: AttemptSpec, fence: int) -> Observation:
        """Send the next batch, over a line that may do worse than that."""
        if self.is_line_quiet:
            return Observation(life=Life.RUNNING)
        lines = self._stream_of(spool, spec)
        fault = self.line_faults.pop(spec.attempt, "")
        acked = self._acked.get(spec.attempt, 0)
        if fault == "dropped":
            return Observation(life=Life.RUNNING)
        if fault == "reordered":
            self._deliver(spool, spec, fence, lines[acked + BATCH_LINES :][:BATCH_LINES])
        for _ in range(2 if fault == "duplicated" else 1):
            self._deliver(spool, spec, fence, lines[acked:][:BATCH_LINES])
        if self._acked.get(spec.attempt, 0) < len(lines):
            return Observation(life=Life.RUNNING)
        return self._end(spool, int((spool.root / "far" / "code").read_text()))

    def _deliver(self, spool: Spool, spec: AttemptSpec, fence: int, lines: list[bytes]) -> None:
        if not lines:
            return
        with self._store.reading() as connection:
            row = queries.attempt_by_ulid(connection, spec.attempt)
        delivery = Delivery(
            attempt_id=row.id,
            fence=fence,
            spool=spool,
            content=b"".join(lines),
            media_type=JSON_LINES,
        )
        try:
            self._acked[spec.attempt] = self._writer.deliver(delivery).result(60)
        except StorageFullError:
            pass  # 507: it is sent again.
        except IngestRefusedError as refusal:
            if refusal.kind != "gap":
                raise  # Anything else would be a loss.

    def _stream_of(self, spool: Spool, spec: AttemptSpec) -> list[bytes]:
        far = Spool(spool.root / "far")
        if not far.root.exists():
            far.root.mkdir()
            code = _play(far, spec, script_of(spec), ENVIRONMENT)
            Path(far.root / "code").write_text(str(code))
        return far.stream.read_bytes().splitlines(keepends=True)
