"""What a plan takes: GPU-hours, node-hours and wall time, from recorded attempts or declared costs."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from hotfire_pipelines.catalogue import Catalogue
from hotfire_pipelines.demands import Budget, seconds_of
from hotfire_pipelines.device_choice import suggest_devices
from hotfire_pipelines.history import definition_of
from hotfire_pipelines.load import Pipeline
from hotfire_pipelines.plan import Estimate, Plan, PlannedCell, PlannedTask
from hotfire_pipelines.priced import Basis, PlannedBudget, Price, PricedTask, Range
from hotfire_pipelines.simulation import Load, simulate

DECLARED_FACTOR = 3.0
"""A declared duration is a guess: a third to three times of it."""
NEIGHBOUR_FACTOR = 2.0
"""Other axis values change what a task does, so its neighbours tell less than itself."""
FEW_FACTOR = 1.5
"""Of one or two attempts no spread is known."""
LEAST_SPREAD = 0.05
"""Equal attempts in a row do not make the next one certain."""
ENOUGH = 3
"""Attempts from which a spread is computed."""
_STUDENT_80 = (3.078, 1.886, 1.638, 1.533, 1.476, 1.440, 1.415, 1.397, 1.383, 1.372)
_NORMAL_80 = 1.282
_RECORDED = (Basis.MEASURED, Basis.NEIGHBOURS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one attempt took, and of which cell it was."""

    cell: str
    task: str
    platform: str
    shards: int
    """How many tasks the cell was cut into."""
    seconds: float
    pipeline: str = ""
    """Another pipeline that it is lent by; empty: the one that is planned."""
    definition: str = ""
    """Of what is lent: how the cell ran its tests there (`history.definition_of`)."""


def priced(
    plan: Plan,
    pipeline: Pipeline,
    catalogue: Catalogue,
    samples: Sequence[Sample],
    *,
    slots: int,
    refused: Collection[str] = (),
) -> Plan:
    """Return the plan with its price; the estimate is the same figures, and the digest unchanged.

    `refused` are the keys of the cells that no machine at hand executes.
    """
    budget = pipeline.definition.budget
    price = price_of(plan, samples, slots=slots, budget=budget, refused=refused)
    return _with_price(plan, replace(price, suggestions=suggest_devices(plan, pipeline, catalogue)))


def price_of(
    plan: Plan,
    samples: Sequence[Sample],
    *,
    slots: int,
    budget: Budget | None = None,
    refused: Collection[str] = (),
) -> Price:
    """Price every task of a plan, and the whole of it.

    What was not measured is priced at the plan's own estimate. The wall time is that of a list
    schedule on `slots` CPUs and one machine of each kind of device. Tasks of `refused` cells, and
    those that wait for one, take nothing.
    """
    declared = plan.estimate.by_task if plan.estimate else {}
    known = _Known(samples)
    cells = {cell.key: cell for cell in plan.cells}
    counts = {platform.name: _gpus(platform.dimensions) for platform in plan.platforms}
    idle = _never_run(plan, refused)
    told = plan.selection.tests if plan.selection else {}
    shares = {key: one.share for key, one in told.items()}
    tasks = tuple(
        _nothing(task)
        if task.key in idle
        else _price_task(
            task,
            cells[task.cell],
            known,
            declared.get(task.key, 0.0),
            slots,
            counts,
            shares.get(task.cell, 1.0),
        )
        for task in plan.tasks
    )
    return _summed(plan, tasks, slots, _budget(budget or Budget()))


def repriced(plan: Plan, whole: Plan, shares: Mapping[str, float]) -> Plan:
    """Return a part of a plan with its own price and estimate: those of its tasks in `whole`.

    `shares` says of cells, by key, what part of their time is left (`chosen_share.chosen_share`).
    """
    if whole.price is None:
        return replace(plan, price=None, estimate=None)
    known = {task.task: task for task in whole.price.tasks}
    tasks = tuple(
        _part(known[task.key], shares.get(task.cell, 1.0))
        for task in plan.tasks
        if task.key in known
    )
    if len(tasks) < len(plan.tasks):
        return replace(plan, price=None, estimate=None)
    price = _summed(plan, tasks, whole.price.slots, whole.price.budget)
    names = {cell.task for cell in plan.cells}
    left = tuple(one for one in whole.price.suggestions if one.task in names)
    return _with_price(plan, replace(price, suggestions=left))


