"""Reuse: a task that was done before, with the same inputs on the same kind of machine, is not redone.

A reused task points to its origin, an attempt that really ran. What may not be an origin: a
performance task or anything that measured, a failure, a flaky pass, an invalidated or imported
result, a stream without its manifest, a task that was given secrets, an untrusted run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import Connection, Row, Select, or_, select

from hotfire_infra.action_digest import observed_digest, requested_digest
from hotfire_infra.errors import InfraError
from hotfire_infra.executors.protocol import Executor, Probe
from hotfire_infra.orchestrator.facts import RunFacts, read_spec
from hotfire_infra.orchestrator.inputs import expected_tests, resolve_inputs
from hotfire_infra.states import ATTEMPT_COUNTED, AttemptState, TaskState
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import (
    Artifact,
    Attempt,
    Measurement,
    Record,
    Result,
    Run,
    Task,
    Test,
)
from hotfire_infra.store.rows import CellRow, RunRow, TaskRow
from hotfire_testframework.contract.outcomes import Outcome
from hotfire_testframework.contract.stream import Kind
from hotfire_testframework.contract.task import TaskSpec

OPTION = "reuse"
"""The key in `run.options`."""
FRESH = "fresh"
"""The key in `run.options` of the tasks that are executed whatever is known of them already."""
IMPORTED = "import"
"""Executor of attempts that were read from files: nobody knows what they ran on."""
CANDIDATES = 50
KNOWN_RUNS = 64
"""A service runs for years: what is remembered is bounded, and read again."""


class Scope(StrEnum):
    """Where a run may take results from."""

    OFF = "off"
    PARENT = "parent"
    """From the run that it retries."""
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The attempt that a reused task points to, and the words for it."""

    attempt_id: int
    attempt: str
    run_number: int

    @property
    def reason(self) -> str:
        """What every reader of the task sees."""
        return f"reused from run {self.run_number}, attempt {self.attempt}"


_Candidate: TypeAlias = "Row[int, str, AttemptState, str | None, int]"


@dataclass(frozen=True, slots=True, kw_only=True)
class _RunTerms:
    scope: Scope
    parent_id: int | None
    is_trusted: bool
    runner_sha256: str | None
    dimensions: Mapping[str, Mapping[str, str]]
    fresh: frozenset[str] = frozenset()


@dataclass(slots=True)
class ReuseBook:
    """Answers for tasks that are ready: their digest, and whether something may stand for them."""

    store: Store
    executor: Executor
    cache: Path
    _terms: dict[int, _RunTerms] = field(default_factory=dict)
    _probes: dict[int, Probe] = field(default_factory=dict)
    """By task."""
    _machines: dict[Probe, str | None] = field(default_factory=dict)

    def ask_machines(self, facts: RunFacts) -> None:
        """Ask every machine of the pool what it is now, before a round's transaction begins."""
        waiting = [task for task in facts.touched if facts.tasks[task].state is TaskState.WAITING]
        if not waiting:
            return
        with self.store.reading() as connection:
            if self._terms_of(connection, facts.run).scope is Scope.OFF:
                return
            known = set(facts.tasks)
            for task in known - set(self._probes):
                spec = read_spec(connection, task)
                self._probes[task] = Probe(launcher=spec.launcher, tools=spec.tools)
        # Those that wait behind a touched task may be reached in the same round.
        open_tasks = (key for key, row in facts.tasks.items() if row.state is TaskState.WAITING)
        for probe in {self._probes[task] for task in open_tasks}:
            machines = self.executor.observe(probe)
            digests = {observed_digest(environment) for environment in machines}
            self._machines[probe] = digests.pop() if len(digests) == 1 else None

    def digest_of(
        self, connection: Connection, run: RunRow, task: TaskRow, cell: CellRow, spec: TaskSpec
    ) -> str | None:
        """Return the requested part with all inputs by content; None where one is not known."""
        terms = self._terms_of(connection, run)
        try:
            resolved = resolve_inputs(self.store, connection, run, spec, self.cache)
        except InfraError:
            return None  # Whoever starts the attempt says what is wrong.
        if any(item.sha256 is None for item in resolved):
            return None
        return requested_digest(
            task=task.key,
            spec=spec,
            inputs={item.name: item.sha256 or "" for item in resolved},
            variant=cell.variant,
            requires=cell.requires or {},
            dimensions=terms.dimensions.get(cell.platform, {}),
            runner_sha256=terms.runner_sha256,
        )

    def ready(
        self, connection: Connection, run: RunRow, task: TaskRow, cell: CellRow
    ) -> tuple[str | None, Origin | None]:
        """Return the digest of a task that could start now, and what may stand for it."""
        spec = read_spec(connection, task.id)
        digest = self.digest_of(connection, run, task, cell, spec)
        terms = self._terms_of(connection, run)
        if digest is None or terms.scope is Scope.OFF or spec.exclusive or spec.secrets:
            return digest, None
        if task.key in terms.fresh:
            return digest, None
        rows = self._candidates(connection, task, terms, digest)
        observed = self._observed(spec) if rows else None
        row = _origin_among(rows, observed)
        if row is None or not self._is_whole(connection, row.id, task, spec):
            return digest, None
        return digest, Origin(attempt_id=row.id, attempt=row.ulid, run_number=row.run_number)

    def _terms_of(self, connection: Connection, run: RunRow) -> _RunTerms:
        if run.id not in self._terms:
            if len(self._terms) >= KNOWN_RUNS:
                self._terms.clear()
                self._probes.clear()
            query = select(Run.options, Run.parent_run_id, Run.is_trusted).where(Run.id == run.id)
            row = connection.execute(query).one()
            plan = json.loads(self.store.blobs.read(run.plan_sha256))
            options = row.options or {}
            self._terms[run.id] = _RunTerms(
                scope=Scope(options.get(OPTION, Scope.OFF)),
                fresh=frozenset(options.get(FRESH, ())),
                parent_id=row.parent_run_id,
                is_trusted=row.is_trusted,
                runner_sha256=plan.get("runner_sha256"),
                dimensions={item["name"]: item["dimensions"] for item in plan["platforms"]},
            )
        return self._terms[run.id]

    def _candidates(
        self, connection: Connection, task: TaskRow, terms: _RunTerms, digest: str
    ) -> Sequence[_Candidate]:
        query = _with_digest(digest)
        if terms.is_trusted:
            # What an untrusted change did to a machine must not vouch for others.
            query = query.where(Run.is_trusted)
        if terms.scope is Scope.PARENT:
            twin = select(Task.id, Task.origin_attempt_id).where(
                Task.run_id == terms.parent_id, Task.key == task.key
            )
            found = connection.execute(twin).one_or_none()
            if found is None:
                return ()
            query = query.where(
                or_(Attempt.task_id == found.id, Attempt.id == found.origin_attempt_id)
            )
        return connection.execute(query.limit(CANDIDATES)).all()

    def _observed(self, spec: TaskSpec) -> str | None:
        """Return what all machines of the pool have in common now; None: they differ, or are mute."""
        return self._machines.get(Probe(launcher=spec.launcher, tools=spec.tools))

    def _is_whole(
        self, connection: Connection, attempt_id: int, task: TaskRow, spec: TaskSpec
    ) -> bool:
        """Whether an attempt still has all that its results are needed for."""
        if _measured(connection, attempt_id) or _stumbled(connection, attempt_id):
            return False
        if not _has_manifest(connection, attempt_id):
            return False
        finished = _finished(connection, attempt_id)
        expected = expected_tests(self.store, connection, task, spec)
        if not finished or not finished.issuperset(expected):
            return False
        query = select(Artifact.name, Artifact.sha256).where(Artifact.attempt_id == attempt_id)
        kept = {row.name: row.sha256 for row in connection.execute(query)}
        return all(
            output.name in kept and self.store.blobs.path(kept[output.name]).exists()
            for output in spec.outputs
        )


