"""Which queued tasks start now, in which order, and why each other one does not; no store, no clock.

The rules, first to last:

1. Classes are strict: gate, pre-merge, developer, nightly, backfill. A task that waits for room is
   not overtaken by a less urgent one, even if that one would fit.
2. No starvation: a task that has waited longer than `patience` keeps what it needs free from all
   behind it; and it goes before every class while its own class has had less than `reserve` of the
   machine time.
3. Within a class the team with the least weighted use of the machines is next (dominant share: of
   all pools the one it has used most of).
4. Within a team: who is out of patience, then tasks that share the machine before exclusive ones,
   then by run and plan.

Hence no slot stays empty while a task fits it, but for one case: it is kept for a task of a more
urgent class, or out of patience, that needs more room than there is yet.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hotfire_infra.executors.protocol import Capacity, Need
from hotfire_infra.executors.slots import Room
from hotfire_infra.orchestrator.pending_words import (
    Occupant,
    cap_words,
    capacity_words,
    kept_words,
)
from hotfire_infra.sections.queue import QueueSection, TeamSection
from hotfire_infra.states import Priority

CLASSES = tuple(Priority)
_RANK = {priority: rank for rank, priority in enumerate(CLASSES)}
NOBODY = TeamSection()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a run brings along that decides its place."""

    run_number: int
    pipeline: str
    team: str
    user: str
    priority: Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedTask:
    """A task that could start if there were room."""

    task_id: int
    run_id: int
    order: Order
    pool: str
    need: Need
    waited_seconds: float = 0.0
    """Since it was queued; only rule 2 looks at it."""
    obstacle: str = ""
    """Why no machine of the pool takes it, room or not: all of its devices are in quarantine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupied:
    """What takes room now: a live attempt, or a machine that is held after one."""

    order: Order
    pool: str
    need: Need
    running_seconds: float = 0.0
    is_hold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Machines that take attempts."""

    capacity: Capacity
    closed: str = ""
    """Why it takes nothing new: the service is draining."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """Machine time of a team and class in one pool, decayed: cpu-seconds."""

    team: str
    priority: Priority
    pool: str
    cpu_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What one round does about the queue."""

    picks: tuple[int, ...]
    """Tasks to start, in this order."""
    pending: Mapping[int, str]
    """Why each other task waits."""


def choose(
    queue: Sequence[QueuedTask],
    occupied: Sequence[Occupied],
    pools: Mapping[str, Pool],
    used: Iterable[Used] = (),
    section: QueueSection | None = None,
) -> Choice:
    """Decide on the whole queue; equal arguments give equal answers."""
    desk = _Desk(section or QueueSection(), pools, used)
    for one in occupied:
        desk.occupy(one.pool, one.need, one.order, one.running_seconds, is_hold=one.is_hold)
    lanes = _lanes(queue)
    picks: list[int] = []
    while True:
        found, reasons = desk.scan(lanes)
        if found is None:
            pending = {key: why for lane, why in reasons for key in lane.task_ids}
            return Choice(picks=tuple(picks), pending=pending)
        picks.append(found.take())
        desk.occupy(found.first.pool, found.first.need, found.first.order, 0.0)
        lanes = [lane for lane in lanes if lane.tasks]


@dataclass(slots=True)
class _Lane:
    """Tasks of a run that need the same: if the first cannot start, no other can."""

    tasks: list[QueuedTask]
    """In reverse: the next one is the last."""
    first: QueuedTask = field(init=False)

    def __post_init__(self) -> None:
        self.tasks.sort(key=lambda task: (task.waited_seconds, -task.task_id))
        self.first = self.tasks[-1]

    def take(self) -> int:
        task_id = self.tasks.pop().task_id
        if self.tasks:
            self.first = self.tasks[-1]
        return task_id

    @property
    def task_ids(self) -> Iterator[int]:
        return (task.task_id for task in self.tasks)

    @property
    def rank(self) -> int:
        return _RANK[self.first.order.priority]


def _lanes(queue: Sequence[QueuedTask]) -> list[_Lane]:
    groups: dict[tuple[int, str, int, bool, str], list[QueuedTask]] = {}
    for task in queue:
        key = (task.run_id, task.pool, task.need.cpus, task.need.exclusive, task.obstacle)
        groups.setdefault(key, []).append(task)
    return [_Lane(tasks) for tasks in groups.values()]


@dataclass(slots=True)
class _Barrier:
    """A pool is kept for a lane that waits for room."""

    lane: _Lane
    is_aged: bool

    def stops(self, other: _Lane) -> bool:
        return self.is_aged or other.rank > self.lane.rank


