"""Run suspect and parent again, interleaved, until a sequential test decides or the budget ends.

A launch is a run of one side, cut to the tasks that measured the series, with the builds that they
need: same scheduler, same exclusive slot, builds taken over by action digest, and from the second
launch on the device of the first. Whoever executes moves confirmations on; a launch has an id that
follows from its place, so that two processes, or one that was killed, start it once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection

from hotfire_infra.analysis.change_reports import commits_of
from hotfire_infra.analysis.comparison import Change
from hotfire_infra.analysis.confirmations import (
    MOST_FAILURES,
    Progress,
    Suspected,
    look,
    series_answer,
    whole_answer,
)
from hotfire_infra.analysis.interleaved import PATTERN
from hotfire_infra.analysis.judgements import is_of_machine
from hotfire_infra.errors import BlobMissingError, PlanRefusedError, RequestRefusedError
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.merge_base import archives_of, plan_on
from hotfire_infra.orchestrator.requests import RequestBook
from hotfire_infra.orchestrator.reuse import FRESH, OPTION, Scope
from hotfire_infra.orchestrator.run_options import ancestors_of
from hotfire_infra.orchestrator.run_order import RunOrder
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import RequestKind
from hotfire_infra.store.confirmations import (
    DEVICES,
    PURPOSE,
    ConfirmationRow,
    confirmation_called,
    confirmations_of_changes,
    confirmations_of_run,
    decide_confirmation,
    insert_confirmation,
    note_launch,
    open_confirmations,
    tasks_of_series,
)
from hotfire_infra.store.database import Store
from hotfire_infra.store.mainline import passed_on_mainline
from hotfire_infra.store.queries import run_by_id
from hotfire_infra.store.queries_measurements import (
    comparisons_of_run,
    measurements_of_run,
    points_of_series,
)
from hotfire_infra.store.references import references_of
from hotfire_infra.store.rows import RunRow, SourceRow
from hotfire_infra.store.series_changes import ChangeRow, changes_of_causes
from hotfire_pipelines.only import is_separable, keeping
from hotfire_pipelines.plan import Plan, Source
from hotfire_testframework.contract.ulid import Ulid, new_ulid, parse_ulid, ulid_time_ms
from hotfire_testframework.runner.bundle import bundle_sha256

BUDGET_SECONDS = 1800
MOST_BLOCKS = 40
PATIENCE = 6
"""Times the budget, and an hour, that a confirmation may wait for its device altogether."""
_OF_MEANS = frozenset({"step", "drift", "mix"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be run again: two sides, and the series that are judged."""

    run: RunRow
    parent: SourceRow
    series: Sequence[Suspected]
    tasks: Sequence[str]
    change_id: int | None = None


