"""The orchestrator beside its reference: hypothesis does things to both, and both must agree."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from hotfire_infra.clock import ManualClock
from hotfire_infra.executors.fake import FakeExecutor, Script
from hotfire_infra.executors.protocol import Capacity, Life, Observation
from hotfire_infra.orchestrator.attendance import LEASE_SECONDS
from hotfire_infra.orchestrator.crashpoints import CrashPoint, pass_by
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.lock import acquire
from hotfire_infra.orchestrator.loop import Orchestrator
from hotfire_infra.orchestrator.requests import RequestBook
from hotfire_infra.states import RequestKind
from hotfire_infra.store import queries
from hotfire_infra.store.database import open_store

from ..conftest import SOURCE, plan_of, spec_of
from .reference import LIVE, RefAttempt, Reference, RefTask

NEEDS = {"a": (), "b": ("a",), "c": (), "d": ("b", "c"), "e": (), "f": (), "g": ()}
SLOTS = 2
AHEAD = 1
RETRIES = 1
ROUNDS = 60
SCRIPTS = {
    "passed": Script(),
    "failed": Script(outcomes={f"m/s/{name}": "failed" for name in NEEDS}),
    "errored": Script(exit_code=36),
}

picks = st.integers(0, len(NEEDS) - 1)
"""One of the attempts that something can be done to, by its place among them."""


class ServiceDeath(BaseException):
    """Nothing in the service may catch and survive this."""


class ObedientExecutor(FakeExecutor):
    """Attempts do what they are told and nothing else."""

    def __init__(self, root: Path, clock: ManualClock) -> None:
        self.scripts: dict[str, Script] = {}
        self.silent: set[str] = set()
        super().__init__(
            root,
            director=lambda spec: self.scripts.get(spec.attempt, Script(never_claims=True)),
            capacity=Capacity(cpus=SLOTS, ahead=AHEAD),
            clock=clock,
        )

    def attach(self, attempt):
        root = self.spool(attempt).root
        if (root / "cancel").exists() and not (root / "ended").exists():
            return self._end(self.spool(attempt), 143)
        if attempt in self.silent and not (root / "ended").exists():
            return Observation(life=Life.RUNNING)
        return super().attach(attempt)


class OrchestratorMachine(RuleBasedStateMachine):
    """One run; every step ends with both sides at rest and a comparison."""

    template: Path
    """A database with the schema and nothing in it; set by the test."""

    @initialize(passed=st.integers(0, 2))
    def begin(self, passed: int) -> None:
        """Start a run; of one in which some tasks have passed quickly, runners are started ahead."""
        self.folder = Path(tempfile.mkdtemp(prefix="hotfire-model-"))
        home = self.folder / "home"
        home.mkdir()
        shutil.copy(self.template, home)
        self.clock = ManualClock()
        self.store = open_store(home, clock=self.clock)
        self.executor = ObedientExecutor(self.store.attempts, self.clock)
        edges = [(need, name) for name, needs in NEEDS.items() for need in needs]
        plan = plan_of(
            {name: [f"m/s/{name}"] for name in NEEDS},
            edges=edges,
            specs={name: spec_of(retries=RETRIES) for name in NEEDS},
        )
        request = RunRequest(plan=plan, source=SOURCE, requested_by="tester")
        self.run_id = create_run(self.store, request)
        self.reference = Reference(
            tasks={name: RefTask(needs=needs) for name, needs in NEEDS.items()},
            slots=SLOTS,
            ahead=AHEAD,
            retries=RETRIES,
        )
        self.restart()
        self.compare()
        for _ in range(passed):
            self.come_up()
            self.finish(0, "passed")

    def restart(self) -> None:
        lock = acquire(self.store, label="service")
        assert lock is not None
        self.orchestrator = Orchestrator(
            store=self.store, executor=self.executor, cache=self.folder, lock=lock
        )

    def compare(self) -> None:
        """Let both come to rest, then hold them against each other."""
        quiet = 0
        for _ in range(ROUNDS):
            try:
                quiet = 0 if self.orchestrator.round() else quiet + 1
            except ServiceDeath:
                self.restart()
            if quiet == 2:
                break
        assert quiet == 2, "the orchestrator does not come to rest"
        with self.store.reading() as connection:
            shown = queries.snapshot(connection, self.run_id)
            rows = queries.attempts_of(connection, self.run_id)
        live = {state: [r.task_key for r in rows if r.state.value == state] for state in LIVE}
        self.reference.settle(wish=live["leased"], begun=live["started"])
        found = {task.key: str(task.state) for task in shown.tasks}
        assert found == {name: self.reference.state(name) for name in NEEDS}
        attempts = {name: [r.state.value for r in rows if r.task_key == name] for name in NEEDS}
        assert attempts == {
            name: [attempt.state for attempt in task.attempts]
            for name, task in self.reference.tasks.items()
        }
        assert (shown.run.verdict is not None) == self.reference.is_over

    def chosen(self, pick: int, *states: str) -> tuple[str, RefAttempt | None]:
        """Return a task with an attempt in one of the states, and that attempt; none: no such."""
        found = [name for name in NEEDS if self.reference.tasks[name].last in states]
        if not found:
            return "", None
        name = found[pick % len(found)]
        return name, self.reference.live(name)

    def attempt_of(self, name: str) -> str:
        with self.store.reading() as connection:
            rows = queries.attempts_of(connection, self.run_id)
        return [row.ulid for row in rows if row.task_key == name][-1]

    @rule(pick=picks)
    def claim(self, pick: int) -> None:
        """The runner of a leased attempt comes up, and asks whether it may begin."""
        name, attempt = self.chosen(pick, "leased")
        if attempt is not None:
            self._ask(name)
        self.compare()

    @rule()
    def come_up(self) -> None:
        """The runners of all leased attempts come up."""
        for name, task in self.reference.tasks.items():
            if task.last == "leased":
                self._ask(name)
        self.compare()

    def _ask(self, name: str) -> None:
        attempt = self.reference.live(name)
        assert attempt is not None
        self.executor.scripts[self.attempt_of(name)] = Script(is_endless=True)
        attempt.has_asked = True

    @rule(pick=picks)
    def give_slot_back(self, pick: int) -> None:
        """A started runner lets the next one begin, and is not over yet."""
        name, attempt = self.chosen(pick, "started")
        if attempt is not None:
            (self.executor.spool(self.attempt_of(name)).root / "free").touch()
            attempt.is_free = True
        self.compare()

    @rule(pick=picks, outcome=st.sampled_from(sorted(SCRIPTS)))
    def finish(self, pick: int, outcome: str) -> None:
        """A started runner ends: green, red, or by trouble of its machine."""
        name, attempt = self.chosen(pick, "started")
        if attempt is not None:
            self.executor.scripts[self.attempt_of(name)] = SCRIPTS[outcome]
            attempt.state = outcome
        self.compare()

    @rule(pick=picks)
    def kill(self, pick: int) -> None:
        """A runner is killed, before or after its claim."""
        name, attempt = self.chosen(pick, *LIVE)
        if attempt is not None:
            (self.executor.spool(self.attempt_of(name)).root / "ended").touch()
            attempt.state = "lost"
        self.compare()

    @rule(pick=picks)
    def fall_silent(self, pick: int) -> None:
        """A started runner gives no sign of life until its lease has run out."""
        name, attempt = self.chosen(pick, "started")
        if attempt is not None:
            self.executor.silent.add(self.attempt_of(name))
            attempt.is_silent = True
        self.clock.advance(LEASE_SECONDS + 1)
        self.reference.pass_time(LEASE_SECONDS + 1)
        self.compare()

    @rule(point=st.sampled_from(list(CrashPoint)), passing=st.integers(1, 3))
    def doom_service(self, point: CrashPoint, passing: int) -> None:
        """The service will die when it passes a point for the nth time."""
        left = [passing]

        def at(passed: CrashPoint) -> None:
            left[0] -= passed is point
            if left[0] == 0:
                raise ServiceDeath

        self.orchestrator.at = at

    @rule()
    def restart_service(self) -> None:
        """The service is stopped and started."""
        self.orchestrator.at = pass_by
        self.restart()
        self.compare()

    @precondition(lambda self: not self.reference.is_cancelled and not self.reference.is_over)
    @rule()
    def cancel(self) -> None:
        """Somebody has had enough."""
        RequestBook(self.store).ask(
            RequestKind.CANCEL, self.run_id, payload={}, requested_by="tester"
        )
        self.reference.is_cancelled = True
        self.compare()

    @rule(years=st.integers(-30, 30))
    def jump_wall_clock(self, years: int) -> None:
        """The wall clock means nothing."""
        self.clock.wall += years * 365 * 86_400 * 1_000_000_000
        self.compare()

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder, ignore_errors=True)
