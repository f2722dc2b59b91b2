"""`hotfire run`: plan, start, follow."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import dataclass, field, replace

from hotfire_infra.analysis.order_words import UNTRUSTED
from hotfire_infra.analysis.quantities import count
from hotfire_infra.cli.console import data, progress
from hotfire_infra.cli.durations import parse_duration
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.following import detach, follow
from hotfire_infra.cli.here import ask_here
from hotfire_infra.cli.lines import blind_gate_lines, durations_lines, plan_line
from hotfire_infra.cli.price_lines import check_budget, price_lines
from hotfire_infra.cli.problems import CliError
from hotfire_infra.cli.selection_lines import (
    nothing_selected,
    selection_lines,
    unselected_lines,
)
from hotfire_infra.cli.session import Session, open_session
from hotfire_infra.cli.verbs.plan import print_plan, read_plan
from hotfire_infra.client.protocol import RunWish
from hotfire_infra.errors import InfraError
from hotfire_infra.orchestrator.merge_base import plan_on
from hotfire_infra.orchestrator.run_order import RunOrder
from hotfire_infra.sections.queue import DEFAULT_TEAM
from hotfire_infra.states import Priority
from hotfire_pipelines.chosen_share import chosen_share
from hotfire_pipelines.history import Recorded, definition_of
from hotfire_pipelines.only import can_leave_out, keeping
from hotfire_pipelines.plan import Plan
from hotfire_pipelines.pricing import repriced


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was typed."""

    pipeline: str | None
    plan_file: str | None
    wait: bool
    resume: bool
    dry_run: bool
    timeout_seconds: float | None
    as_json: bool
    reuse: bool | None = None
    """Take over equal results; None: as the pipeline says."""
    order: RunOrder = field(default_factory=RunOrder)
    is_trusted: bool = True
    since: str | None = None
    """Only what changed since the merge base with this revision."""
    only: str | None = None
    """Run only tests whose name holds this."""
    may_exceed: bool = False
    """Whether it may cost more than its pipeline's budget."""


def run(wish: Wish) -> int:
    """Carry out one `hotfire run`."""
    _check(wish)
    with open_session() as session:
        if wish.resume:
            return _resume(session, wish)
        plan = _plan(session, wish)
        if wish.only is not None:
            plan = only_tests(plan, wish.only, session.client.recorded(plan.pipeline))
        if wish.dry_run:
            print_plan(plan, ask_here(plan, session.client), as_json=wish.as_json)
            return CliExit.OK
        if plan.unselected and not plan.cells:
            raise nothing_selected(plan)
        check_budget(plan, may_exceed=wish.may_exceed, again=_typed(wish))
        how = RunWish(
            reuse=wish.reuse,
            order=wish.order,
            is_trusted=wish.is_trusted,
            is_partial=wish.only is not None,
        )
        started = session.client.start_run(plan, wish=how)
        progress(plan_line(plan))
        if not started.is_trusted:
            progress(f" trust untrusted: {UNTRUSTED}")
        narrowed = (*selection_lines(plan), *unselected_lines(plan))
        for line in (*narrowed, *(price_lines(plan.price) if plan.price else ())):
            progress(line)
        for line in (*durations_lines(plan), *blind_gate_lines(plan)):
            progress(line)
        if not wish.wait:
            detach(session, started.number)
            data(str(started.number))
            return CliExit.OK
        return follow(
            session,
            str(started.number),
            timeout_seconds=wish.timeout_seconds,
            as_json=wish.as_json,
        )


def order_of(
    priority: Priority | None, team: str | None, change: str | None, hold: str | None
) -> RunOrder:
    """Return what the options say about the place in the queue."""
    return RunOrder(
        priority=priority,
        team=team or DEFAULT_TEAM,
        change=change,
        hold_seconds=parse_duration(hold) if hold else 0,
    )


