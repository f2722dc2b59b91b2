"""Carry a bisection out on an embedded store: each question is a run, cut to the task of the test.

Nothing of it is kept but the runs themselves (purpose `bisect`, with the question's key in their
options): asked again, the same question goes on from what they say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from hotfire_infra.analysis.bisection import CommitSearch, false_fail_of
from hotfire_infra.analysis.flake_notes import TRIES
from hotfire_infra.analysis.flake_verdicts import Try
from hotfire_infra.client.catalogue import (
    freeze_plan,
    recorded_inventories,
    recorded_knowledge,
)
from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.errors import RequestRefusedError
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.merge_base import plan_on
from hotfire_infra.orchestrator.reuse import FRESH, OPTION, Scope
from hotfire_infra.source.git import GitCheckout
from hotfire_infra.source.stamp import read_stamp, store_source
from hotfire_infra.source.worktree import revision_at, worktree_of
from hotfire_infra.states import RUN_TERMINAL
from hotfire_infra.store.queries import find_run, run_by_id
from hotfire_infra.store.queries_flakes import axes_of, runs_for, tries_in_run, tries_of_test
from hotfire_infra.store.queries_pages import history_page, variants_of_test
from hotfire_infra.store.queries_tests import ResultRow, test_key
from hotfire_infra.store.rows import RunRow
from hotfire_pipelines.errors import PipelineError
from hotfire_pipelines.plan import Plan, PlannedTask

PURPOSE = "bisect"
LOOKED_AT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be found out."""

    test: str
    good: str
    bad: str
    variant: Mapping[str, str] = field(default_factory=dict)
    """Axes that the variant must have; the newest failure with them is searched."""
    false_fail: float | None = None
    """None: from the recorded history of the test."""
    false_pass: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One run of one commit, and what the test said in it."""

    run: int
    commit: str
    failed: tuple[bool, ...]
    """Of each try; empty where the run says nothing."""


class Bisection:
    """The state of a question: its range, its search, and the runs so far."""

    def __init__(self, client: EmbeddedClient, checkout: Path, question: Question) -> None:
        self._client = client
        self._checkout = checkout
        git = GitCheckout(checkout)
        good, bad = revision_at(checkout, question.good), revision_at(checkout, question.bad)
        listed = git.text(
            "rev-list", "--reverse", "--first-parent", "--ancestry-path", f"{good}..{bad}"
        )
        if not listed:
            raise RequestRefusedError(
                f"{question.good} is not before {question.bad}: there is no commit between them; "
                "see `git log --oneline --first-parent`"
            )
        with client.store.reading() as connection:
            self._test_id, self.cell, self.pipeline, tries = _subject(connection, question)
        self.test = question.test
        self.search = CommitSearch(
            commits=(good, *listed.split()),
            false_fail=(
                false_fail_of(tries) if question.false_fail is None else question.false_fail
            ),
        )
        if question.false_pass is not None:
            self.search.false_pass = question.false_pass
        asked = [question.test, self.cell, self.pipeline, good, bad]
        self.key = hashlib.sha256("\0".join(asked).encode()).hexdigest()
        self.probes: list[Probe] = []

    def subject_of(self, commit: str) -> str:
        """Return the first line of a commit's message."""
        return GitCheckout(self._checkout).text("log", "-1", "--format=%s", commit)

    def unfinished(self) -> RunRow | None:
        """Take in what earlier runs of this question say; return one that is not over."""
        known = {probe.run for probe in self.probes}
        with self._client.store.reading() as connection:
            for row in runs_for(connection, PURPOSE, self.key):
                if row.number in known:
                    continue
                if row.state not in RUN_TERMINAL:
                    return run_by_id(connection, row.id)
                failed = tries_in_run(connection, row.id, self._test_id)
                self._take_in(
                    Probe(run=row.number, commit=row.options[PURPOSE]["commit"], failed=failed)
                )
        return None

    def _take_in(self, probe: Probe) -> None:
        self.probes.append(probe)
        for failed in probe.failed:
            self.search.observe(probe.commit, failed)
        if not probe.failed:
            self._skip(probe.commit, f"run {probe.run} says nothing of the test")

    def _skip(self, commit: str, reason: str) -> None:
        if not self.search.skip(commit, reason):
            raise RequestRefusedError(f"{commit[:7]}, the bad commit, cannot be judged: {reason}")

    def start(self, commit: str) -> RunRow | None:
        """Record a run of one commit; None where it has no such cell or no plan, which is noted."""
        store = self._client.store
        try:
            with worktree_of(self._checkout, commit) as checkout:
                plan = freeze_plan(
                    partial(recorded_inventories, store),
                    checkout,
                    self.pipeline,
                    read_stamp(checkout),
                    self._client.executor.capacity.cpus,
                    knowledge=recorded_knowledge(store),
                )
                tasks = _tasks_of(plan, self.cell, self.test)
                if not tasks:
                    self._skip(commit, f"its plan has no cell {self.cell}")
                    return None
                source = store_source(checkout, store.blobs)
        except PipelineError as error:
            self._skip(commit, str(error))
            return None
        request = RunRequest(
            plan=plan_on(plan, commit, tasks),
            source=source,
            requested_by=f"bisect of {self.test}",
            # Builds are taken over where their inputs are the same; the test itself must speak anew.
            options={
                OPTION: Scope.ANY.value,
                FRESH: list(tasks),
                PURPOSE: {"key": self.key, "commit": commit},
            },
            purpose=PURPOSE,
        )
        run_id = create_run(store, request)
        with store.reading() as connection:
            return run_by_id(connection, run_id)


def _subject(connection: Connection, question: Question) -> tuple[int, str, str, tuple[Try, ...]]:
    """Return the test's surrogate, the cell and pipeline of its newest failure, and its tries."""
    test_id = test_key(connection, question.test)
    if test_id is None:
        raise RequestRefusedError(
            f"nobody recorded a test {question.test!r}; its exact name stands on the run's page"
        )
    rows = history_page(connection, test_id, limit=LOOKED_AT).items
    fitting = [row for row in rows if question.variant.items() <= dict(row.variant).items()]
    if not fitting:
        known = ", ".join(sorted({row.cell_key for row in rows})) or "nowhere"
        raise RequestRefusedError(
            f"{question.test} has no result with {dict(question.variant)}; it ran in: {known}"
        )
    chosen = next((row for row in fitting if row.outcome == "failed"), fitting[0])
    variant = _variant_of(connection, test_id, chosen)
    pipeline = find_run(connection, str(chosen.run_number)).pipeline
    tries = tries_of_test(connection, test_id, variant, limit=TRIES)
    return (
        test_id,
        chosen.cell_key,
        pipeline,
        tuple(Try(row.source, row.failed) for row in tries),
    )


def _variant_of(connection: Connection, test_id: int, row: ResultRow) -> int:
    axes = axes_of(connection, variants_of_test(connection, test_id))
    return next(key for key, known in axes.items() if dict(known) == dict(row.variant))


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