@dataclass(frozen=True, slots=True)
class Confirmer:
    """Asks for confirmations and moves them on; usable from any process."""

    store: Store

    def of_change(self, row: ChangeRow, *, budget_seconds: int, by: str) -> ConfirmationRow:
        """Ask whether a change of the target branch is real; the one under way, if there is one."""
        with self.store.reading() as connection:
            known = confirmations_of_changes(connection, [row.id])
            if known and known[-1].answer is None:
                return known[-1]
            asked = _of_change(connection, row)
        return self._record(asked, new_ulid(), budget_seconds, by)

    def of_run(self, run: RunRow, *, budget_seconds: int, by: str) -> ConfirmationRow:
        """Ask whether what regressed in a run is real, against its parent."""
        with self.store.reading() as connection:
            known = [r for r in confirmations_of_run(connection, run.id) if r.change_id is None]
            if known and known[-1].answer is None:
                return known[-1]
            keys = [
                one.series_key
                for one in comparisons_of_run(connection, run.id)
                if one.outcome == Change.REGRESSED
            ]
            if not keys:
                raise RequestRefusedError(
                    f"nothing of run {run.number} has regressed; name a change of a series: "
                    "`hotfire show SERIES` prints their ids"
                )
            parent = _merge_base(self.store, connection, run)
            parent = parent or _baseline(self.store, connection, run, keys)
            asked = _of_series(connection, run, parent, keys)
        return self._record(asked, new_ulid(), budget_seconds, by)

    def of_gate(self, run: RunRow, keys: Sequence[str], budget_seconds: int) -> ConfirmationRow:
        """Ask, once for a run, whether what its gate would fail is real.

        Against the newest run that it was compared with: a target branch that regressed since must
        not acquit.
        """
        ulid = _derived(run.ulid, "gate")
        with self.store.reading() as connection:
            known = confirmation_called(connection, ulid)
            if known is not None:
                return known
            parent = _baseline(self.store, connection, run, keys)
            parent = parent or _merge_base(self.store, connection, run)
            asked = _of_series(connection, run, parent, keys)
        return self._record(asked, ulid, budget_seconds, f"the gate of run {run.number}")

    def _record(self, asked: Asked, ulid: Ulid, budget_seconds: int, by: str) -> ConfirmationRow:
        self._check_archives(asked)
        body = {
            "sides": {"A": asdict(asked.parent), "B": asdict(asked.run.source)},
            "tasks": sorted(asked.tasks),
            "series": [asdict(one) for one in asked.series],
            "tests": self._tests(asked),
        }
        values = {
            "ulid": ulid,
            "run_id": asked.run.id,
            "change_id": asked.change_id,
            "budget_seconds": budget_seconds,
            "body": body,
            "requested_by": by,
        }
        with self.store.writing() as connection:
            known = confirmation_called(connection, ulid)
            if known is None:
                insert_confirmation(connection, values, self.store.clock.wall_ns())
                known = confirmation_called(connection, ulid)
        assert known is not None  # just written
        return known

    def _tests(self, asked: Asked) -> dict[str, list[str]]:
        """Return the tests that launches run, by cell, where a suite measures each of its tests alone.

        Those of the series, and those that measure the machine beside them.
        """
        plan = Plan.from_json(self.store.blobs.read(asked.run.plan_sha256))
        tasks = [one for one in plan.tasks if one.key in asked.tasks and is_separable(one)]
        with self.store.reading() as connection:
            rows = measurements_of_run(connection, asked.run.id)
        series = {one.key for one in asked.series}
        return {
            task.cell: sorted(
                {
                    row.test
                    for row in rows
                    if row.cell_key == task.cell
                    and (row.series_key in series or is_of_machine(row.metric))
                }
            )
            for task in tasks
        }

    def _check_archives(self, asked: Asked) -> None:
        for side in (asked.parent, asked.run.source):
            archive = side.archive_sha256
            if archive is None or not self.store.blobs.path(archive).exists():
                raise RequestRefusedError(
                    f"the source of {side.revision[:7]} is not here any more, so it cannot be "
                    "run again; a new run of that revision brings it"
                )

    def advance(self) -> bool:
        """Move every open confirmation on; True if anything was started or decided."""
        with self.store.reading() as connection:
            rows = open_confirmations(connection)
        return sum(self.advance_one(row) for row in rows) > 0

    def advance_one(self, row: ConfirmationRow) -> bool:
        """Decide, or start the next launch; False where one is under way."""
        with self.store.reading() as connection:
            found = look(connection, row)
        reason = self._why_over(row, found)
        if reason is not None:
            return self._decide(row, found, reason)
        if found.live is not None:
            return False
        try:
            self._launch(row, found)
        except (PlanRefusedError, BlobMissingError) as error:
            # What it needs was removed meanwhile; whoever executes must not stumble over it for ever.
            return self._decide(row, found, f"could not be run again: {error}")
        return True

    def _why_over(self, row: ConfirmationRow, found: Progress) -> str | None:
        """Say why nothing more is run; empty where all is decided, None where it goes on."""
        if found.is_decided:
            return ""
        waited = (self.store.clock.wall_ns() - row.created_ns) / 1e9
        if waited > 3600 + PATIENCE * row.budget_seconds:
            return f"its device was not free for long enough in {waited / 3600:.0f} h"
        if found.live is not None:
            return None
        if found.failures > MOST_FAILURES:
            return f"could not be measured: {found.last_failure}"
        if found.place and found.is_between_blocks:
            if found.seconds + found.seconds_of_a_block > row.budget_seconds:
                return "the budget is spent"
            if found.place >= MOST_BLOCKS * len(PATTERN):
                return f"no answer after {MOST_BLOCKS} blocks"
        return None

    def _decide(self, row: ConfirmationRow, found: Progress, reason: str) -> bool:
        if found.live is not None:
            RequestBook(self.store).ask(
                RequestKind.CANCEL,
                found.live.id,
                payload={"reason": f"confirmation {row.ulid} is over: {reason or 'decided'}"},
                requested_by=row.requested_by,
            )
        answers = [series_answer(*one, is_over=True) for one in found.judged]
        values = {"answer": whole_answer(answers).value, "reason": reason}
        with self.store.writing() as connection:
            return decide_confirmation(connection, row, values, self.store.clock.wall_ns())

    def _launch(self, row: ConfirmationRow, found: Progress) -> None:
        """Start the next launch; its id says which one it is, so nobody starts it twice."""
        letter = PATTERN[found.place % len(PATTERN)]
        side = SourceRow(**row.body["sides"][letter])
        with self.store.reading() as connection:
            run = run_by_id(connection, row.run_id)
        plan = Plan.from_json(self.store.blobs.read(run.plan_sha256))
        cut = plan_on(plan, side.revision, row.body["tasks"])
        wanted = row.body.get("tests", {})
        cut = keeping(cut, {cell: frozenset(tests).__contains__ for cell, tests in wanted.items()})
        source = Source(
            repository=side.repository,
            revision=side.revision,
            patch_digest=side.patch_digest or None,
        )
        # A change may be older than this Hotfire: what travels to the machine is today's runner.
        runner = None if plan.runner_sha256 is None else bundle_sha256()
        request = RunRequest(
            plan=replace(cut, source=source, runner_sha256=runner),
            source=StoredSource(**asdict(side)),
            requested_by=f"confirmation {row.ulid}",
            parent_run_id=row.run_id,
            ulid=_derived(row.ulid, str(len(row.launches))),
            order=RunOrder(priority=run.priority, team=run.team),
            is_trusted=run.is_trusted,
            options=_options(row, found, letter),
            purpose=PURPOSE,
        )

        def note(connection: Connection, run_id: int, tasks: Mapping[str, int]) -> None:  # noqa: ARG001 - of creation
            note_launch(connection, row, run_id)

        create_run(self.store, request, within=note)


