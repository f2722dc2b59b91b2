"""Carry a bisection out, here or at a service: each question is a run, cut to the task of the test.

Nothing of it is kept but the runs themselves (purpose `bisect`, with the question's key in their
options): asked again, the same question goes on from what they say. What is asked of a commit depends
on the kind of the question: whether the test fails; how often it fails; what it measures beside the
good end, in blocks A B B A; which items it gets wrong that the good end gets right.
"""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from hotfire_infra.analysis.bisection import CommitSearch, Shift
from hotfire_infra.analysis.history import CommandReports
from hotfire_infra.analysis.interleaved import (
    PATTERN,
    Answer,
    block_losses,
    first_answer,
)
from hotfire_infra.analysis.judgements import judgement_of
from hotfire_infra.analysis.questions import QuestionRun, Subject
from hotfire_infra.client.protocol import Client, Question, RunWish
from hotfire_infra.errors import RequestRefusedError
from hotfire_infra.orchestrator.merge_base import plan_on
from hotfire_infra.source.git import GitCheckout
from hotfire_infra.source.worktree import revision_at, worktree_of
from hotfire_infra.states import RUN_TERMINAL, RunState
from hotfire_infra.store.rows import RunRow
from hotfire_pipelines.errors import PipelineError
from hotfire_pipelines.only import is_separable, keeping
from hotfire_pipelines.plan import Plan, PlannedTask
from hotfire_testframework.contract.metrics import Direction

MOST_FAILURES = 3
"""Launches in a row that measure nothing, after which a commit is left out."""
LEAST_BLOCKS = 4
MOST_BLOCKS_OF_ENDS = 12
"""Blocks after which the ends of a range are said not to differ."""
NULL_OF_A_SHIFT = 0.02
"""That no commit did it, where both ends of the range were measured and differ."""
INNOCENT = 0.002
"""Standard deviation of the accuracy between innocent commits, where fewer items differ."""


class Kind(StrEnum):
    """What is searched."""

    FAILURE = "failure"
    FLAKE = "flake"
    PERFORMANCE = "performance"
    ACCURACY = "accuracy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What is to be found out."""

    good: str
    bad: str
    kind: Kind = Kind.FAILURE
    test: str = ""
    series: str = ""
    """Key of a series, for performance."""
    task: str = ""
    """Accuracy task; empty: the only one that the test runs."""
    variant: Mapping[str, str] = field(default_factory=dict)
    """Axes that the variant must have; the newest failure with them is searched."""
    false_fail: float | None = None
    """None: from the recorded history of the test."""
    false_pass: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One run of one commit, and what it said."""

    run: int
    commit: str
    said: str


class Bisection:
    """The state of a question: its range, its search, and the runs so far."""

    def __init__(
        self, client: Client, reports: CommandReports, checkout: Path, sought: Sought
    ) -> None:
        self._client, self._reports, self._checkout = client, reports, checkout
        self.sought = sought
        git = GitCheckout(checkout)
        good, bad = revision_at(checkout, sought.good), revision_at(checkout, sought.bad)
        listed = git.text(
            "rev-list", "--reverse", "--first-parent", "--ancestry-path", f"{good}..{bad}"
        )
        if not listed:
            raise RequestRefusedError(
                f"{sought.good} is not before {sought.bad}: there is no commit between them; "
                "see `git log --oneline --first-parent`"
            )
        subject = reports.subject(sought.test, sought.variant, sought.series)
        self.subject, self.test, self.cell = subject, subject.test, subject.cell
        self.search = _search_of(sought, subject, (good, *listed.split()))
        asked = [subject.test, subject.cell, subject.pipeline, good, bad]
        if sought.kind in (Kind.PERFORMANCE, Kind.ACCURACY):
            asked += [sought.kind.value, sought.series or sought.task]
        self.key = hashlib.sha256("\0".join(asked).encode()).hexdigest()
        self.probes: list[Probe] = []
        self.ends = ""
        """Why there is nothing to search: the ends of the range do not differ."""
        self._asks: _Asks = _ASKS[sought.kind](self)

    def subject_of(self, commit: str) -> str:
        """Return the first line of a commit's message."""
        return GitCheckout(self._checkout).text("log", "-1", "--format=%s", commit)

    def unfinished(self) -> RunRow | None:
        """Take in what earlier runs of this question say; return one that is not over."""
        known = {probe.run for probe in self.probes}
        for row in self._reports.question_runs(self.key, self.test):
            if row.run in known:
                continue
            if RunState(row.state) not in RUN_TERMINAL:
                return self._client.show(str(row.run)).run
            commit = str(row.body["commit"])
            self.probes.append(Probe(run=row.run, commit=commit, said=self._asks.take(row, commit)))
        return None

    def next(self) -> str | None:
        """Return the commit to run, or None when there is an answer."""
        return None if self.ends else self._asks.next()

    def skip(self, commit: str, reason: str) -> None:
        """Leave a commit out; RequestRefusedError where nothing can be searched without it."""
        is_needed = self.search.shift is not None or self._asks.measures
        is_end = is_needed and commit == self.search.commits[0]
        if is_end or not self.search.skip(commit, reason):
            raise RequestRefusedError(f"{commit[:7]}, an end of it, cannot be judged: {reason}")

    def accuracy_of(self, before: int, after: int) -> tuple[float, float] | None:
        """Return the drop between two runs and the share of discordant pairs; None without pairs."""
        rows = [
            one
            for one in self._reports.accuracy(before, after)
            if self.sought.task in ("", one.task) and one.pairs
        ]
        if not rows:
            return None
        pairs = sum(one.pairs for one in rows)
        worse, better = sum(one.worse for one in rows), sum(one.better for one in rows)
        return (worse - better) / pairs, math.sqrt(worse + better) / pairs

    def start(self, commit: str) -> RunRow | None:
        """Record a run of one commit; None where it has no such cell or no plan, which is noted."""
        try:
            with worktree_of(self._checkout, commit) as checkout:
                plan = self._client.plan(self.subject.pipeline, source=checkout)
                tasks = _tasks_of(plan, self.cell, self.test)
                if not tasks:
                    self.skip(commit, f"its plan has no cell {self.cell}")
                    return None
                question = Question(
                    body={"key": self.key, "commit": commit, **self._asks.body()},
                    fresh=tasks,
                    devices=self._asks.devices(),
                )
                return self._client.start_run(
                    self._only_the_test(plan_on(plan, commit, tasks)),
                    source=checkout,
                    requested_by=f"bisect of {self.test}",
                    wish=RunWish(question=question),
                )
        except PipelineError as error:
            self.skip(commit, str(error))
            return None

    def _only_the_test(self, plan: Plan) -> Plan:
        """Leave the other tests of the cell out, where its suite measures each of them alone."""
        mine = [task for task in plan.tasks if task.cell == self.cell]
        if not self._asks.measures or not all(is_separable(task) for task in mine):
            return plan
        return keeping(plan, {self.cell: self.test.__eq__})


