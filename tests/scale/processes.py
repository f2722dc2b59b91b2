"""A run of real runners under a real service process, and what kills both."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from hotfire_infra.errors import DatabaseUnreachableError
from hotfire_infra.executors.spool import read_object
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.states import ATTEMPT_TERMINAL, AttemptState, RunVerdict
from hotfire_infra.store import queries
from hotfire_infra.store.database import open_store

from ..infra.conftest import SOURCE, plan_of, spec_of
from ..infra.postgres import PostgresServer

ROOT = Path(__file__).resolve().parents[2]
SLOTS = 4
DEADLINE_SECONDS = 900
PAUSE_SECONDS = 0.05


class RealRun:
    """Everything below the home of a service that keeps being killed."""

    def __init__(
        self, folder: Path, database: str | None, server: PostgresServer | None, dice: random.Random
    ) -> None:
        self.home = folder / "home"
        self.starts = folder / "starts"
        self.database = database
        self.server = server
        self.dice = dice
        self.store = open_store(self.home, database=database)
        self.service = self._start()
        self.done: Counter[str] = Counter()
        self.killed: set[str] = set()
        """Tasks whose runner was killed; once each: twice in the same test would convict it."""

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.infra.orchestrator.service_process", str(self.home)]
        if self.database is not None:
            command.append(self.database)
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "SLOTS": str(SLOTS)},
            stdout=subprocess.DEVNULL,
        )

    def run(self, tasks: int, faults: int) -> None:
        """Run so many commands and break so many things while they run."""
        names = [f"t{number:04}" for number in range(tasks)]
        note = f"echo $HOTFIRE_ATTEMPT >> {self.starts}; sleep 0.4"
        specs = {name: spec_of(command=["sh", "-c", note], retries=3) for name in names}
        plan = plan_of({name: [f"tasks/command/{name}"] for name in names}, specs=specs)
        request = RunRequest(plan=plan, source=SOURCE, requested_by="tester")
        self.run_id = create_run(self.store, request)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.verdict() is None:
            assert time.monotonic() < deadline, "the run does not come to an end"
            if self.service.poll() is not None:
                self.service = self._start()
            live = self.live()
            left = tasks - sum(row.state in ATTEMPT_TERMINAL for row in self.attempts())
            if live and self.done.total() < faults * min(1.0, 1.2 * (1 - left / tasks) + 0.1):
                self.break_something(live)
            time.sleep(PAUSE_SECONDS)

    def break_something(self, live: list[queries.AttemptRow]) -> None:
        """Kill one thing, while attempts live."""
        kinds = [self.kill_service, self.kill_runner, self.kill_runner, self.kill_nursery]
        if self.server is not None:
            kinds.append(self.restart_database)
        kind = self.dice.choice(kinds)
        if kind(live):
            self.done[kind.__name__] += 1

    def kill_service(self, _live: object) -> bool:
        self.service.kill()
        self.service.wait()
        self.service = self._start()
        return True

    def kill_runner(self, live: list[queries.AttemptRow]) -> bool:
        victims = [row for row in live if row.task_key not in self.killed]
        for row in victims[:1]:
            identity = read_object(self.home / "attempts" / row.ulid / "process.json")
            if identity is None:
                return False
            self.killed.add(row.task_key)
            try:
                os.kill(int(identity["pid"]), signal.SIGKILL)
            except ProcessLookupError:
                return False
        return bool(victims)

    def kill_nursery(self, _live: object) -> bool:
        """Kill the process that forks the runners: they go on, the next ones start without it."""
        children = Path(f"/proc/{self.service.pid}/task/{self.service.pid}/children")
        try:
            # Runners that start without a nursery are children of the service as well.
            found = [int(pid) for pid in children.read_text().split() if _is_nursery(pid)]
        except OSError:
            return False
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        return bool(found)

    def restart_database(self, _live: object) -> bool:
        assert self.server is not None
        self.server.stop("immediate")
        self.server.start()
        return True

    def attempts(self) -> tuple[queries.AttemptRow, ...]:
        with self.store.reading() as connection:
            return queries.attempts_of(connection, self.run_id)

    def live(self) -> list[queries.AttemptRow]:
        return [row for row in self.attempts() if row.state is AttemptState.STARTED]

    def verdict(self) -> RunVerdict | None:
        try:
            with self.store.reading() as connection:
                return queries.run_by_id(connection, self.run_id).verdict
        except DatabaseUnreachableError:
            return None

    def check(self, tasks: int) -> None:
        """Every task passed, no attempt was started twice, nothing was lost that nobody killed."""
        assert self.verdict() is RunVerdict.PASSED
        attempts = self.attempts()
        assert all(row.state in ATTEMPT_TERMINAL for row in attempts)
        passed = Counter(row.task_key for row in attempts if row.state is AttemptState.PASSED)
        assert len(passed) == tasks
        assert set(passed.values()) == {1}
        broken = [row for row in attempts if row.state is not AttemptState.PASSED]
        # A service or nursery that died over an order: nobody knows whether a runner came of it, so
        # the attempt is given up, and its number is never used again.
        unstarted = [row for row in broken if row.started_ns is None]
        assert len(unstarted) <= SLOTS * (self.done["kill_nursery"] + self.done["kill_service"])
        assert not {row.ulid for row in unstarted} & set(self.starts.read_text().split())
        lost = {row.task_key: row.reason for row in broken if row not in unstarted}
        assert set(lost) <= self.killed, lost
        starts = Counter(self.starts.read_text().split())
        assert set(starts.values()) == {1}, "an attempt was started twice"
        assert set(starts) <= {row.ulid for row in attempts}

    def close(self) -> None:
        """Leave no process behind."""
        if self.service.poll() is None:
            self.service.kill()
        self.service.wait()
        self.store.close()


def _is_nursery(pid: str) -> bool:
    return b"--nursery" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
