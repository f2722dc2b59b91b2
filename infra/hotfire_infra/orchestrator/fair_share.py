"""Who used the machines lately: cpu-seconds of attempts that ended, halved every half-life.

The truth is in the store: what is remembered here is read again from time to time, so that a write
that came late, or a clock that was set, is wrong for minutes at most.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy import Connection, case, func, select

from hotfire_infra.orchestrator.queueing import Used
from hotfire_infra.states import Priority
from hotfire_infra.store.models import Attempt, Run, Task

SECOND_NS = 1_000_000_000
BUCKET_NS = 60 * SECOND_NS
HALF_LIVES = 8
"""How far back is looked: what is older counts less than half a per cent of itself."""
REREAD_NS = 600 * SECOND_NS
LONGEST_MS = 24 * 3600 * 1000
"""More of one attempt is a clock that was set while it ran."""

Account: TypeAlias = tuple[str, Priority, str]
"""Team, class, pool."""


@dataclass(slots=True)
class UsageLedger:
    """Use of the machines by team, class and pool."""

    half_life_seconds: float
    _accounts: defaultdict[Account, float] = field(default_factory=lambda: defaultdict(float))
    """As of `_as_of_ns`."""
    _as_of_ns: int = 0
    _seen_ns: int = 0
    """End of the newest attempt that is counted."""
    _reread_ns: int | None = None
    """Monotonic; when everything was read last."""

    def catch_up(self, connection: Connection, *, wall_ns: int, mono_ns: int) -> None:
        """Count the attempts that ended since the last look."""
        if self._reread_ns is None or not 0 <= mono_ns - self._reread_ns < REREAD_NS:
            self._accounts.clear()
            self._as_of_ns = wall_ns
            self._seen_ns = wall_ns - int(HALF_LIVES * self.half_life_seconds * SECOND_NS)
            self._reread_ns = mono_ns
        self._decay_to(wall_ns)
        bucket = Attempt.ended_ns // BUCKET_NS
        lasted_ms = (Attempt.ended_ns - Attempt.created_ns) // 1_000_000
        sane_ms = case((lasted_ms < 0, 0), (lasted_ms > LONGEST_MS, LONGEST_MS), else_=lasted_ms)
        query = (
            select(
                Run.team,
                Run.priority,
                Attempt.pool,
                func.sum(Attempt.cpus * sane_ms),
                func.max(Attempt.ended_ns),
            )
            .join(Task, Task.id == Attempt.task_id)
            .join(Run, Run.id == Task.run_id)
            .where(Attempt.ended_ns > self._seen_ns, Attempt.ended_ns <= wall_ns)
            .group_by(Run.team, Run.priority, Attempt.pool, bucket)
        )
        for team, priority, pool, cpu_ms, newest in connection.execute(query):
            ended_ns = int(newest or 0)
            weight = self._factor(wall_ns - ended_ns)
            self._accounts[team, priority, pool] += float(cpu_ms) / 1000 * weight
            self._seen_ns = max(self._seen_ns, ended_ns)

    def _decay_to(self, wall_ns: int) -> None:
        # A clock that was set back: nothing decays until it has caught up.
        passed = max(0, wall_ns - self._as_of_ns)
        factor = self._factor(passed)
        for account in self._accounts:
            self._accounts[account] *= factor
        self._as_of_ns += passed

    def _factor(self, age_ns: int) -> float:
        return float(0.5 ** (max(0, age_ns) / SECOND_NS / self.half_life_seconds))

    def used(self) -> list[Used]:
        """Return what is counted now."""
        return [
            Used(team=team, priority=priority, pool=pool, cpu_seconds=seconds)
            for (team, priority, pool), seconds in self._accounts.items()
        ]
