"""`hotfire plan`: what a run would do, why, at what price, and how that differs from another plan."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from hotfire_infra.analysis.quantities import count, duration
from hotfire_infra.cli.console import data, progress, table
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.here import Here, ask_here, here_line
from hotfire_infra.cli.lines import blind_gate_lines, durations_lines, plan_line
from hotfire_infra.cli.plan_diff_lines import diff_lines
from hotfire_infra.cli.price_lines import price_lines
from hotfire_infra.cli.problems import CliError
from hotfire_infra.cli.selection_lines import selection_lines, why_not
from hotfire_infra.cli.session import Session, open_session
from hotfire_infra.errors import PlanRefusedError
from hotfire_pipelines.errors import PlanError
from hotfire_pipelines.explain import explain
from hotfire_pipelines.plan import NOT_EXECUTABLE, Plan, PlannedCell, PlannedCoverage
from hotfire_pipelines.plan_diff import diff
from hotfire_pipelines.selected import PlannedOmission
from hotfire_testframework.contract.canonical import canonical_json

HEADER = ("TASK", "PLATFORM", "VARIANT", "SHARDS", "TESTS", "ESTIMATE", "NOTE")
USUAL = "pre-merge"
"""The pipeline that is meant where none is named."""
SAVED = ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanWish:
    """What was typed."""

    pipeline: str | None
    """A pipeline, or the file of a saved plan."""
    since: str | None = None
    explain: str | None = None
    diff: str | None = None
    """A saved plan or a run to compare with."""
    as_json: bool = False


def plan(wish: PlanWish) -> int:
    """Print the plan, or what is asked about it; it stores and starts nothing."""
    if wish.explain is not None and wish.diff is not None:
        raise CliError(
            "--explain and --diff are two questions: ask one at a time",
            next_command="hotfire plan --help",
        )
    if is_saved(wish.pipeline) and (wish.diff is None or is_saved(wish.diff)):
        # Two files tell all: no store is opened, and no checkout is needed.
        found = _read_whole(wish, None)
        _answer(wish, None, found, None)
        return _exit(found)
    with open_session() as session:
        old = None if wish.diff is None else _old(session, wish.diff)
        found = _read_whole(wish, session, old)
        _answer(wish, session, found, old)
    return _exit(found)


def _exit(found: Plan) -> int:
    """The plan is printed whatever its gates can see; nobody can run it where one is an error."""
    is_refused = any(one.is_error for one in found.blind_gates)
    return PlanRefusedError.exit_code if is_refused else CliExit.OK


def check_output(output: str, *, without_quarantined: bool) -> None:
    """Raise for what can be asked of the platforms alone."""
    if output in ("yaml", "kueue") or without_quarantined:
        said = "--without-quarantined" if without_quarantined else f"-o {output}"
        raise CliError(
            f"{said} goes with `hotfire plan platforms`; a plan is a table or JSON",
            next_command=f"hotfire plan platforms {said if output != 'table' else '-o kueue'}",
        )


def _answer(wish: PlanWish, session: Session | None, new: Plan, old: Plan | None) -> None:
    if wish.diff is not None:
        found = diff(old or read_plan(wish.diff), new)
        if wish.as_json:
            data(json.dumps(found.to_dict(), ensure_ascii=False))
        else:
            data("\n".join(diff_lines(old or read_plan(wish.diff), new, found)))
        return
    if wish.explain is not None:
        print_explanations(new, wish.explain, as_json=wish.as_json)
        return
    here = ask_here(new, session.client if session is not None else None)
    print_plan(new, here, as_json=wish.as_json)


def _read_whole(wish: PlanWish, session: Session | None, old: Plan | None = None) -> Plan:
    if is_saved(wish.pipeline):
        if wish.since is not None:
            raise CliError(
                "a saved plan is frozen: --changed-since goes with the name of a pipeline",
                next_command=f"hotfire plan {USUAL} --changed-since {wish.since}",
            )
        return read_plan(str(wish.pipeline))
    assert session is not None  # Only what is not a file needs one.
    name = wish.pipeline or (old.pipeline if old is not None else USUAL)
    return session.client.plan(name, since=wish.since)


def _old(session: Session, name: str) -> Plan:
    return read_plan(name) if is_saved(name) else session.client.plan_of(name)


def is_saved(name: str | None) -> bool:
    """Whether an argument names the file of a saved plan."""
    return name is not None and name.endswith(SAVED)


def read_plan(name: str) -> Plan:
    """Read a saved plan; PlanError for one that is broken or was edited."""
    try:
        content = Path(name).read_bytes()
    except OSError as error:
        raise CliError(
            f"{name}: {error.strerror or error}",
            next_command=f"hotfire plan {USUAL} -o json > {name}",
        ) from error
    try:
        return Plan.from_json(content)
    except PlanError as error:
        raise PlanError(f"{name}: {error}") from error


def print_explanations(frozen: Plan, words: str, *, as_json: bool) -> None:
    """Print why a cell or a test is in a plan or not."""
    found = explain(frozen, words)
    if as_json:
        data(json.dumps([asdict(one) for one in found], ensure_ascii=False))
        return
    lines = []
    for one in found:
        lines.append(one.name if one.is_selected else f"{one.name}: not selected")
        width = max(len(label) for label, _ in one.facts) if one.facts else 0
        lines += [f"  {label.ljust(width)}  {text}" for label, text in one.facts]
    data("\n".join(lines))


def print_plan(frozen: Plan, here: Here, *, as_json: bool) -> None:
    """Print a plan as one JSON document, or as a table of its cells; and what `here` cannot run."""
    if as_json:
        # Null where nobody answered: an empty object says that all can be executed.
        reasons = None if here.silence else dict(here.reasons)
        document = {**frozen.to_dict(), NOT_EXECUTABLE: reasons}
        data(canonical_json(document).decode("utf-8"))
        if here.silence:
            progress(str(here_line(frozen, here)))
        for line in blind_gate_lines(frozen):
            progress(line)
        return
    rows = [_row(frozen, cell, here.reasons.get(cell.key)) for cell in frozen.cells]
    rows += [_left_out(frozen, cell) for cell in frozen.unselected]
    data(table(HEADER, rows, frozenset({3, 4, 5})))
    progress(plan_line(frozen))
    if lacking := here_line(frozen, here):
        progress(lacking)
    for told in durations_lines(frozen):
        progress(told)
    for line in selection_lines(frozen):
        progress(line)
    for coverage in frozen.coverage:
        progress(_coverage_line(coverage))
    for line in price_lines(frozen.price) if frozen.price else ():
        progress(line)
    progress(f" digest {frozen.digest}")
    for line in blind_gate_lines(frozen):
        progress(line)


def _coverage_line(coverage: PlannedCoverage) -> str:
    """Say how much of a matrix is covered, and what becomes of the rest."""
    owed = sum(gap.age > 0 for gap in coverage.uncovered)
    unproven = sum(not gap.proven and not gap.age for gap in coverage.uncovered)
    forbidden = len(coverage.uncovered) - owed - unproven
    total = coverage.covered + len(coverage.uncovered)
    rest = [
        f"{forbidden:,} forbidden" if forbidden else "",
        f"{owed:,} left to the next run" if owed else "",
        f"{unproven:,} not proven" if unproven else "",
    ]
    said = "".join(f", {part}" for part in rest if part)
    return (
        f" {coverage.task}: {coverage.covered:,} of {total:,} combinations "
        f"of {count(coverage.strength, 'value')} covered{said}"
    )


def _row(frozen: Plan, cell: PlannedCell, reason: str | None) -> tuple[str, ...]:
    tasks = [task for task in frozen.tasks if task.cell == cell.key]
    expected = frozen.expected(cell)
    by_task = frozen.estimate.by_task if frozen.estimate else {}
    seconds = sum(by_task.get(task.key, 0.0) for task in tasks)
    notes = [
        f"not executable here: {reason}" if reason else "",
        "emulated" if cell.variant.get("execution") == "emulated" else "",
        "required: when-available" if cell.required == "when-available" else "",
        _left_out_note(frozen, cell),
    ]
    return (
        cell.task,
        cell.platform,
        _axes(cell),
        str(len(tasks)),
        "not known yet" if expected is None else f"{len(expected):,}",
        duration(round(seconds * 1e9)) if seconds else "",
        " · ".join(note for note in notes if note),
    )


def _left_out_note(frozen: Plan, cell: PlannedCell) -> str:
    if frozen.unconcerned(cell):
        return f"{count(cell.left_out, 'test')} left out: no change concerns them"
    return f"{count(cell.left_out, 'test')} left out by the budget" if cell.left_out else ""


def _left_out(frozen: Plan, cell: PlannedOmission) -> tuple[str, ...]:
    note = f"not selected: {why_not(frozen, cell.key)}"
    return (cell.task, cell.platform, _axes(cell), "", "", "", note)


def _axes(cell: PlannedCell | PlannedOmission) -> str:
    hidden = {"platform", "execution"}
    return " ".join(value for axis, value in sorted(cell.variant.items()) if axis not in hidden)