def _part(task: PricedTask, share: float) -> PricedTask:
    """A part of what was measured is an estimate too."""
    seconds = task.seconds
    if share >= 1 or not seconds.expected:
        return task
    factor = max(seconds.high / seconds.expected, FEW_FACTOR)
    return replace(task, seconds=_around(seconds.expected * share, factor))


def _with_price(plan: Plan, price: Price) -> Plan:
    by_task = {task.task: round(task.seconds.expected, 2) for task in price.tasks}
    wall = round(price.wall_seconds.expected, 1)
    return replace(plan, price=price, estimate=Estimate(seconds=wall, by_task=by_task))


def _summed(plan: Plan, tasks: tuple[PricedTask, ...], slots: int, budget: PlannedBudget) -> Price:
    nodes = _total(tasks, [task.nodes for task in tasks])
    measured = sum(task.node_hours for task in tasks if task.basis in _RECORDED)
    return Price(
        gpu_hours=_total(tasks, [float(task.gpus) for task in tasks]),
        node_hours=nodes,
        wall_seconds=_wall(plan, tasks, {cell.key: cell for cell in plan.cells}, slots),
        slots=slots,
        measured=measured / nodes.expected if nodes.expected else 0.0,
        tasks=tasks,
        budget=budget,
    )


def exceeded(price: Price) -> tuple[str, ...]:
    """Return what of a price is beyond the budget, each in words with both figures."""
    budget = price.budget
    pairs = (
        ("GPU-hours", price.gpu_hours.expected, budget.gpu_hours, 1.0),
        ("node-hours", price.node_hours.expected, budget.node_hours, 1.0),
        ("minutes of wall time", price.wall_seconds.expected, budget.wall_seconds, 60.0),
    )
    return tuple(
        f"{_figure(expected / unit)} {word} of {_figure(limit / unit)}"
        for word, expected, limit, unit in pairs
        if limit is not None and expected > limit
    )


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _never_run(plan: Plan, refused: Collection[str]) -> frozenset[str]:
    """Return the tasks of refused cells, and all that wait for one of them."""
    if not refused:
        return frozenset()
    later: dict[str, list[str]] = {}
    for edge in plan.edges:
        later.setdefault(edge.earlier, []).append(edge.later)
    queue = [task.key for task in plan.tasks if task.cell in refused]
    found = set(queue)
    for key in queue:  # grows while it is read
        fresh = [one for one in later.get(key, ()) if one not in found]
        found.update(fresh)
        queue.extend(fresh)
    return frozenset(found)


class _Known:
    """Recorded attempts by cell, and by task and platform; those of other pipelines apart."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._own: dict[str, list[Sample]] = {}
        self._lent: dict[tuple[str, str], list[Sample]] = {}
        self._near: dict[tuple[str, str], list[Sample]] = {}
        self._lent_near: dict[tuple[str, str], list[Sample]] = {}
        for one in samples:
            near = (one.task, one.platform)
            if one.pipeline:
                self._lent.setdefault((one.cell, one.definition), []).append(one)
                self._lent_near.setdefault(near, []).append(one)
            else:
                self._own.setdefault(one.cell, []).append(one)
                self._near.setdefault(near, []).append(one)

    def of(self, cell: PlannedCell, task: PlannedTask) -> tuple[Sequence[Sample], Basis]:
        """Return the attempts at this cell, else those of its neighbours, else nothing.

        While the pipeline has few of its own, those of others count that define the cell alike.
        """
        own: Sequence[Sample] = self._own.get(cell.key, ())
        if len(own) < ENOUGH and self._lent:
            definition = definition_of(task.spec.to_json())
            own = [*own, *self._lent.get((cell.key, definition), ())]
        if own:
            return own, Basis.MEASURED
        place = (cell.task, cell.platform)
        near = self._near.get(place) or self._lent_near.get(place)
        return (near, Basis.NEIGHBOURS) if near else ((), Basis.DECLARED)


def _per_shard(found: Sequence[Sample], shards: int) -> list[float]:
    """Durations of equally many shards, else of other cuts in proportion."""
    same = [one.seconds for one in found if one.shards == shards]
    return same or [one.seconds * one.shards / shards for one in found]


def _nothing(task: PlannedTask) -> PricedTask:
    return PricedTask(
        task=task.key,
        cell=task.cell,
        seconds=Range(low=0.0, expected=0.0, high=0.0),
        gpus=0,
        nodes=0.0,
        basis=Basis.NOTHING,
    )


def _price_task(
    task: PlannedTask,
    cell: PlannedCell,
    known: _Known,
    declared: float,
    slots: int,
    counts: Mapping[str, int],
    part: float,
) -> PricedTask:
    """`part` is what a change leaves of the cell's time; `declared` is of the rest alone already."""
    told, basis = known.of(cell, task)
    found = [seconds * part for seconds in _per_shard(told, task.shard[1])]
    needs_device = bool(cell.requires.get("devices"))
    asked = max(len(cell.requires.get("devices", ())), counts.get(cell.platform, 1))
    share = 1.0 if task.spec.exclusive else min(task.spec.cpus / slots, 1.0)
    return PricedTask(
        task=task.key,
        cell=cell.key,
        seconds=_interval(found, basis, part) if found else _around(declared, DECLARED_FACTOR),
        gpus=asked if needs_device else 0,
        nodes=share,
        basis=basis,
        samples=len(found),
        pipelines=tuple(sorted({one.pipeline for one in told} - {""})),
    )