def _options(row: ConfirmationRow, found: Progress, letter: str) -> dict[str, Any]:
    return {
        OPTION: Scope.ANY.value,
        FRESH: list(row.body["tasks"]),
        PURPOSE: {"key": row.ulid, "place": found.place, "side": letter},
        DEVICES: dict(found.devices),
    }


def _of_change(connection: Connection, row: ChangeRow) -> Asked:
    if row.after_run_id is None:
        raise RequestRefusedError(
            f"the series begins with this change ({commits_of(row).words}): there is no parent"
        )
    if row.kind not in _OF_MEANS:
        raise RequestRefusedError(
            f"a change of kind {row.kind} is of the noise; reruns compare means and say nothing of it"
        )
    same = changes_of_causes(connection, [row.cause]) if row.cause else ()
    group = [one for one in (row, *same) if one.kind in _OF_MEANS and one.state != "withdrawn"]
    directions = {one.series_key: one for one in (*group, row)}
    run = run_by_id(connection, row.until_run_id)
    tasks = tasks_of_series(connection, run.id, list(directions))
    if row.series_key not in tasks:
        run = run_by_id(connection, row.run_id)
        tasks = tasks_of_series(connection, run.id, list(directions))
    series = [
        Suspected(key=key, test=one.test, metric=one.metric, is_worse=one.direction != "better")
        for key, one in sorted(directions.items())
        if key in tasks
    ]
    parent = run_by_id(connection, row.after_run_id).source
    names = {tasks[one.key][0] for one in series}
    return Asked(run=run, parent=parent, series=series, tasks=sorted(names), change_id=row.id)


def _of_series(
    connection: Connection, run: RunRow, parent: SourceRow | None, keys: Sequence[str]
) -> Asked:
    if parent is None:
        raise RequestRefusedError(
            f"no source of a parent of run {run.number} is here; run its merge base once: "
            f"`hotfire run {run.pipeline}` there"
        )
    tasks = tasks_of_series(connection, run.id, keys)
    rows = {row.series_key: row for row in measurements_of_run(connection, run.id)}
    series = [
        Suspected(key=key, test=rows[key].test, metric=rows[key].metric)
        for key in keys
        if key in tasks
    ]
    names = {tasks[one.key][0] for one in series}
    return Asked(run=run, parent=parent, series=series, tasks=sorted(names))


def _merge_base(store: Store, connection: Connection, run: RunRow) -> SourceRow | None:
    """Return the source that a change began from, where an archive of it is here."""
    ancestors = ancestors_of(connection, run)
    if not ancestors:
        return None
    archives = archives_of(connection, run, ancestors[0])
    archive = next((one for one in archives if store.blobs.path(one).exists()), None)
    if archive is None:
        return None
    return SourceRow(
        repository=run.source.repository,
        revision=ancestors[0],
        patch_digest="",
        subject=f"merge base of run {run.number}",
        archive_sha256=archive,
    )


def _baseline(
    store: Store, connection: Connection, run: RunRow, keys: Sequence[str]
) -> SourceRow | None:
    """Return the source of the newest run of the target branch that a run was compared with."""
    points = points_of_series(connection, keys, before_run=run.id, is_mainline=True)
    good = passed_on_mainline(connection, {one.run_id for one in points})
    accepted = references_of(connection, keys)
    if accepted:
        begin = max(one.begin for one in accepted.values())
        until = max(one.until for one in accepted.values())
        told = {one.run_id for one in points if one.run_id <= until}
        good = frozenset(one for one in good | told if one >= begin)
    for run_id in sorted(good, reverse=True):
        source = run_by_id(connection, run_id).source
        archive = source.archive_sha256
        is_other = (source.revision, source.patch_digest) != (
            run.source.revision,
            run.source.patch_digest,
        )
        if is_other and archive is not None and store.blobs.path(archive).exists():
            return source
    return None


def _derived(ulid: str, what: str) -> Ulid:
    """Return an id that follows from another one."""
    noise = int(hashlib.sha256(f"{ulid} {what}".encode()).hexdigest()[:20], 16)
    return new_ulid(time_ms=ulid_time_ms(parse_ulid(ulid)), randomness=noise)