class _Asks(Protocol):
    """What is asked of a commit, and what is made of the answer."""

    measures: bool
    """Whether commits are measured beside the good end."""

    def next(self) -> str | None:
        """Return the commit to run, or None when there is an answer."""

    def body(self) -> dict[str, str]:
        """Return what the next run is to carry, to be understood when it is read again."""

    def devices(self) -> dict[str, str]:
        """Return the one device that will do for the next run, by cell."""

    def take(self, row: QuestionRun, commit: str) -> str:
        """Take in what a run said; return it in words."""


class _Fails:
    """Whether the test fails: every try that counts is an observation."""

    measures = False

    def __init__(self, bisection: Bisection) -> None:
        self._of = bisection

    def next(self) -> str | None:
        return self._of.search.next()

    def body(self) -> dict[str, str]:
        return {}

    def devices(self) -> dict[str, str]:
        return {}

    def take(self, row: QuestionRun, commit: str) -> str:
        for failed in row.failed:
            self._of.search.observe(commit, failed)
        if not row.failed:
            self._of.skip(commit, f"run {row.run} says nothing of the test")
        return " ".join("failed" if failed else "passed" for failed in row.failed) or "says nothing"


class _Measures:
    """What a commit loses against the good end: one block A B B A is one value.

    First the bad end, until the sequential test decides; that gives the size of the shift and the
    spread of a block, with which all others are weighed.
    """

    measures = True

    def __init__(self, bisection: Bisection) -> None:
        self._of = bisection
        self._judgement = judgement_of(bisection.subject.metric)
        self._levels: list[float] = []
        self._target = bisection.search.commits[-1]
        self._losses: dict[str, list[float]] = {}
        self._device = ""
        self._failures = 0

    def next(self) -> str | None:
        if self._levels:
            return self._commit(len(self._levels))
        if self._of.search.shift is None:
            return self._commit(0)
        found = self._of.search.next()
        self._target = found or self._target
        return None if found is None else self._commit(0)

    def _commit(self, place: int) -> str:
        return self._of.search.commits[0] if PATTERN[place] == "A" else self._target

    def body(self) -> dict[str, str]:
        return {"target": self._target, "place": str(len(self._levels))}

    def devices(self) -> dict[str, str]:
        return {self._of.cell: self._device} if self._device else {}

    def take(self, row: QuestionRun, commit: str) -> str:
        self._target = str(row.body["target"])
        if int(str(row.body["place"])) != len(self._levels):
            self._levels = []  # A block that was given up.
        values = row.levels.get(self._of.subject.series)
        if not values or (self._judgement.is_log and min(values) <= 0):
            return self._lost(row, commit)
        self._failures = 0
        self._device = self._device or row.devices.get(self._of.cell, "")
        self._levels.append(statistics.median(self._judgement.levels(values)))
        if len(self._levels) < len(PATTERN):
            return f"measured, {len(self._levels)} of {len(PATTERN)} of a block"
        larger = self._judgement.direction is Direction.LARGER
        (loss,) = block_losses(self._levels, larger_is_better=larger)
        self._levels = []
        return self._learn(loss)

    def _lost(self, row: QuestionRun, commit: str) -> str:
        self._failures += 1
        if self._failures >= MOST_FAILURES:
            self._levels, self._failures = [], 0
            self._of.skip(commit, f"run {row.run}: {row.why or 'it measured nothing'}")
        return f"says nothing: {row.why}" if row.why else "says nothing"

    def _learn(self, loss: float) -> str:
        of, target = self._of, self._target
        losses = self._losses.setdefault(target, [])
        losses.append(loss)
        if of.search.shift is not None:
            of.search.observe(target, loss)
        elif target == of.search.commits[-1]:
            self._judge_ends(losses)
        return f"{'worse' if loss > 0 else 'better'} by {abs(loss):.4f}"

    def _judge_ends(self, losses: Sequence[float]) -> None:
        of = self._of
        judged = first_answer(losses, self._judgement.margin)
        is_late = len(losses) >= MOST_BLOCKS_OF_ENDS
        if judged.answer is Answer.REFUTED or (judged.answer is Answer.OPEN and is_late):
            of.ends = f"{target_words(of)} is not worse than {of.search.commits[0][:7]}"
        if judged.answer is not Answer.CONFIRMED or len(losses) < LEAST_BLOCKS:
            return
        # A spread of few blocks is a guess: Student's t is wider by this.
        freedom = len(losses) - 1
        spread = statistics.stdev(losses) * math.sqrt((freedom + 2) / freedom)
        size = statistics.fmean(losses)
        of.search.shift = Shift(size=size, sigma=max(spread, size / 8))
        of.search.null_prior = NULL_OF_A_SHIFT
        for value in losses:
            of.search.observe(of.search.commits[-1], value)


