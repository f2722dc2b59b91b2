"""Why a cell or a test is in a plan, or is not: everything the plan itself knows about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hotfire_pipelines.errors import EmptySelectionError
from hotfire_pipelines.plan import Plan, PlannedCell, PlannedTask
from hotfire_pipelines.priced import Basis, PricedTask, Suggestion
from hotfire_pipelines.selected import PlannedOmission, PlannedTests
from hotfire_pipelines.waivers import restore
from hotfire_testframework.contract.task import expected_of_spec

SHOWN = 5
"""Members of a list that are named; the rest is counted."""

Planned = PlannedCell | PlannedOmission


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One cell, or one test, with what is known of it, in the order people ask."""

    kind: str
    """cell or test."""
    name: str
    is_selected: bool
    facts: tuple[tuple[str, str], ...]
    """(label, text); a label may come several times."""


def explain(plan: Plan, words: str) -> tuple[Explanation, ...]:
    """Explain the cells that `words` name, else the test.

    A cell is named by its key, by `task@platform`, by a task or by words that its key holds. Raises
    EmptySelectionError, with what is near, where neither a cell nor one test fits.
    """
    cells = _cells(plan, words)
    if cells:
        return tuple(_explain_cell(plan, cell) for cell in cells)
    return (_explain_test(plan, _test(plan, words)),)


def short(cell: Planned) -> str:
    """Return `task@platform`, with the axes that are not at their default."""
    hidden = {"platform", "execution"}
    rest = ",".join(f"{a}={v}" for a, v in sorted(cell.variant.items()) if a not in hidden)
    return f"{cell.task}@{cell.platform}" + (f" {rest}" if rest else "")


def _all(plan: Plan) -> tuple[Planned, ...]:
    return (*plan.cells, *plan.unselected)


def _cells(plan: Plan, words: str) -> list[Planned]:
    every = _all(plan)
    exact = [cell for cell in every if cell.key == words]
    if exact:
        return exact
    task, at, platform = words.partition("@")
    if at and not platform.count("/"):
        return [cell for cell in every if (cell.task, cell.platform) == (task, platform)]
    named = [cell for cell in every if cell.task == words]
    parts = words.split()
    if named or "/" in words or "::" in words:
        return named
    near = [cell for cell in every if parts and all(part in cell.key for part in parts)]
    return [cell for cell in near if cell.task in parts] or near


def _explain_cell(plan: Plan, cell: Planned) -> Explanation:
    facts: list[tuple[str, str]] = [("key", cell.key)]
    reasons = plan.selection.reasons.get(cell.key, ()) if plan.selection else ()
    if isinstance(cell, PlannedOmission):
        facts += [("not selected", reason) for reason in reasons]
        facts.append(("in a run", "it is listed as not selected: neither missing nor green"))
        return Explanation(kind="cell", name=short(cell), is_selected=False, facts=tuple(facts))
    if plan.selection is None:
        facts.append(("selected", "every cell is: the plan is not narrowed to a change"))
    facts += [("selected", reason) for reason in reasons]
    tasks = [task for task in plan.tasks if task.cell == cell.key]
    facts += _expected(plan, cell, tasks)
    facts += [("task", _task_words(plan, task)) for task in tasks]
    facts += _neighbours(plan, tasks)
    facts.append(("machine", _machine(cell)))
    if cell.required != "always":
        facts.append(("required", f"{cell.required}: it does not block where nothing executes it"))
    facts += _waivers(plan, cell)
    suggestions = plan.price.suggestions if plan.price else ()
    facts += [
        ("hint", hint_of(one))
        for one in suggestions
        if (one.task, one.platform) == (cell.task, cell.platform)
    ]
    return Explanation(kind="cell", name=short(cell), is_selected=True, facts=tuple(facts))


def hint_of(one: Suggestion) -> str:
    """Say in a sentence which cheaper platform would do."""
    return (
        f"{one.task} could do with {one.sufficient}: {one.cheaper} costs "
        f"{one.cheaper_price / one.price:.0%} of {one.platform}"
    )


