"""The Client on a store in this directory: it plans, records, watches and, if free, executes."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from hotfire_infra.analysis.questions import PURPOSE as BISECT
from hotfire_infra.client.catalogue import (
    definitions_for,
    freeze_plan,
    recorded_debt,
    recorded_inventories,
    recorded_knowledge,
)
from hotfire_infra.client.driver import Driver
from hotfire_infra.client.executability import Wanted, reasons_of, refusals_of
from hotfire_infra.client.launching import CheckoutLauncher
from hotfire_infra.client.protocol import AS_PLANNED, LogText, RunWish, WatchEvent
from hotfire_infra.client.questions import asked_options, wants_archive
from hotfire_infra.configuration import Configuration, read_configuration
from hotfire_infra.errors import (
    InfraError,
    PlanRefusedError,
    RequestRefusedError,
    StorageFullError,
)
from hotfire_infra.executors.local import LocalExecutor
from hotfire_infra.executors.protocol import Connected, Executor
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.finalizing import ANALYSES
from hotfire_infra.orchestrator.importing import (
    ImportOutcome,
    ImportWish,
    import_reports,
    with_base,
)
from hotfire_infra.orchestrator.inputs import missing_model, model_path
from hotfire_infra.orchestrator.lock import LOCK_NAME, HeldLock
from hotfire_infra.orchestrator.loop import Orchestrator
from hotfire_infra.orchestrator.requests import RequestBook
from hotfire_infra.orchestrator.run_options import inherited_terms, options_of, order_of
from hotfire_infra.orchestrator.run_order import RunOrder
from hotfire_infra.settings import Settings, find_checkout
from hotfire_infra.source.merge_base import MergeBase, find_merge_base, with_archive
from hotfire_infra.source.stamp import StoredSource, read_stamp, store_source
from hotfire_infra.states import ATTEMPT_LIVE, RUN_TERMINAL, RequestKind
from hotfire_infra.store import queries
from hotfire_infra.store.audit import local_entry, record_audit
from hotfire_infra.store.database import Store, open_store
from hotfire_infra.store.rows import AttemptRow, HolderRow, RunRow, RunSnapshot, TestRow
from hotfire_pipelines.history import Recorded
from hotfire_pipelines.plan import Plan
from hotfire_testframework.contract.task import AttemptSpec
from hotfire_testframework.contract.ulid import Ulid
from hotfire_testframework.runner.bundle import build_bundle, bundle_sha256

PARTIAL = "partial"
"""Purpose of a run of some tests only."""
HEARTBEAT_SECONDS = 1.0
"""A watcher hears at least this often."""


class EmbeddedClient:
    """All verbs in this process, on a store and an executor of its own."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        executor: Executor,
        configuration: Configuration | None = None,
        *,
        is_audited: bool = False,
    ) -> None:
        """`is_audited`: acts leave a line in the audit log; those of a service have theirs already."""
        self._store = store
        self._is_audited = is_audited
        self._configuration = configuration or Configuration()
        self._settings = settings
        self._executor = executor
        self._driver = Driver(store, self._orchestrator, label=f"client-{id(self):x}")

    @classmethod
    def open(cls, settings: Settings) -> EmbeddedClient:
        """Open the store of a home directory with the executor that its configuration names."""
        configuration = read_configuration(
            settings.configuration, must_exist=settings.is_configuration_named
        )
        store = open_store(settings.home, database=settings.database)
        executor = _choose_executor(store, settings, configuration)
        return cls(store, settings, executor, configuration, is_audited=True)

    def _orchestrator(self, lock: HeldLock) -> Orchestrator:
        return Orchestrator(
            store=self._store,
            executor=self._executor,
            cache=self._settings.cache,
            lock=lock,
            analyses=ANALYSES,
            configuration=self._configuration,
            launcher=CheckoutLauncher(self),
        )

    def plan(
        self,
        pipeline: Path | str,
        *,
        source: Path | None = None,
        is_trusted: bool = True,
        since: str | None = None,
    ) -> Plan:
        """Freeze the plan of a pipeline for the source in the checkout."""
        checkout = find_checkout(source or Path.cwd())
        slots = self._executor.capacity.cpus
        known = partial(recorded_inventories, self._store)
        debts = partial(recorded_debt, self._store)
        stamp, targets = read_stamp(checkout), self._configuration.gate.target_branches
        with definitions_for(checkout, pipeline, targets, is_trusted=is_trusted) as folder:
            told = replace(recorded_knowledge(self._store), refusals=self.not_executable)
            return freeze_plan(
                known, checkout, pipeline, stamp, slots, folder, debts, knowledge=told, since=since
            )

    def plan_of(self, ref: str) -> Plan:
        """Return the frozen plan of a run."""
        return Plan.from_json(self._store.blobs.read(self._find(ref).plan_sha256))

    def recorded(self, pipeline: str) -> Recorded:
        """Ask the store what its runs recorded of a cell."""
        return recorded_knowledge(self._store).history(pipeline)

    def not_executable(self, plan: Wanted) -> Mapping[str, str]:
        """Ask the executor which cells it cannot execute now, and why."""
        return reasons_of(plan, partial(refusals_of, self._executor))

    def start_run(
        self,
        plan: Plan,
        *,
        source: Path | None = None,
        requested_by: str | None = None,
        wish: RunWish = AS_PLANNED,
    ) -> RunRow:
        """Record a run of the plan, with the archive of its source."""
        self._check_plan(plan)
        checkout = find_checkout(source or Path.cwd())
        stored = store_source(checkout, self._store.blobs)
        targets = self._configuration.gate.target_branches
        base = None if wish.question else find_merge_base(checkout, targets)
        if base is not None and wants_archive(plan):
            base = with_archive(checkout, base, self._store.blobs)
        return self.record_run(plan, stored, base, requested_by=requested_by, wish=wish)

    def record_run(
        self,
        plan: Plan,
        source: StoredSource,
        base: MergeBase | None,
        *,
        requested_by: str | None = None,
        wish: RunWish = AS_PLANNED,
        ulid: Ulid | None = None,
        said_by: str = "",
    ) -> RunRow:
        """Record a run whose source archive is a blob already; once for a `ulid` of the caller's.

        `said_by` is what a client says of whom it asks for: shown and not believed.
        """
        self._check_plan(plan)
        request = RunRequest(
            plan=plan,
            source=source,
            requested_by=requested_by or self._settings.user,
            ulid=ulid,
            merge_base=base.revision if base else None,
            is_trusted=wish.is_trusted,
            order=wish.order,
            options=asked_options(wish.question)
            if wish.question
            else options_of(plan, wish.reuse, base),
            purpose=purpose_of(wish),
            said_by=said_by,
        )
        return self._create(request)

    @property
    def store(self) -> Store:
        """The store that the verbs work on."""
        return self._store

    @property
    def executor(self) -> Executor:
        """What carries attempts out."""
        return self._executor

    @property
    def configuration(self) -> Configuration:
        """What the operator decided."""
        return self._configuration

    def build_driver(self, label: str) -> Driver:
        """Return what executes this store in the background of a service."""
        return Driver(self._store, self._orchestrator, label=label)

    def _check_plan(self, plan: Plan) -> None:
        if plan.runner_sha256 not in (None, bundle_sha256()):
            raise PlanRefusedError(
                f"the plan was frozen with the runner {plan.runner_sha256}, this Hotfire has "
                f"{bundle_sha256()}; plan again"
            )
        for model in plan.models:
            path = model_path(self._settings.cache, model.sha256)
            if not path.exists():
                raise PlanRefusedError(missing_model(model.name, path))

    def _create(self, request: RunRequest) -> RunRow:
        run_id = create_run(self._store, request)
        with self._store.reading() as connection:
            return queries.run_by_id(connection, run_id)

    def watch(
        self, ref: str, *, execute: bool = True, poll_seconds: float = 0.25
    ) -> Iterator[WatchEvent]:
        """Yield what happens until the run is over, executing it if nobody else does."""
        run_id = self._find(ref).id
        seen, last = 0, 0.0
        try:
            while True:
                if execute:
                    self._driver.ensure()
                with self._store.reading() as connection:
                    events = queries.events_after(connection, run_id, seen)
                    is_due = time.monotonic() - last >= HEARTBEAT_SECONDS
                    whole = queries.snapshot(connection, run_id) if events or is_due else None
                if whole is not None:
                    last = time.monotonic()
                    for event in events:
                        seen = event.id
                        yield WatchEvent(
                            id=event.id,
                            topic=event.topic,
                            payload=event.payload,
                            at_ns=event.created_ns,
                            snapshot=whole,
                        )
                    if not events:
                        yield _heartbeat(seen, self._store.clock.wall_ns(), whole)
                    if whole.run.state in RUN_TERMINAL:
                        return
                time.sleep(poll_seconds)
        finally:
            self._driver.stop()

    def show(self, ref: str) -> RunSnapshot:
        """Return a run with its cells and tasks."""
        with self._store.reading() as connection:
            return queries.snapshot(connection, queries.find_run(connection, ref).id)

    def tests(
        self, ref: str, *, verdicts: tuple[str, ...] | None = None, cell: str | None = None
    ) -> tuple[TestRow, ...]:
        """Return the verdicts of a run's tests."""
        with self._store.reading() as connection:
            run_id = queries.find_run(connection, ref).id
            return queries.verdicts_of(connection, run_id, verdicts=verdicts, cell_key=cell)

    def attempts(self, ref: str, *, cell: str | None = None) -> tuple[AttemptRow, ...]:
        """Return the attempts of a run, oldest first."""
        with self._store.reading() as connection:
            run_id = queries.find_run(connection, ref).id
            own = queries.attempts_of(connection, run_id, cell_key=cell)
            return own or queries.origins_of_cell(connection, run_id, cell or "")

    def import_reports(self, wish: ImportWish) -> ImportOutcome:
        """Record a run with the results of reports of other tools."""
        targets = self._configuration.gate.target_branches
        return import_reports(self._store, with_base(wish, targets))

    def recorded_attempt(self, attempt: str) -> AttemptSpec:
        """Return what an attempt was told to do; its inputs are where they were then."""
        path = self._store.attempts / attempt / "attempt.json"
        if not path.exists():
            raise RequestRefusedError(
                f"attempt {attempt} left nothing on this machine ({path} is gone); "
                "`hotfire retry latest`"
            )
        return AttemptSpec.parse(path.read_bytes())

    def runs(self, *, limit: int = 20, pipeline: str | None = None) -> tuple[RunRow, ...]:
        """Return the newest runs."""
        with self._store.reading() as connection:
            return queries.newest_runs(connection, limit=limit, pipeline=pipeline)

    def unfinished(self) -> tuple[RunRow, ...]:
        """Return the runs that are not over."""
        with self._store.reading() as connection:
            return queries.unfinished_runs(connection)

    def cancel(self, ref: str, *, reason: str = "cancelled on request") -> None:
        """Record the request; whoever executes carries it out, this process if nobody does."""
        run = self._find(ref)
        if run.state in RUN_TERMINAL:
            raise RequestRefusedError(f"run {run.number} is over ({run.state}); nothing to cancel")
        RequestBook(self._store).ask(
            RequestKind.CANCEL,
            run.id,
            payload={"reason": reason},
            requested_by=self._settings.user,
        )
        self._audit("cancel", run, reason)

    def retry(
        self,
        ref: str,
        *,
        everything: bool = False,
        order: RunOrder | None = None,
        may_be_trusted: bool = True,
    ) -> RunRow:
        """Start a child run of the same plan and source, which reuses what passed.

        `order` (None: the old run's) and `may_be_trusted` are what whoever asks may have.
        """
        run = self._find(ref)
        if run.state not in RUN_TERMINAL:
            raise RequestRefusedError(
                f"run {run.number} is not over; `hotfire watch {run.number}`, then retry"
            )
        plan = self.plan_of(ref)
        self._check_plan(plan)
        source = StoredSource(
            repository=run.source.repository,
            revision=run.source.revision,
            patch_digest=run.source.patch_digest,
            subject=run.source.subject,
            archive_sha256=run.source.archive_sha256,
        )
        with self._store.reading() as connection:
            inherited = inherited_terms(connection, run.id, everything=everything)
        inherited["is_trusted"] = inherited["is_trusted"] and may_be_trusted
        request = RunRequest(
            plan=plan,
            source=source,
            requested_by=self._settings.user,
            parent_run_id=run.id,
            order=order or order_of(run),
            **inherited,
        )
        child = self._create(request)
        self._audit("retry", run, f"as run {child.number}")
        return child

    def logs(
        self,
        ref: str,
        *,
        cell: str | None = None,
        attempt: str | None = None,
        stream: str = "stdout",
        offset: int = 0,
    ) -> LogText:
        """Return output of an attempt from a byte on: what is stored, then what is still there."""
        found = [row for row in self.attempts(ref, cell=cell) if attempt in (None, row.ulid)]
        if not found:
            what = f"cell {cell!r}" if cell else "the run"
            raise RequestRefusedError(f"{what} of {ref!r} has no attempt yet, so there is no log")
        row = found[-1]
        content = self._stored_log(row.id, stream, offset)
        is_over = row.state not in ATTEMPT_LIVE
        if not is_over:
            start = offset + len(content)
            content += self._executor.logs(Ulid(row.ulid), stream, start)
        return LogText(
            attempt=row.ulid, stream=stream, offset=offset, content=content, is_complete=is_over
        )

    def _stored_log(self, attempt_id: int, stream: str, offset: int) -> bytes:
        with self._store.reading() as connection:
            chunks = queries.log_chunks(connection, attempt_id, stream, offset)
        pieces = [
            self._store.blobs.read(digest)[max(0, offset - start) :]
            for start, _size, digest in chunks
        ]
        return b"".join(pieces)

    def holder(self) -> HolderRow | None:
        """Return who executes this store now."""
        with self._store.reading() as connection:
            return queries.holder_of(connection, LOCK_NAME)

    def close(self) -> None:
        """Stop executing and let go of the store."""
        try:
            self._driver.stop()
        finally:
            if isinstance(self._executor, Connected):
                self._executor.close()
            self._store.close()

    def _audit(self, action: str, run: RunRow, reason: str) -> None:
        if not self._is_audited:
            return
        target = f"run {run.number}"
        entry = local_entry(self._settings.user, action, target, run_id=run.id, reason=reason)
        with self._store.writing() as connection:
            record_audit(connection, entry, self._store.clock.wall_ns())

    def _find(self, ref: str) -> RunRow:
        with self._store.reading() as connection:
            return queries.find_run(connection, ref)


