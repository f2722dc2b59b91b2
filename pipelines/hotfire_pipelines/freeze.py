"""Freezes a pipeline into a plan: cells, test lists, shards, edges, digests, estimates."""

import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hotfire_pipelines.cases import case_test_id, of_operators, read_cases, select
from hotfire_pipelines.catalogue import Catalogue
from hotfire_pipelines.cells import Cell, expand_pipeline
from hotfire_pipelines.chosen_share import chosen_share
from hotfire_pipelines.cost import case_seconds
from hotfire_pipelines.cutting import SETUP_SECONDS, cut, run_seconds
from hotfire_pipelines.edges import Links, link
from hotfire_pipelines.errors import EmptyMatrixError
from hotfire_pipelines.estimate import Durations, Load, estimate
from hotfire_pipelines.expansion import Debt, Expanded
from hotfire_pipelines.history import CellHistory, Recorded, definition_of
from hotfire_pipelines.list_cutting import cut_list
from hotfire_pipelines.listing import expected_tests
from hotfire_pipelines.load import Pipeline
from hotfire_pipelines.narrowing import Inquiry, Inventory, Narrowed, narrow
from hotfire_pipelines.plan import (
    Plan,
    PlannedCell,
    PlannedCoverage,
    PlannedDurations,
    PlannedEdge,
    PlannedGap,
    PlannedModel,
    PlannedPlatform,
    PlannedTask,
    Policy,
    QueueOrder,
    Source,
    WaiverSource,
    inventory_digest,
)
from hotfire_pipelines.selected import PlannedSelection
from hotfire_pipelines.specs import spec_of
from hotfire_pipelines.testlist_entries import TestEntry
from hotfire_testframework.contract.canonical import canonical_sha256
from hotfire_testframework.contract.cases import CaseLine
from hotfire_testframework.contract.identifiers import command_test_id
from hotfire_testframework.contract.outcomes import Harness