def _expected(plan: Plan, cell: PlannedCell, tasks: Sequence[PlannedTask]) -> list[tuple[str, str]]:
    expected = plan.expected(cell)
    if expected is None:
        return [("tests", "not known yet: no run has recorded what this cell collects")]
    count = _count(len(expected))
    known = "case files" if any(task.spec.cases for task in tasks) else "the last recorded run"
    if tasks and tasks[0].spec.harness.value == "command":
        known = "the command itself"
    found = [("tests", f"{count}, known from {known}")]
    unconcerned = plan.unconcerned(cell)
    if unconcerned:
        found.append(
            (
                "left out",
                f"{_count(len(unconcerned))} that no change concerns: {_proof(plan, cell)}",
            )
        )
    elif cell.left_out:
        limit = "its budget" if cell.budget_s is None else f"its budget of {cell.budget_s:g} s"
        found.append(("left out", f"{cell.left_out:,} more tests, by {limit}"))
    told = _told(plan, cell)
    if told is not None and told.doubt:
        found.append(("by test", f"in doubt, all of them: {told.doubt}"))
    return found


def _count(number: int) -> str:
    return f"{number:,} test" + ("" if number == 1 else "s")


def _told(plan: Plan, cell: PlannedCell) -> PlannedTests | None:
    return plan.selection.tests.get(cell.key) if plan.selection else None


def _proof(plan: Plan, cell: PlannedCell) -> str:
    told = _told(plan, cell)
    return told.proof if told is not None else "the plan does not say why"


def _task_words(plan: Plan, task: PlannedTask) -> str:
    priced = _priced(plan, task.key)
    label = "in one piece" if task.shard[1] == 1 else f"shard {task.shard[0]} of {task.shard[1]}"
    cases = f", {len(task.spec.cases):,} cases" if task.spec.cases else ""
    if task.spec.tests and task.shard[1] > 1:
        cases = f", {len(task.spec.tests):,} of the list"
    if priced is None:
        return f"{label}{cases}"
    if priced.basis is Basis.NOTHING:
        return f"{label}{cases}: not executable on the machines at hand, so it costs nothing"
    seconds = priced.seconds
    basis = priced.basis.value
    if priced.samples:
        plural = "" if priced.samples == 1 else "s"
        lent = f", also of {', '.join(priced.pipelines)}" if priced.pipelines else ""
        basis = f"{basis}, {priced.samples} attempt{plural}{lent}"
    told = plan.selection.tests.get(task.cell) if plan.selection else None
    if told is not None and told.share < 1:
        basis = f"{basis}; the tests that are left take {told.share:.0%} of the whole cell"
    gpus = f", {priced.gpus} GPU" + ("s" if priced.gpus > 1 else "") if priced.gpus else ""
    return (
        f"{label}{cases}: about {seconds.expected:,.3g} s ({seconds.low:,.3g} to "
        f"{seconds.high:,.3g}; {basis}), {priced.nodes:.0%} of a machine{gpus}"
    )


def _priced(plan: Plan, key: str) -> PricedTask | None:
    tasks = plan.price.tasks if plan.price else ()
    return next((task for task in tasks if task.task == key), None)


def _neighbours(plan: Plan, tasks: Sequence[PlannedTask]) -> list[tuple[str, str]]:
    mine = {task.key for task in tasks}
    earlier = {(edge.earlier, edge.kind) for edge in plan.edges if edge.later in mine}
    later = {edge.later for edge in plan.edges if edge.earlier in mine}
    word = {"artifact": "reads what it makes", "success": "its success"}
    found = [("waits for", f"{key} ({word[kind]})") for key, kind in sorted(earlier)]
    return found + ([("waited for by", _some(sorted(later)))] if later else [])


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _machine(cell: PlannedCell) -> str:
    parts = []
    for name, asked in sorted(cell.requires.items()):
        values = [f"{k}={v}" for k, v in asked.items()] if isinstance(asked, dict) else list(asked)
        parts.append(f"{name.replace('_', ' ')} {', '.join(values)}")
    return "; ".join(parts) or "any"


def _waivers(plan: Plan, cell: PlannedCell) -> list[tuple[str, str]]:
    mine = [
        one for one in restore(plan.waivers, "plan").waivers if one.covers_variant(cell.variant)
    ]
    expected = plan.expected(cell) or ()
    return [
        ("waiver", f"{one.test} ({one.bug}, until {one.expires})")
        for one in mine
        if any(one.covers_test(test) for test in expected)
    ]


def _tests(plan: Plan) -> set[str]:
    expected = {test for tests in plan.inventories.values() for test in tests}
    return expected.union(*(task.spec.leave_out for task in plan.tasks))


def _test(plan: Plan, words: str) -> str:
    known = _tests(plan)
    if words in known:
        return words
    by_name = sorted(test for test in known if test.split("/", 2)[-1] == words)
    near = by_name or sorted(test for test in known if words and words in test)
    if len(near) == 1:
        return near[0]
    if near:
        raise EmptySelectionError(
            f"{words!r} fits {len(near):,} tests: {_some(near)}. Write the whole name of one."
        )
    raise EmptySelectionError(
        f"{words!r} is no cell and no known test of the plan. {_near(plan, words)}"
    )