def _with_digest(digest: str) -> Select[int, str, AttemptState, str | None, int]:
    return (
        select(
            Attempt.id,
            Attempt.ulid,
            Attempt.state,
            Attempt.observed_digest,
            Run.number.label("run_number"),
        )
        .join(Task, Task.id == Attempt.task_id)
        .join(Run, Run.id == Task.run_id)
        .where(
            Task.action_digest == digest,
            Attempt.state.in_(ATTEMPT_COUNTED),
            Attempt.purpose == "result",
            Attempt.executor != IMPORTED,
            Attempt.invalidation_id.is_(None),
            Attempt.observed_digest.is_not(None),
        )
        .order_by(Attempt.id.desc())
    )


def _origin_among(rows: Sequence[_Candidate], observed: str | None) -> _Candidate | None:
    """Return the newest pass; none where the same action has also failed: it is not decided by it."""
    same = [row for row in rows if observed is not None and row.observed_digest == observed]
    if any(row.state is not AttemptState.PASSED for row in same):
        return None
    return next(iter(same), None)


def _measured(connection: Connection, attempt_id: int) -> bool:
    query = select(Measurement.seq).where(Measurement.attempt_id == attempt_id).limit(1)
    return connection.execute(query).first() is not None


def _stumbled(connection: Connection, attempt_id: int) -> bool:
    """Whether a try of a test went wrong in an attempt that passed: a flaky pass."""
    bad = (Outcome.FAILED.value, Outcome.ERRORED.value)
    query = select(Result.seq).where(Result.attempt_id == attempt_id, Result.outcome.in_(bad))
    return connection.execute(query.limit(1)).first() is not None


def _has_manifest(connection: Connection, attempt_id: int) -> bool:
    query = select(Record.seq).where(
        Record.attempt_id == attempt_id, Record.kind == Kind.MANIFEST.value
    )
    return connection.execute(query.limit(1)).first() is not None


def _finished(connection: Connection, attempt_id: int) -> frozenset[str]:
    """Return the tests whose results are still there: retention may have taken them."""
    query = (
        select(Test.module, Test.scheme, Test.name)
        .join(Result, Result.test_id == Test.id)
        .where(Result.attempt_id == attempt_id)
        .distinct()
    )
    return frozenset("/".join(parts) for parts in connection.execute(query))
