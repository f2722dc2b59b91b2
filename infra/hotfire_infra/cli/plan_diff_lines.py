"""The difference of two plans in lines; long lists are counted, -o json has them whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from hotfire_infra.analysis.quantities import count
from hotfire_infra.cli.console import table
from hotfire_pipelines.plan import Plan
from hotfire_pipelines.plan_diff import Changed, ChangedCell, PlanDiff

HEADER = ("CHANGE", "WHAT", "NAME", "DETAIL")
SHOWN = 5
"""Tests, moves and edges of one sort that are printed one by one."""
LONGEST = 60
"""Signs of a value."""


def diff_lines(old: Plan, new: Plan, found: PlanDiff) -> list[str]:
    """Return a heading and a table; the digest alone where nothing differs."""
    if found.is_empty:
        return [f"the plans are equal: digest {found.new_digest}"]
    lines = [
        f"old   {_heading(old)}",
        f"new   {_heading(new)}",
    ]
    return [*lines, table(HEADER, list(_rows(found)), frozenset())]


def _heading(plan: Plan) -> str:
    dirty = "+" if plan.source.patch_digest else ""
    cells = count(len(plan.cells), "cell")
    left = f", {len(plan.unselected)} not selected" if plan.unselected else ""
    return (
        f"{plan.pipeline} @ {plan.source.revision[:7]}{dirty}   {cells}{left}, "
        f"{count(len(plan.tasks), 'task')}   digest {plan.digest[:12]}"
    )


def _rows(found: PlanDiff) -> Iterator[tuple[str, str, str, str]]:
    for change in found.fields:
        yield ("changed", "plan", change.field, _detail(change))
    left_now, left_before = set(found.unselected_added), set(found.unselected_removed)
    for key in found.cells_added:
        yield ("added", "cell", key, "was not selected" if key in left_before else "")
    for key in found.cells_removed:
        yield ("removed", "cell", key, "is not selected now" if key in left_now else "")
    for key in sorted(left_now - set(found.cells_removed)):
        yield ("added", "cell", key, "not selected")
    for key in sorted(left_before - set(found.cells_added)):
        yield ("removed", "cell", key, "was not selected")
    for cell in found.cells_changed:
        yield from _cell_rows(cell)
    added, removed = _between_cells(found.edges_added), _between_cells(found.edges_removed)
    # The edges of a cell that came or went, or was cut otherwise, say nothing that the cell does not.
    known = {*found.cells_added, *found.cells_removed}
    yield from _some("added", "edge", "", _told(added - removed, known))
    yield from _some("removed", "edge", "", _told(removed - added, known))


def _between_cells(edges: Sequence[str]) -> set[tuple[str, str, str]]:
    """Return edges between tasks as (earlier cell, later cell, kind)."""
    found = set()
    for edge in edges:
        ends, _, kind = edge.rpartition(" (")
        earlier, _, later = ends.partition(" → ")
        found.add((_cell(earlier), _cell(later), kind.rstrip(")")))
    return found


def _told(edges: set[tuple[str, str, str]], known: set[str]) -> list[str]:
    return [
        f"{earlier} → {later} ({kind})"
        for earlier, later, kind in sorted(edges)
        if not known & {earlier, later}
    ]


def _cell(task: str) -> str:
    return task.partition("#")[0]


def _cell_rows(cell: ChangedCell) -> Iterator[tuple[str, str, str, str]]:
    for change in cell.fields:
        yield ("changed", "cell", cell.key, f"{change.field}: {_detail(change)}")
    yield from _some("added", "test", cell.key, cell.tests_added)
    yield from _some("removed", "test", cell.key, cell.tests_removed)
    moves = [f"{one.field}: {_piece(one.old)} → {_piece(one.new)}" for one in cell.moved]
    yield from _some("moved", "test", cell.key, moves)


def _some(
    change: str, what: str, name: str, members: Sequence[str]
) -> Iterator[tuple[str, str, str, str]]:
    for member in members[:SHOWN]:
        yield (change, what, name or member, member if name else "")
    if len(members) > SHOWN:
        yield (change, what, name or "…", f"and {len(members) - SHOWN:,} more")


def _detail(change: Changed) -> str:
    if change.old is None and change.new is None:
        return ""
    return f"{_value(change.old)} → {_value(change.new)}"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _piece(key: str) -> str:
    """Return `1/3` of the key of a shard; a cell in one piece is called whole."""
    return key.rpartition("#")[2] if "#" in key else "whole"