Ask = Callable[["Listed"], CellHistory | None]
CaseReader = Callable[[tuple[str, ...]], Mapping[str, Sequence[CaseLine]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A cell with its test list."""

    cell: Cell
    cases: tuple[CaseLine, ...]
    tests: tuple[str, ...] | None
    left_out: int
    unconcerned: tuple[str, ...] = ()
    """Of `left_out`: those that no change concerns."""
    share: float = 1.0
    """Part of the whole cell's time that is left without them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One task to be: a shard of a listed cell, with its estimated duration."""

    key: str
    listed: Listed
    shard: tuple[int, int]
    lines: tuple[str, ...] = ()
    entries: tuple[TestEntry, ...] = ()
    seconds: float
    run_s: float
    """Limit of an attempt at it."""
    durations: PlannedDurations | None = None
    """Of the cell, with its first piece."""


def freeze(
    pipeline: Pipeline,
    catalogue: Catalogue,
    source: Source,
    *,
    inventory: Inventory,
    history: Durations | None,
    source_root: Path,
    runner_sha256: str | None = None,
    debt: Mapping[str, Sequence[Debt]] | None = None,
    inquiry: Inquiry | None = None,
    recorded: Recorded | None = None,
    slots: int = 2,
    created: str | None = None,
) -> Plan:
    """Expand, list, cut, link and digest; equal arguments give equal bytes.

    `source_root` is read for case files only. Whether a machine at hand can execute a cell is not
    decided here: `requires` says what the executor must check. `debt` is what earlier plans could
    not afford (`debt_of`). `inquiry` narrows the plan to what a change concerns. `recorded` tells
    what the cells to be sharded took before; without it they are cut by declared costs.
    """
    expanded = expand_pipeline(pipeline, catalogue, debt)
    narrowed = narrow(pipeline, expanded.cells, link(pipeline, expanded.cells), inquiry, inventory)
    links = narrowed.links
    ordered = _in_order(narrowed.cells, links)
    read = functools.cache(functools.partial(read_cases, source_root))
    every = (_list_tests(pipeline, cell, inventory, read) for cell in ordered)
    ask = functools.partial(_history_of, recorded=recorded, links=links)
    listed = [_without(item, narrowed.left_out, ask) for item in every]
    pieces = [
        piece
        for item in listed
        for piece in _cut(item, history or Durations(), recorded is not None, ask)
    ]
    tasks = _tasks(pipeline, pieces, links, source, runner_sha256)
    edges = _task_edges(pieces, links)
    return Plan(
        pipeline=pipeline.name,
        source=source,
        platforms=_platforms(catalogue, ordered),
        models=_models(pipeline, ordered),
        cells=tuple(_planned_cell(item) for item in listed),
        tasks=tasks,
        edges=edges,
        inventories={
            inventory_digest(item.tests): item.tests for item in listed if item.tests is not None
        },
        waivers=tuple(pipeline.waivers.snapshot()) if pipeline.waivers else (),
        waiver_file=_waiver_file(pipeline),
        runner_sha256=runner_sha256,
        policy=_policy(pipeline),
        unselected=narrowed.unselected,
        selection=_selection(narrowed, listed),
        order=_order(pipeline),
        coverage=_coverage(expanded.coverage),
        durations=tuple(piece.durations for piece in pieces if piece.durations is not None),
        estimate=estimate(_loads(pieces, edges), slots),
        created=created,
    )


def debt_of(plan: Plan) -> dict[str, tuple[Debt, ...]]:
    """What a plan leaves to the next one, by task."""
    return {
        item.task: tuple(
            Debt(assignment=gap.assignment, age=gap.age) for gap in item.uncovered if gap.age
        )
        for item in plan.coverage
    }


def _coverage(found: Mapping[str, Expanded]) -> tuple[PlannedCoverage, ...]:
    return tuple(
        PlannedCoverage(
            task=task,
            strength=item.strength,
            covered=item.covered,
            uncovered=tuple(
                PlannedGap(
                    assignment=gap.assignment,
                    reason=gap.reason,
                    proven=gap.is_proven,
                    age=gap.age,
                )
                for gap in item.gaps
            ),
        )
        for task, item in sorted(found.items())
    )


def _order(pipeline: Pipeline) -> QueueOrder | None:
    written = pipeline.definition
    if written.priority is None and written.supersede is None:
        return None
    priority = written.priority.value if written.priority else None
    return QueueOrder(priority=priority, supersede=written.supersede)


def _in_order(cells: Sequence[Cell], links: Links) -> list[Cell]:
    """Cells by depth, then those that most others wait for, then by key.

    Independent of the order in the file, and a sensible order to start in.
    """
    earlier: dict[str, list[str]] = {}
    followers = Counter(edge.earlier for edge in links.edges)
    for edge in links.edges:
        earlier.setdefault(edge.later, []).append(edge.earlier)
    depths: dict[str, int] = {}

    def depth(key: str) -> int:
        if key not in depths:
            depths[key] = 1 + max((depth(item) for item in earlier.get(key, ())), default=-1)
        return depths[key]

    return sorted(cells, key=lambda cell: (depth(cell.key), -followers[cell.key], cell.key))


def _list_tests(pipeline: Pipeline, cell: Cell, inventory: Inventory, read: CaseReader) -> Listed:
    task = cell.definition
    if task.harness is Harness.COMMAND and not task.reports:
        return Listed(cell=cell, cases=(), tests=(str(command_test_id(cell.key)),), left_out=0)
    if task.cases is None:
        recorded = inventory(cell.key)
        if cell.entries:
            recorded = expected_tests(cell.entries, recorded)
        tests = None if recorded is None else tuple(sorted(set(recorded)))
        return Listed(cell=cell, cases=(), tests=tests, left_out=0)
    by_file = read(task.cases.files)
    every = [case for cases in by_file.values() for case in cases]
    chosen = of_operators(every, task.cases.operators)
    if not chosen:
        raise EmptyMatrixError(
            pipeline.document.key("tasks", cell.task, "cases"),
            f"task {cell.task!r} selects none of {len(every)} cases: files "
            f"{list(task.cases.files)}, operators {list(task.cases.operators)}",
            "Check the patterns; paths are relative to the root of the source.",
        )
    selection = select(chosen, cell.platform.speed, cell.budget_seconds)
    module = task.cases.module
    return Listed(
        cell=cell,
        cases=selection.cases,
        tests=tuple(sorted(case_test_id(module, case) for case in selection.cases)),
        left_out=selection.left_out,
    )


def _without(listed: Listed, left_out: Mapping[str, tuple[str, ...]], ask: Ask) -> Listed:
    unconcerned = left_out.get(listed.cell.key, ())
    if not unconcerned or listed.tests is None:
        return listed
    rest = frozenset(unconcerned)
    chosen = tuple(test for test in listed.tests if test not in rest)
    return replace(
        listed,
        tests=chosen,
        left_out=listed.left_out + len(rest),
        unconcerned=unconcerned,
        share=chosen_share(chosen, rest, ask(listed)),
    )


def _selection(narrowed: Narrowed, listed: Sequence[Listed]) -> PlannedSelection | None:
    """Say with the tests of each cell what part of its time they take."""
    selection = narrowed.selection
    shares = {item.cell.key: item.share for item in listed if item.unconcerned}
    if selection is None or not shares:
        return selection
    tests = {
        key: replace(told, share=shares.get(key, 1.0)) for key, told in selection.tests.items()
    }
    return replace(selection, tests=tests)


def _history_of(listed: Listed, recorded: Recorded | None, links: Links) -> CellHistory | None:
    if recorded is None:
        return None
    cell = listed.cell
    # Which tests it runs is no part of the definition, and a spec needs one.
    lines = [str(case) for case in listed.cases[:1]]
    spec = spec_of(cell, links, lines, cell.entries, cell.timeouts.run_s)
    return recorded(cell.key, cell.task, cell.platform_name, definition_of(spec.to_json()))


def _cut(listed: Listed, history: Durations, asked: bool, ask: Ask) -> list[Piece]:
    cell = listed.cell
    if cell.entries and cell.shards != 1:
        return _cut_entries(listed, history, asked, ask)
    if not listed.cases:
        one = Piece(
            key=cell.key,
            listed=listed,
            shard=(1, 1),
            entries=cell.entries,
            seconds=history.tasks.get(cell.key, cell.estimate_seconds) * listed.share,
            run_s=cell.timeouts.run_s,
        )
        return [one]
    module = cell.definition.cases.module if cell.definition.cases else ""
    cutting = cut(
        cell.key,
        {str(case): case_seconds(case, cell.platform.speed) for case in listed.cases},
        cell.shards,
        {str(case): case_test_id(module, case) for case in listed.cases},
        history=ask(listed),
        asked=asked,
        test_seconds=cell.timeouts.test_s,
    )
    shards = cutting.shards
    measured = history.tests.get(cell.key)
    pieces = []
    for number, shard in enumerate(shards, start=1):
        key = cell.key if len(shards) == 1 else f"{cell.key}#{number}/{len(shards)}"
        seconds = shard.seconds
        if measured is not None:
            seconds = SETUP_SECONDS + sum(
                measured.get(f"{module}/native/{line}", cutting.declared[line])
                for line in shard.tests
            )
        pieces.append(
            Piece(
                key=key,
                listed=listed,
                shard=(number, len(shards)),
                lines=shard.tests,
                seconds=history.tasks.get(key, seconds),
                run_s=run_seconds(cell.timeouts.run_s, shard),
                durations=cutting.durations if number == 1 else None,
            )
        )
    return pieces


def _cut_entries(listed: Listed, history: Durations, asked: bool, ask: Ask) -> list[Piece]:
    cell = listed.cell
    cutting, units = cut_list(
        cell.key,
        cell.entries,
        listed.tests,
        cell.shards,
        history=ask(listed),
        asked=asked,
        test_seconds=cell.timeouts.test_s,
        estimate_seconds=cell.estimate_seconds,
    )
    count = len(cutting.shards)
    pieces = []
    for number, shard in enumerate(cutting.shards, start=1):
        key = cell.key if count == 1 else f"{cell.key}#{number}/{count}"
        mine = {entry for unit in shard.tests for entry in units[unit]}
        pieces.append(
            Piece(
                key=key,
                listed=listed,
                shard=(number, count),
                # In the order of the list.
                entries=tuple(entry for entry in cell.entries if entry in mine),
                seconds=history.tasks.get(key, shard.seconds),
                run_s=run_seconds(cell.timeouts.run_s, shard),
                durations=cutting.durations if number == 1 else None,
            )
        )
    return pieces


def _tasks(
    pipeline: Pipeline,
    pieces: Sequence[Piece],
    links: Links,
    source: Source,
    runner_sha256: str | None,
) -> tuple[PlannedTask, ...]:
    """Tasks in order, each with the digest of all that is known to decide its outcome."""
    digests: dict[str, str] = {}
    tasks: list[PlannedTask] = []
    for piece in pieces:
        cell = piece.listed.cell
        spec = spec_of(cell, links, piece.lines, piece.entries, piece.run_s)
        if piece.listed.unconcerned:
            spec = replace(spec, leave_out=piece.listed.unconcerned)
        upstream = {
            name: digests[maker]
            for (later, name), maker in sorted(links.makers.items())
            if later == cell.key
        }
        models = {
            item.model: pipeline.definition.models[item.model].sha256
            for item in cell.definition.all_inputs()
            if item.model is not None
        }
        digest = canonical_sha256(
            {
                "source": {
                    "repository": source.repository,
                    "revision": source.revision,
                    "patch_digest": source.patch_digest,
                },
                "spec": spec.to_json(),
                "dimensions": dict(cell.platform.dimensions),
                "variant": dict(cell.variant),
                "requires": cell.requires.to_json(),
                "artifacts": upstream,
                "models": models,
                "runner": runner_sha256,
            }
        )
        # Edges from artifacts come only from cells of one task, whose key is the cell's.
        digests[piece.key] = digest
        tasks.append(
            PlannedTask(
                key=piece.key,
                cell=cell.key,
                shard=piece.shard,
                spec=spec,
                requested_digest=digest,
            )
        )
    return tuple(tasks)


def _task_edges(pieces: Sequence[Piece], links: Links) -> tuple[PlannedEdge, ...]:
    """Every shard of the later cell waits for every shard of the earlier one."""
    keys: dict[str, list[str]] = {}
    for piece in pieces:
        keys.setdefault(piece.listed.cell.key, []).append(piece.key)
    edges = [
        PlannedEdge(earlier=earlier, later=later, kind=edge.kind.value)
        for edge in links.edges
        for earlier in keys[edge.earlier]
        for later in keys[edge.later]
    ]
    return tuple(sorted(edges, key=lambda edge: (edge.earlier, edge.later, edge.kind)))


def _loads(pieces: Sequence[Piece], edges: Sequence[PlannedEdge]) -> list[Load]:
    earlier: dict[str, list[str]] = {}
    for edge in edges:
        earlier.setdefault(edge.later, []).append(edge.earlier)
    return [
        Load(
            key=piece.key,
            seconds=piece.seconds,
            cpus=piece.listed.cell.cpus,
            is_exclusive=piece.listed.cell.definition.exclusive,
            waits_for=tuple(earlier.get(piece.key, ())),
        )
        for piece in pieces
    ]


def _planned_cell(listed: Listed) -> PlannedCell:
    cell = listed.cell
    return PlannedCell(
        key=cell.key,
        task=cell.task,
        platform=cell.platform_name,
        variant=dict(cell.variant),
        variant_hash=cell.variant.hash,
        required=cell.required.value,
        requires=cell.platform.offers(cell.definition.role, cell.requires),
        inventory=None if listed.tests is None else inventory_digest(listed.tests),
        budget_s=cell.budget_seconds,
        left_out=listed.left_out,
    )


def _policy(pipeline: Pipeline) -> Policy:
    said = pipeline.definition
    return Policy(
        reuse=said.reuse,
        fails_on_merge_base=said.exonerate.fails_on_merge_base.value,
        rerun_tasks=said.exonerate.rerun_tasks,
        gone_tests=said.gone.tests.value,
        gone_share=said.gone.share,
        accuracy={task: gate.figures() for task, gate in sorted(said.accuracy.items())},
        performance={name: gate.figures() for name, gate in sorted(said.performance.items())},
    )


def _waiver_file(pipeline: Pipeline) -> WaiverSource | None:
    if pipeline.waivers is None or pipeline.definition.waivers is None:
        return None
    return WaiverSource(file=pipeline.definition.waivers, sha256=pipeline.waivers.sha256)


def _platforms(catalogue: Catalogue, cells: Sequence[Cell]) -> tuple[PlannedPlatform, ...]:
    used = sorted({cell.platform_name for cell in cells})
    return tuple(
        PlannedPlatform(
            name=name,
            description=catalogue[name].description,
            dimensions=dict(catalogue[name].dimensions),
            execution=catalogue[name].execution.value,
            launcher=catalogue[name].launcher,
            reach=catalogue[name].reach,
        )
        for name in used
    )


def _models(pipeline: Pipeline, cells: Sequence[Cell]) -> tuple[PlannedModel, ...]:
    used = {item.model for cell in cells for item in cell.definition.all_inputs() if item.model}
    declared = pipeline.definition.models
    return tuple(
        PlannedModel(name=name, package=declared[name].package, sha256=declared[name].sha256)
        for name in sorted(used)
    )