class _Answers:
    """How many items a commit gets wrong that the good end got right: one run is one value."""

    measures = True

    def __init__(self, bisection: Bisection) -> None:
        self._of = bisection
        self._good: int | None = None

    def next(self) -> str | None:
        commits = self._of.search.commits
        if self._good is None:
            return commits[0]
        return commits[-1] if self._of.search.shift is None else self._of.search.next()

    def body(self) -> dict[str, str]:
        return {}

    def devices(self) -> dict[str, str]:
        return {}

    def take(self, row: QuestionRun, commit: str) -> str:
        of = self._of
        if commit == of.search.commits[0] and row.failed:
            self._good = row.run
            return "measured"
        found = None if self._good is None else of.accuracy_of(self._good, row.run)
        if found is None:
            of.skip(commit, f"run {row.run} has no item in common with the good end")
            return "says nothing"
        drop, spread = found
        if of.search.shift is None:
            # Exact McNemar's normal form: beyond 2.6 standard errors, one-sided ½ %.
            if drop <= 2.6 * max(spread, 1e-12):
                of.ends = f"{target_words(of)} answers as well as {of.search.commits[0][:7]}"
                return f"drop {100 * drop:.2g} points"
            sigma = min(max(spread, INNOCENT), drop / 3)
            of.search.shift = Shift(size=drop, sigma=sigma)
            of.search.null_prior = NULL_OF_A_SHIFT
        of.search.observe(commit, drop)
        return f"drop {100 * drop:.2g} points"


_ASKS: Mapping[Kind, Callable[[Bisection], _Asks]] = {
    Kind.FAILURE: _Fails,
    Kind.FLAKE: _Fails,
    Kind.PERFORMANCE: _Measures,
    Kind.ACCURACY: _Answers,
}


def target_words(bisection: Bisection) -> str:
    """Return the bad end as people call it."""
    return bisection.search.commits[-1][:7]


def _search_of(sought: Sought, subject: Subject, commits: tuple[str, ...]) -> CommitSearch:
    """Return the search with the rates that were said, or else those of the history."""
    search = CommitSearch(commits=commits)
    search.false_fail = subject.false_fail
    if sought.kind is Kind.FLAKE:
        if subject.rise is None and sought.false_pass is None:
            raise RequestRefusedError(
                f"{subject.test} shows no rise of its flake rate; say the rates: "
                "--false-fail BEFORE --false-pass 1-SINCE"
            )
        before, since = subject.rise or (search.false_fail, 1.0)
        # Erring towards each other costs runs, not truth.
        search.false_fail, search.false_pass = min(1.5 * before, since / 2), 1 - since / 1.25
        search.null_prior = 0.1
    if sought.false_fail is not None:
        search.false_fail = sought.false_fail
    if sought.false_pass is not None:
        search.false_pass = sought.false_pass
    return search


def _tasks_of(plan: Plan, cell: str, test: str) -> tuple[str, ...]:
    """Return the tasks of the cell that hold the test: one shard where it says which."""
    mine = [task for task in plan.tasks if task.cell == cell]
    named = [task for task in mine if _names(task, test)]
    return tuple(task.key for task in named or mine)


def _names(task: PlannedTask, test: str) -> bool:
    module, scheme, name = (*test.split("/", 2), "", "")[:3]
    if scheme == "pytest":
        node = f"{module.replace('.', '/')}.py::{name}"
        return any(item.lists(node) for item in task.spec.tests)
    return name in task.spec.cases