def _near(plan: Plan, words: str) -> str:
    """Say what was probably meant, or why there is no such cell."""
    task, at, platform = words.partition("@")
    of_task = [cell for cell in _all(plan) if cell.task == task]
    if at and of_task:
        gap = next(
            (
                gap
                for item in plan.coverage
                if item.task == task
                for gap in item.uncovered
                if gap.assignment.get("platform") == platform
            ),
            None,
        )
        why = (
            f" ({', '.join(f'{a}={v}' for a, v in sorted(gap.assignment.items()))}: {gap.reason})"
            if gap
            else ""
        )
        places = _some(sorted({cell.platform for cell in of_task}))
        return f"Task {task!r} has no cell on {platform!r}{why}; it has {places}."
    names = sorted(
        {f"{cell.task}@{cell.platform}" for cell in _all(plan)} | {c.task for c in _all(plan)}
    )
    nearest = difflib.get_close_matches(words, [*names, *sorted(_tests(plan))], n=1, cutoff=0.5)
    if nearest:
        return f"Did you mean {nearest[0]!r}?"
    unknown = sum(cell.inventory is None for cell in plan.cells)
    unrecorded = f"; of {unknown} cells no run has recorded the tests yet" if unknown else ""
    return f"Cells are {_some(names)}{unrecorded}."


def _explain_test(plan: Plan, test: str) -> Explanation:
    facts: list[tuple[str, str]] = []
    homes = [cell for cell in plan.cells if test in set(plan.expected(cell) or ())]
    for cell in homes:
        facts.append(("in", _home(plan, cell, test)))
        reasons = plan.selection.reasons.get(cell.key, ()) if plan.selection else ()
        facts += [("selected", reason) for reason in reasons[:1]]
        facts += _why_in(plan, cell, test)
        for waiver in restore(plan.waivers, "plan").waivers:
            if waiver.covers(test, cell.variant):
                facts.append(("waiver", f"{waiver.bug} on {cell.platform}, until {waiver.expires}"))
    without = [cell for cell in plan.cells if test in set(plan.unconcerned(cell))]
    for cell in without:
        facts.append(("not in", f"{short(cell)}: no change concerns it: {_proof(plan, cell)}"))
    tasks = {cell.task for cell in (*homes, *without)}
    for cell in plan.cells:
        if cell.task in tasks and cell not in homes and cell not in without:
            facts.append(("not in", f"{short(cell)}: {_why_not(cell)}"))
    for omitted in plan.unselected:
        if omitted.task in tasks:
            reason = (
                "; ".join(plan.selection.reasons.get(omitted.key, ())) if plan.selection else ""
            )
            facts.append(
                ("not in", f"{short(omitted)}: not selected" + (f": {reason}" if reason else ""))
            )
    return Explanation(kind="test", name=test, is_selected=bool(homes), facts=tuple(facts))


def _why_in(plan: Plan, cell: PlannedCell, test: str) -> list[tuple[str, str]]:
    """Say which context put a test into a cell that leaves others out, or which doubt."""
    told = _told(plan, cell)
    if told is None:
        return []
    if told.doubt:
        return [("by test", f"in doubt, all of them: {told.doubt}")]
    return [("by test", told.reasons.get(test, "in doubt: nothing is known of it"))]


def _why_not(cell: PlannedCell) -> str:
    if cell.inventory is None:
        return "not known yet: no run has recorded what it collects"
    if cell.left_out:
        limit = "" if cell.budget_s is None else f" of {cell.budget_s:g} s"
        return f"left out by its budget{limit}, with {cell.left_out - 1:,} others"
    return "the list of this cell does not have it"


def _home(plan: Plan, cell: PlannedCell, test: str) -> str:
    line = test.split("/", 2)[-1]
    tasks = [task for task in plan.tasks if task.cell == cell.key]
    mine = _first(
        task
        for task in tasks
        if line in task.spec.cases
        or (task.spec.tests and expected_of_spec(task.spec, task.shard[1], [test]))
    ) or _first(tasks)
    if mine is None or mine.shard[1] == 1:
        return short(cell)
    return f"{short(cell)}, shard {mine.shard[0]} of {mine.shard[1]}"


def _first(tasks: Iterable[PlannedTask]) -> PlannedTask | None:
    return next(iter(tasks), None)