class _Desk:
    """Room, caps and shares while one round decides."""

    def __init__(
        self, section: QueueSection, pools: Mapping[str, Pool], used: Iterable[Used]
    ) -> None:
        self._section = section
        self._pools = pools
        self._rooms = {name: Room(pool.capacity) for name, pool in pools.items()}
        self._occupants: dict[str, list[Occupant]] = {name: [] for name in pools}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._by_team: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._by_class: defaultdict[Priority, float] = defaultdict(float)
        for one in used:
            self._charge(one.team, one.priority, one.pool, one.cpu_seconds)

    def occupy(
        self, pool: str, need: Need, order: Order, seconds: float, *, is_hold: bool = False
    ) -> None:
        """Take room, and charge it: at least the nominal time, for it may run that long yet."""
        self._counts.update(_cap_keys(pool, order))
        if pool not in self._pools:
            return
        self._rooms[pool].take(need)
        self._occupants[pool].append(
            Occupant(
                run_number=order.run_number,
                priority=order.priority,
                cpus=need.cpus,
                is_exclusive=need.exclusive,
                is_hold=is_hold,
            )
        )
        there = self._pools[pool].capacity.cpus
        taken = there if need.exclusive else min(need.cpus, there)
        charged = taken * max(seconds, self._section.nominal_seconds)
        self._charge(order.team, order.priority, pool, charged)

    def _charge(self, team: str, priority: Priority, pool: str, cpu_seconds: float) -> None:
        if pool in self._pools:
            part = cpu_seconds / self._pools[pool].capacity.cpus
            self._by_team[team, pool] += part
            self._by_class[priority] += part

    def scan(self, lanes: Sequence[_Lane]) -> tuple[_Lane | None, list[tuple[_Lane, str]]]:
        """Return the lane that is next, else why each one waits."""
        shares = {team: self._share(team) for team in {lane.first.order.team for lane in lanes}}
        barriers: dict[str, _Barrier] = {}
        kept: Counter[tuple[str, str]] = Counter()
        refused: list[tuple[_Lane, str | None]] = []
        for lane in sorted(lanes, key=lambda lane: self._place(lane, shares)):
            task = lane.first
            is_aged = self._is_aged(task)
            why: str | None = self._obstacle(task, kept)
            if not why:
                barrier = barriers.get(task.pool)
                if not self._rooms[task.pool].fits(task.need):
                    why = None
                    if barrier is None or is_aged > barrier.is_aged:
                        barriers[task.pool] = _Barrier(lane, is_aged)
                elif barrier is not None and barrier.stops(lane):
                    ahead = barrier.lane.first
                    why = kept_words(ahead.order.run_number, ahead.order.priority, ahead.need)
                else:
                    return lane, []
            if is_aged and not task.obstacle:
                kept.update(_cap_keys(task.pool, task.order))
            refused.append((lane, why))
        return None, [(lane, why or self._no_room(lane.first)) for lane, why in refused]

    def _no_room(self, task: QueuedTask) -> str:
        capacity = self._pools[task.pool].capacity
        return capacity_words(task.need, capacity, self._occupants[task.pool])

    def _place(self, lane: _Lane, shares: Mapping[str, float]) -> tuple[float | int, ...]:
        task = lane.first
        is_aged = self._is_aged(task)
        return (
            -1 if is_aged and self._has_reserve(task.order.priority) else lane.rank,
            lane.rank,
            shares[task.order.team],
            not is_aged,
            # Started on an idle machine only: first in the queue it would hold up all others.
            task.need.exclusive and not is_aged,
            task.run_id,
            task.need.exclusive,
            task.task_id,
        )

    def _is_aged(self, task: QueuedTask) -> bool:
        return task.waited_seconds > self._section.patience_minutes * 60

    def _has_reserve(self, priority: Priority) -> bool:
        total = sum(self._by_class.values())
        return self._by_class.get(priority, 0.0) < self._section.reserve * total

    def _share(self, team: str) -> float:
        used = (self._by_team.get((team, pool), 0.0) for pool in self._pools)
        return max(used, default=0.0) / self._section.teams.get(team, NOBODY).weight

    def _obstacle(self, task: QueuedTask, kept: Mapping[tuple[str, str], int]) -> str:
        """Say what is in the way other than room; nothing: an empty string."""
        if task.obstacle:
            return task.obstacle
        pool = self._pools.get(task.pool)
        if pool is None:
            return f"no machine of the pool {task.pool} is connected"
        if pool.closed:
            return pool.closed
        for key in _cap_keys(task.pool, task.order):
            cap = self._cap(*key)
            if cap is not None and self._counts[key] + kept.get(key, 0) >= cap:
                return cap_words(*key, cap, is_kept=self._counts[key] < cap)
        return ""

    def _cap(self, kind: str, name: str) -> int | None:
        caps = self._section.caps
        match kind:
            case "team":
                return self._section.teams.get(name, NOBODY).cap
            case "pipeline":
                return caps.pipelines.get(name)
            case "pool":
                return caps.pools.get(name)
            case _:
                return caps.users.get(name, caps.per_user)


def _cap_keys(pool: str, order: Order) -> tuple[tuple[str, str], ...]:
    return (
        ("team", order.team),
        ("pipeline", order.pipeline),
        ("pool", pool),
        ("user", order.user),
    )
