"""What differs between two frozen plans; nothing that their digests tell apart stays unsaid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hotfire_pipelines.plan import Plan, PlannedTask
from hotfire_testframework.contract.jsonform import to_json

NOTHING = None
"""Stands for a field that a plan does not have."""
_APART = ("cells", "tasks", "edges", "inventories", "unselected", "digest")
"""Parts of a plan that are compared member by member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A field with two values; a field of a field is written `spec.timeouts.run_s`."""

    field: str
    old: Any
    new: Any

    def reversed(self) -> Changed:
        """The same seen from the other side."""
        return Changed(field=self.field, old=self.new, new=self.old)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedCell:
    """A cell that both plans have, with what is different about it."""

    key: str
    fields: tuple[Changed, ...] = ()
    """Of the cell and of its tasks; the latter begin with `task.`."""
    tests_added: tuple[str, ...] = ()
    tests_removed: tuple[str, ...] = ()
    moved: tuple[Changed, ...] = ()
    """Cases in a shard of another number: `field` is the case, the values are keys of tasks."""

    def reversed(self) -> ChangedCell:
        """The same seen from the other side."""
        return ChangedCell(
            key=self.key,
            fields=_reversed(self.fields),
            tests_added=self.tests_removed,
            tests_removed=self.tests_added,
            moved=_reversed(self.moved),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDiff:
    """What it takes to come from the plan `old` to the plan `new`."""

    old_digest: str
    new_digest: str
    fields: tuple[Changed, ...] = ()
    """Of the plan itself: source, policy, waivers, runner, …"""
    cells_added: tuple[str, ...] = ()
    """Selected now and not before, whether or not the other plan lists it as not selected."""
    cells_removed: tuple[str, ...] = ()
    cells_changed: tuple[ChangedCell, ...] = ()
    unselected_added: tuple[str, ...] = ()
    """Cells that the new plan lists as not selected, and the old one does not."""
    unselected_removed: tuple[str, ...] = ()
    edges_added: tuple[str, ...] = ()
    edges_removed: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the two do the same."""
        return self == PlanDiff(old_digest=self.old_digest, new_digest=self.new_digest)

    def reversed(self) -> PlanDiff:
        """The difference seen from the other side: `diff(a, b).reversed() == diff(b, a)`."""
        return PlanDiff(
            old_digest=self.new_digest,
            new_digest=self.old_digest,
            fields=_reversed(self.fields),
            cells_added=self.cells_removed,
            cells_removed=self.cells_added,
            cells_changed=tuple(cell.reversed() for cell in self.cells_changed),
            unselected_added=self.unselected_removed,
            unselected_removed=self.unselected_added,
            edges_added=self.edges_removed,
            edges_removed=self.edges_added,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**to_json(self), "equal": self.is_empty}


def _reversed(changes: Iterable[Changed]) -> tuple[Changed, ...]:
    return tuple(change.reversed() for change in changes)


def diff(old: Plan, new: Plan) -> PlanDiff:
    """Compare what the digests of two plans cover. It is empty exactly if the digests are equal."""
    before, after = old.frozen(), new.frozen()
    cells = (_by_key(before["cells"]), _by_key(after["cells"]))
    tasks = (_tasks_of(old), _tasks_of(new))
    # Another source gives every task another digest: that is said once, as the source.
    is_one_source = before["source"] == after["source"]
    changed = [
        _cell(key, old, new, (cells[0][key], cells[1][key]), tasks, is_one_source=is_one_source)
        for key in sorted(set(cells[0]) & set(cells[1]))
    ]
    unselected = ({one.key for one in old.unselected}, {one.key for one in new.unselected})
    edges = (_edges(old), _edges(new))
    found = PlanDiff(
        old_digest=old.digest,
        new_digest=new.digest,
        fields=tuple(
            change
            for name in sorted({*before, *after} - set(_APART))
            for change in _changes(name, before.get(name, NOTHING), after.get(name, NOTHING))
        ),
        cells_added=tuple(sorted(set(cells[1]) - set(cells[0]))),
        cells_removed=tuple(sorted(set(cells[0]) - set(cells[1]))),
        cells_changed=tuple(cell for cell in changed if cell != ChangedCell(key=cell.key)),
        unselected_added=tuple(sorted(unselected[1] - unselected[0])),
        unselected_removed=tuple(sorted(unselected[0] - unselected[1])),
        edges_added=tuple(sorted(edges[1] - edges[0])),
        edges_removed=tuple(sorted(edges[0] - edges[1])),
    )
    if found.is_empty and found.old_digest != found.new_digest:
        # Order is part of the digest, and members were compared without it.
        return _with_order(found, before, after)
    return found