def _interval(found: Sequence[float], basis: Basis, part: float) -> Range:
    """Return the 80 % prediction interval for the next duration, on the logarithmic scale."""
    logs = [math.log(max(seconds, 1e-3)) for seconds in found]
    centre = math.exp(fmean(logs))
    if len(logs) < ENOUGH:
        factor = FEW_FACTOR
    else:
        degrees = len(logs) - 1
        quantile = _STUDENT_80[degrees - 1] if degrees <= len(_STUDENT_80) else _NORMAL_80
        spread = max(stdev(logs), LEAST_SPREAD) * math.sqrt(1 + 1 / len(logs))
        factor = math.exp(quantile * spread)
    # A part of what was measured is an estimate too.
    least = NEIGHBOUR_FACTOR if basis is Basis.NEIGHBOURS else FEW_FACTOR if part < 1 else 1.0
    return _around(centre, max(factor, least))


def _around(expected: float, factor: float) -> Range:
    return Range(low=expected / factor, expected=expected, high=expected * factor)


def _total(tasks: Sequence[PricedTask], weights: Sequence[float]) -> Range:
    """Add up in hours: what was measured errs each way, what was declared may err all one way."""
    expected = low = high = 0.0
    below = above = 0.0
    for task, weight in zip(tasks, weights, strict=True):
        seconds = task.seconds
        expected += weight * seconds.expected
        down = weight * (seconds.expected - seconds.low)
        up = weight * (seconds.high - seconds.expected)
        if task.basis is Basis.MEASURED:
            below += down * down
            above += up * up
        else:
            low += down
            high += up
    return Range(
        low=max(expected - low - math.sqrt(below), 0.0) / 3600,
        expected=expected / 3600,
        high=(expected + high + math.sqrt(above)) / 3600,
    )


def _wall(
    plan: Plan, tasks: Sequence[PricedTask], cells: Mapping[str, PlannedCell], slots: int
) -> Range:
    earlier: dict[str, list[str]] = {}
    for edge in plan.edges:
        earlier.setdefault(edge.later, []).append(edge.earlier)

    def walls(seconds: Sequence[float]) -> float:
        return simulate(
            [
                Load(
                    key=planned.key,
                    seconds=one,
                    cpus=planned.spec.cpus,
                    is_exclusive=planned.spec.exclusive,
                    waits_for=tuple(earlier.get(planned.key, ())),
                    devices=tuple(sorted(set(cells[planned.cell].requires.get("devices", ())))),
                )
                for planned, one in zip(plan.tasks, seconds, strict=True)
            ],
            slots,
        )

    expected = walls([task.seconds.expected for task in tasks])
    # A list schedule of shorter tasks may take longer (Graham 1969): the range holds the middle.
    return Range(
        low=min(walls([task.seconds.low for task in tasks]), expected),
        expected=expected,
        high=max(walls([task.seconds.high for task in tasks]), expected),
    )


def _gpus(dimensions: Mapping[str, str]) -> int:
    count = dimensions.get("gpu_count", "1")
    return int(count) if count.isdigit() else 1


def _budget(budget: Budget) -> PlannedBudget:
    return PlannedBudget(
        gpu_hours=budget.gpu_hours,
        node_hours=budget.node_hours,
        wall_seconds=None if budget.wall is None else float(seconds_of(budget.wall)),
    )