def _check(wish: Wish) -> None:
    given = [wish.pipeline is not None, wish.plan_file is not None, wish.resume]
    if sum(given) != 1:
        raise CliError(
            "name one of: a pipeline, --plan FILE, or --resume", next_command="hotfire run --help"
        )
    if wish.since is not None and wish.pipeline is None:
        raise CliError(
            "--changed-since goes with the name of a pipeline: a saved plan is frozen",
            next_command="hotfire run --help",
        )
    if wish.only is not None and wish.resume:
        raise CliError("--only goes with a pipeline or a plan", next_command="hotfire run --help")
    if wish.plan_file is not None and not wish.is_trusted:
        raise CliError(
            "--untrusted plans by the target branch, so it goes with the name of a pipeline",
            next_command="hotfire run --help",
        )


def _plan(session: Session, wish: Wish) -> Plan:
    if wish.plan_file is not None:
        return read_plan(wish.plan_file)
    assert wish.pipeline is not None  # checked when the wish came in
    return session.client.plan(wish.pipeline, is_trusted=wish.is_trusted, since=wish.since)


def only_tests(plan: Plan, words: str, recorded: Recorded | None = None) -> Plan:
    """Return the part of a plan whose tests' names hold some words, with what it needs and its price.

    `recorded` tells what each test takes; without it they count alike.
    """
    cells = {
        cell.key
        for cell in plan.cells
        if any(words in test for test in plan.expected(cell) or ())
        and all(can_leave_out(task) for task in plan.tasks if task.cell == cell.key)
    }
    tasks = [task.key for task in plan.tasks if task.cell in cells]
    if not tasks:
        known = {test for cell in plan.cells for test in plan.expected(cell) or ()}
        others = sum(words in test for test in known)
        why = (
            f"{count(others, 'test')} of tasks that pytest does not drive hold these words, and run "
            "with their whole task"
            if others
            else "tests are known once a run has collected them"
        )
        raise CliError(
            f"--only {words!r}: no test with such a name is known of a pytest task here; {why}",
            next_command="hotfire plan",
            code=CliExit.NOTHING_SELECTED,
        )
    cut = plan_on(plan, plan.source.revision, tasks)
    cut = replace(cut, source=plan.source, policy=plan.policy)
    kept = keeping(cut, dict.fromkeys(cells, lambda test: words in test))
    shares = {key: _share(plan, key, words, recorded) for key in cells}
    return repriced(kept, plan, shares)


def _share(plan: Plan, key: str, words: str, recorded: Recorded | None) -> float:
    """Return what part of a cell's time the named tests take."""
    cell = next(cell for cell in plan.cells if cell.key == key)
    task = next(task for task in plan.tasks if task.cell == key)
    tests = plan.expected(cell) or ()
    chosen = [test for test in tests if words in test]
    history = None
    if recorded is not None:
        definition = definition_of(task.spec.to_json())
        # What a run costs is good to know, and no reason not to run.
        with suppress(InfraError):
            history = recorded(key, cell.task, cell.platform, definition)
    return chosen_share(chosen, set(tests) - set(chosen), history)


def _typed(wish: Wish) -> str:
    """Return the command that was typed, as far as it says what is run."""
    only = f" --only {shlex.quote(wish.only)}" if wish.only is not None else ""
    if wish.plan_file is not None:
        return f"hotfire run --plan {shlex.quote(wish.plan_file)}{only}"
    narrowed = f" --changed-since {shlex.quote(wish.since)}" if wish.since is not None else ""
    return f"hotfire run {shlex.quote(str(wish.pipeline))}{narrowed}{only}"


def _resume(session: Session, wish: Wish) -> int:
    """Go on with every unfinished run, oldest first; the worst verdict decides."""
    unfinished = session.client.unfinished()
    if not unfinished:
        raise CliError(
            "nothing to resume: every run here is over",
            next_command="hotfire ps",
            code=CliExit.NOTHING_SELECTED,
        )
    codes = []
    for one in unfinished:
        progress(f" resume  {one.pipeline} #{one.number} @ {one.source.revision[:7]}")
        codes.append(
            follow(
                session,
                str(one.number),
                timeout_seconds=wish.timeout_seconds,
                as_json=wish.as_json,
            )
        )
        if codes[-1] in {CliExit.INTERRUPTED, CliExit.TIME_LIMIT}:
            break
    return max(codes)