def _with_order(found: PlanDiff, before: Mapping[str, Any], after: Mapping[str, Any]) -> PlanDiff:
    """Say of which part only the order differs, or what nothing refers to."""
    fields = tuple(
        Changed(field=f"order of {name}", old=NOTHING, new=NOTHING)
        for name in sorted(set(_APART) & {*before, *after})
        if before.get(name) != after.get(name)
    )
    return replace(found, fields=fields)


def _cell(
    key: str,
    old: Plan,
    new: Plan,
    cells: tuple[Mapping[str, Any], Mapping[str, Any]],
    tasks: tuple[Mapping[str, list[PlannedTask]], Mapping[str, list[PlannedTask]]],
    *,
    is_one_source: bool,
) -> ChangedCell:
    # Which tests came and went is told below; here only whether any run has recorded them.
    mine, theirs = (
        {**cell, "inventory": None if cell["inventory"] is None else "recorded"} for cell in cells
    )
    fields = [
        change
        for name in sorted({*mine, *theirs})
        for change in _changes(name, mine.get(name, NOTHING), theirs.get(name, NOTHING))
    ]
    were, are = tasks[0].get(key, []), tasks[1].get(key, [])
    hidden = {"key", "cell", "shard"} | (set() if is_one_source else {"requested_digest"})
    if len(were) != len(are):
        fields.append(Changed(field="shards", old=len(were), new=len(are)))
    else:
        for one, other in zip(were, are, strict=True):
            label = "task" if len(were) == 1 else f"task {one.shard[0]}/{one.shard[1]}"
            fields += [
                change
                for change in _changes(label, _task(one, hidden), _task(other, hidden))
                if change.field != f"{label}.spec.cases"
            ]
    had, has = (_tests(plan, cell) for plan, cell in ((old, cells[0]), (new, cells[1])))
    homes = (_homes(were), _homes(are))
    return ChangedCell(
        key=key,
        fields=tuple(sorted(fields, key=lambda change: change.field)),
        tests_added=tuple(sorted(has - had)),
        tests_removed=tuple(sorted(had - has)),
        moved=tuple(
            Changed(field=test, old=homes[0][test].key, new=homes[1][test].key)
            for test in sorted(set(homes[0]) & set(homes[1]))
            # From the first of two to the first of three is no move.
            if homes[0][test].shard[0] != homes[1][test].shard[0]
        ),
    )


def _tasks_of(plan: Plan) -> dict[str, list[PlannedTask]]:
    found: dict[str, list[PlannedTask]] = {}
    for task in plan.tasks:
        found.setdefault(task.cell, []).append(task)
    return {key: sorted(tasks, key=lambda task: task.shard) for key, tasks in found.items()}


def _task(task: PlannedTask, hidden: set[str]) -> dict[str, Any]:
    # With its defaults: that a task had one CPU before says more than that it had said nothing.
    return {name: value for name, value in to_json(task).items() if name not in hidden}


def _tests(plan: Plan, cell: Mapping[str, Any]) -> set[str]:
    return set(plan.inventories[cell["inventory"]]) if cell["inventory"] is not None else set()


def _homes(tasks: Iterable[PlannedTask]) -> dict[str, PlannedTask]:
    """Return the task of each case, and of each entry of a test list."""
    cases = {line: task for task in tasks for line in task.spec.cases}
    return cases | {entry.test: task for task in tasks for entry in task.spec.tests}


def _by_key(members: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {str(member["key"]): member for member in members}


def _edges(plan: Plan) -> set[str]:
    return {f"{edge.earlier} → {edge.later} ({edge.kind})" for edge in plan.edges}


def _changes(field: str, old: Any, new: Any) -> list[Changed]:
    """Name the innermost fields that differ; lists are compared as wholes, by key where they have one."""
    if old == new:
        return []
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return [
            change
            for name in sorted({*old, *new})
            for change in _changes(
                f"{field}.{name}", old.get(name, NOTHING), new.get(name, NOTHING)
            )
        ]
    named = (_named(old), _named(new))
    if named[0] is not None and named[1] is not None and named[0] != named[1]:
        return _changes(field, *named)
    return [Changed(field=field, old=old, new=new)]


def _named(value: Any) -> dict[str, Any] | None:
    """Return a list of platforms or models by their names, if it is one."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        return None
    names = [one.get("name") for one in value]
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        return None
    return {str(name): one for name, one in zip(names, value, strict=True)}
