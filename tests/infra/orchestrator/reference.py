"""What the orchestrator should do, in a hundred lines without store, locks, leases or crashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hotfire_infra.orchestrator.attendance import CLAIM_SECONDS, LEASE_SECONDS

LIVE = ("leased", "started")
INTERRUPTED = ("lost", "errored")


@dataclass
class RefAttempt:
    """One attempt: where it stands, since when, and what its runner has said or fails to say."""

    state: str = "leased"
    since: float = 0.0
    is_silent: bool = False
    has_asked: bool = False
    """It is up and waits for its answer, if it has none yet."""
    is_free: bool = False
    """It has given its slot back before its end."""


@dataclass
class RefTask:
    """One task: its attempts, or why there are none."""

    needs: tuple[str, ...] = ()
    attempts: list[RefAttempt] = field(default_factory=list)
    resolution: str = ""

    @property
    def last(self) -> str:
        """State of the newest attempt, empty before the first."""
        return self.attempts[-1].state if self.attempts else ""


@dataclass
class Reference:
    """Tasks in the order of the plan, so many slots, so many runners ahead of them, one clock."""

    tasks: Mapping[str, RefTask]
    slots: int
    retries: int
    ahead: int = 0
    now: float = 0.0
    is_cancelled: bool = False

    def state(self, name: str) -> str:
        """Return the state of a task, computed from its attempts and resolution."""
        task = self.tasks[name]
        if task.resolution:
            return task.resolution
        if not task.attempts:
            is_ready = all(self.verdict(need) == "passed" for need in task.needs)
            return "queued" if is_ready else "waiting"
        if task.last in LIVE:
            return "running"
        if task.last == "cancelled":
            return "cancelled"
        return "queued" if self.verdict(name) == "" else "done"

    def verdict(self, name: str) -> str:
        """Return what came of a task, empty while it is open."""
        task = self.tasks[name]
        if task.resolution or task.last in ("cancelled",):
            return "missing" if "cancelled" in (task.resolution, task.last) else "precluded"
        if task.last in ("passed", "failed"):
            return task.last
        interrupted = sum(attempt.state in INTERRUPTED for attempt in task.attempts)
        if task.last in INTERRUPTED and interrupted > self.retries:
            return "errored"
        return ""

    def live(self, name: str) -> RefAttempt | None:
        """Return the attempt of a task that is leased or started."""
        task = self.tasks[name]
        return task.attempts[-1] if task.last in LIVE else None

    def living(self) -> list[RefAttempt]:
        """Return all attempts that are leased or started."""
        return [task.attempts[-1] for task in self.tasks.values() if task.last in LIVE]

    def pass_time(self, seconds: float) -> None:
        """Let leases run out: of who never claimed, and of who is silent."""
        self.now += seconds
        for attempt in self.living():
            is_late = not attempt.has_asked and self.now - attempt.since > CLAIM_SECONDS
            if (attempt.state == "leased" and is_late) or attempt.is_silent:
                assert seconds > LEASE_SECONDS
                attempt.state = "lost"

    def settle(self, wish: Sequence[str] = (), begun: Sequence[str] = ()) -> None:
        """Resolve what can never run, end what is cancelled, begin, lease what is queued.

        Which of the queued tasks comes first is another room's affair: `wish` goes before the rest,
        `begun` is who was answered. Not its affair is how many: no more than there are slots, and
        nobody waits for an answer beside a slot that is free.
        """
        for name, task in self.tasks.items():
            verdicts = {self.verdict(need) for need in task.needs}
            if not task.attempts and not task.resolution and verdicts - {"", "passed"}:
                task.resolution = "cancelled" if "missing" in verdicts else "precluded"
            if self.is_cancelled and task.last in LIVE:
                task.attempts[-1].state = "cancelled"
            if self.is_cancelled and self.state(name) in ("queued", "waiting"):
                task.resolution = "cancelled"
        for name in begun:
            attempt = self.live(name)
            if attempt is not None and attempt.has_asked:
                attempt.state = "started"
        living = self.living()
        assert sum(one.state == "started" and not one.is_free for one in living) <= self.slots
        for name in [*wish, *self.tasks]:
            room = self.slots + (self.ahead if name in wish else 0)
            if self.state(name) == "queued" and len(self.living()) < room:
                self.tasks[name].attempts.append(RefAttempt(since=self.now))
        waiting = sum(one.state == "leased" and one.has_asked for one in self.living())
        assert not waiting or len(self.living()) - waiting >= self.slots

    @property
    def is_over(self) -> bool:
        """Whether every task has come to its end."""
        return all(self.verdict(name) for name in self.tasks)