def _choose_executor(store: Store, settings: Settings, configuration: Configuration) -> Executor:
    """Return the cluster where one is configured, else this machine."""
    if configuration.kubernetes is not None:
        # Imported where it is used: most commands never speak to a cluster.
        from hotfire_infra.executors.kubernetes.executor import KubernetesExecutor

        return KubernetesExecutor(
            store.attempts, configuration.kubernetes, store.clock, teams=configuration.queue.teams
        )
    bundle = settings.home / "runner" / f"{bundle_sha256()}.pyz"
    if not bundle.exists():
        _write_bundle(bundle)
    return LocalExecutor(store.attempts, bundle, settings.cache, store.clock)


def _heartbeat(event_id: int, at_ns: int, whole: RunSnapshot) -> WatchEvent:
    return WatchEvent(id=event_id, topic="snapshot", payload={}, at_ns=at_ns, snapshot=whole)


def _write_bundle(path: Path) -> None:
    """Write the runner's zipapp whole; two processes may do so at once."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f"{path.name}.{os.getpid()}")
        aside.write_bytes(build_bundle())
        aside.replace(path)
    except OSError as error:
        said = f"the runner cannot be written to {path}: {error.strerror or error}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError(f"{said}; free space, then `hotfire run --resume`") from error
        raise InfraError(said) from error


def purpose_of(wish: RunWish) -> str:
    """Return what a run is for: only a result counts in history."""
    if wish.question:
        return BISECT
    return PARTIAL if wish.is_partial else "result"
