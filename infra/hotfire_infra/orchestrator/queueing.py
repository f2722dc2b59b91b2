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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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


@dataclass(slots=True)
class Lane:
    """Tasks of a run that need the same: if the oldest cannot start, no other can."""

    run_id: int
    order: Order
    pool: str
    need: Need
    obstacle: str
    entries: list[tuple[float, int]]
    """(second in which it was queued, task), oldest first."""
    now: float = 0.0
    """In the same seconds."""
    taken: int = 0
    """How many of them have been picked."""

    @property
    def task_id(self) -> int:
        """The task that is next."""
        return self.entries[self.taken][1]

    @property
    def waited_seconds(self) -> float:
        """How long the oldest has waited."""
        return self.now - self.entries[self.taken][0]

    @property
    def is_empty(self) -> bool:
        """Whether all have been picked."""
        return self.taken == len(self.entries)

    @property
    def rank(self) -> int:
        """Of its class, 0 the most urgent."""
        return _RANK[self.order.priority]

    def take(self) -> int:
        """Pick the oldest."""
        self.taken += 1
        return self.entries[self.taken - 1][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What one round does about the queue."""

    picks: tuple[int, ...]
    """Tasks to start, in this order."""
    waiting: tuple[tuple[tuple[int, ...], str], ...]
    """Tasks and why they wait; thousands may share one reason."""

    @property
    def pending(self) -> dict[int, str]:
        """Why each task waits that does not start."""
        return {task_id: why for tasks, why in self.waiting for task_id in tasks}


def choose(
    queue: Sequence[QueuedTask],
    occupied: Sequence[Occupied],
    pools: Mapping[str, Pool],
    used: Iterable[Used] = (),
    section: QueueSection | None = None,
) -> Choice:
    """Decide on the whole queue; equal arguments give equal answers."""
    return choose_lanes(_lanes(queue), occupied, pools, used, section)


def choose_lanes(
    lanes: Sequence[Lane],
    occupied: Sequence[Occupied],
    pools: Mapping[str, Pool],
    used: Iterable[Used] = (),
    section: QueueSection | None = None,
) -> Choice:
    """Decide on a queue that is sorted into lanes; they are used up."""
    desk = _Desk(section or QueueSection(), pools, used)
    for one in occupied:
        desk.occupy(one.pool, one.need, one.order, one.running_seconds, is_hold=one.is_hold)
    picks: list[int] = []
    while True:
        lanes = [lane for lane in lanes if not lane.is_empty]
        found, reasons = desk.scan(lanes)
        if found is None:
            waiting = tuple(
                (tuple(key for _, key in lane.entries[lane.taken :]), why) for lane, why in reasons
            )
            return Choice(picks=tuple(picks), waiting=waiting)
        picks.append(found.take())
        desk.occupy(found.pool, found.need, found.order, 0.0)


def _lanes(queue: Sequence[QueuedTask]) -> list[Lane]:
    lanes: dict[tuple[int, Order, str, Need, str], Lane] = {}
    for task in sorted(queue, key=lambda task: (-task.waited_seconds, task.task_id)):
        key = (task.run_id, task.order, task.pool, task.need, task.obstacle)
        lane = lanes.get(key)
        if lane is None:
            lane = lanes[key] = Lane(
                run_id=task.run_id,
                order=task.order,
                pool=task.pool,
                need=task.need,
                obstacle=task.obstacle,
                entries=[],
            )
        lane.entries.append((-task.waited_seconds, task.task_id))
    return list(lanes.values())


@dataclass(slots=True)
class _Barrier:
    """A pool is kept for a lane that waits for room."""

    lane: Lane
    is_aged: bool

    def stops(self, other: Lane) -> bool:
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

    def scan(self, lanes: Sequence[Lane]) -> tuple[Lane | None, list[tuple[Lane, str]]]:
        """Return the lane that is next, else why each one waits."""
        shares = {team: self._share(team) for team in {lane.order.team for lane in lanes}}
        barriers: dict[str, _Barrier] = {}
        kept: Counter[tuple[str, str]] = Counter()
        refused: list[tuple[Lane, str | None]] = []
        for lane in sorted(lanes, key=lambda lane: self._place(lane, shares)):
            is_aged = self._is_aged(lane)
            why: str | None = self._obstacle(lane, kept)
            if not why:
                barrier = barriers.get(lane.pool)
                if not self._rooms[lane.pool].fits(lane.need):
                    why = None
                    if barrier is None or is_aged > barrier.is_aged:
                        barriers[lane.pool] = _Barrier(lane, is_aged)
                elif barrier is not None and barrier.stops(lane):
                    ahead = barrier.lane
                    why = kept_words(ahead.order.run_number, ahead.order.priority, ahead.need)
                else:
                    return lane, []
            if is_aged and not lane.obstacle:
                kept.update(_cap_keys(lane.pool, lane.order))
            refused.append((lane, why))
        return None, [(lane, why or self._no_room(lane)) for lane, why in refused]

    def _no_room(self, lane: Lane) -> str:
        capacity = self._pools[lane.pool].capacity
        return capacity_words(lane.need, capacity, self._occupants[lane.pool])

    def _place(self, lane: Lane, shares: Mapping[str, float]) -> tuple[float | int, ...]:
        is_aged = self._is_aged(lane)
        return (
            -1 if is_aged and self._has_reserve(lane.order.priority) else lane.rank,
            lane.rank,
            shares[lane.order.team],
            not is_aged,
            # Started on an idle machine only: first in the queue it would hold up all others.
            lane.need.exclusive and not is_aged,
            lane.run_id,
            lane.need.exclusive,
            lane.task_id,
        )

    def _is_aged(self, lane: Lane) -> bool:
        return lane.waited_seconds > self._section.patience_minutes * 60

    def _has_reserve(self, priority: Priority) -> bool:
        total = sum(self._by_class.values())
        return self._by_class.get(priority, 0.0) < self._section.reserve * total

    def _share(self, team: str) -> float:
        used = (self._by_team.get((team, pool), 0.0) for pool in self._pools)
        return max(used, default=0.0) / self._section.teams.get(team, NOBODY).weight

    def _obstacle(self, lane: Lane, kept: Mapping[tuple[str, str], int]) -> str:
        """Say what is in the way other than room; nothing: an empty string."""
        if lane.obstacle:
            return lane.obstacle
        pool = self._pools.get(lane.pool)
        if pool is None:
            return f"no machine of the pool {lane.pool} is connected"
        if pool.closed:
            return pool.closed
        for key in _cap_keys(lane.pool, lane.order):
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
