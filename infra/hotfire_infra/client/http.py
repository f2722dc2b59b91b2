"""The Client of a service far away: plans here, everything else is asked of it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hotfire_infra.analysis.accuracy.linting import TaskFacts
from hotfire_infra.analysis.transport import from_plain, to_plain
from hotfire_infra.client.catalogue import (
    REMEMBERED_RUNS,
    debt_left_by,
    definitions_for,
    freeze_plan,
)
from hotfire_infra.client.connection import API_VERSION, Connection, read_token
from hotfire_infra.client.event_reader import events_of
from hotfire_infra.client.executability import Wanted, reasons_of
from hotfire_infra.client.inputs import bring
from hotfire_infra.client.planning import Known, contexts_of, facts_of
from hotfire_infra.client.protocol import AS_PLANNED, LogText, RunWish, WatchEvent
from hotfire_infra.client.questions import wants_archive
from hotfire_infra.client.sending import send_blob, send_reports
from hotfire_infra.errors import (
    PlanRefusedError,
    RequestRefusedError,
    RunNotFoundError,
    ServiceUnreachableError,
    VersionMismatchError,
)
from hotfire_infra.orchestrator.importing import ImportOutcome, ImportWish, with_base
from hotfire_infra.settings import Settings, find_checkout
from hotfire_infra.source.merge_base import find_merge_base, with_archive
from hotfire_infra.source.stamp import StoredSource, read_stamp, store_source
from hotfire_infra.states import RUN_TERMINAL
from hotfire_infra.store.blobs import BlobStore
from hotfire_infra.store.rows import (
    AttemptRow,
    CellRow,
    HolderRow,
    RunRow,
    RunSnapshot,
    TaskRow,
    TestRow,
)
from hotfire_pipelines.changes import ContextFacts, LineFacts
from hotfire_pipelines.expansion import Debt
from hotfire_pipelines.history import CellHistory, Recorded
from hotfire_pipelines.load import Pipeline
from hotfire_pipelines.plan import Plan
from hotfire_pipelines.pricing import Sample
from hotfire_testframework.contract.task import AttemptSpec
from hotfire_testframework.contract.ulid import new_ulid
from hotfire_testframework.runner.bundle import bundle_sha256

PAGE = 500
PING_SECONDS = 1.0
"""A watcher hears at least this often."""
SILENCE_SECONDS = 10.0
"""A stream without even a ping is given up and opened anew."""
RECONNECT_SECONDS = 60.0
"""A service that restarts is waited for; after this long it counts as gone."""
START_TRIES = 3


class HttpClient:
    """All verbs at a service.

    Rows have no surrogates here: `id` and its like are numbers in the order of the answer.
    """

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._connection = connection
        self._settings = settings
        self._service: Mapping[str, Any] | None = None

    @classmethod
    def open(cls, settings: Settings) -> HttpClient:
        """Return the client of `settings.server`; nothing is asked of it yet."""
        assert settings.server is not None  # the caller chose this class by it
        return cls(Connection(settings.server, read_token(settings.token_file)), settings)

    @property
    def connection(self) -> Connection:
        """The way to the service."""
        return self._connection

    def service(self) -> Mapping[str, Any]:
        """Return what the service says of itself; VersionMismatchError for another one."""
        if self._service is None:
            found = self._connection.get("/service")
            if not isinstance(found, dict) or found.get("api") != API_VERSION:
                version = found.get("api") if isinstance(found, dict) else None
                raise VersionMismatchError(
                    f"{self._connection.server} speaks version {version} of the API, this Hotfire "
                    f"version {API_VERSION}; use the same release on both sides"
                )
            self._service = found
        return self._service

    def plan(
        self,
        pipeline: Path | str,
        *,
        source: Path | None = None,
        is_trusted: bool = True,
        since: str | None = None,
    ) -> Plan:
        """Freeze the plan here, with what the service knows of earlier runs."""
        service = self.service()
        if service["runner_sha256"] != bundle_sha256():
            raise VersionMismatchError(
                f"the runner of {self._connection.server} is {service['runner_sha256'][:12]} "
                f"({service['version']}), this Hotfire's is {bundle_sha256()[:12]}; "
                "use the same release on both sides"
            )
        checkout = find_checkout(source or Path.cwd())
        stamp = read_stamp(checkout)
        known, slots = self._inventories, int(service["slots"])
        targets = service["target_branches"]
        with definitions_for(checkout, pipeline, targets, is_trusted=is_trusted) as folder:
            return freeze_plan(
                known, checkout, pipeline, stamp, slots, folder, self._debt,
                knowledge=Known(
                    coverage=self._coverage, contexts=self._contexts,
                    samples=self._samples, history=self.recorded, refusals=self.not_executable,
                    accuracy=self._accuracy,
                ),
                since=since,
            )  # fmt: skip

    def plan_of(self, ref: str) -> Plan:
        """Return the frozen plan of a run."""
        return Plan.from_json(self._blob(self.show(ref).run.plan_sha256))

    def not_executable(self, plan: Wanted) -> Mapping[str, str]:
        """Ask the service which cells its machines cannot execute now, and why."""

        def ask(texts: Sequence[str]) -> Sequence[str | None]:
            found: Sequence[str | None] = self._connection.get(
                "/executability", requires=list(texts)
            )["reasons"]
            return found

        return reasons_of(plan, ask)

    def _blob(self, digest: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._connection.get(f"/blobs/sha256/{digest}")
        return found

    def _coverage(self, revisions: Sequence[str], paths: Sequence[str]) -> Sequence[LineFacts]:
        asked = {"revision": list(revisions), "file": list(paths)}
        return facts_of(self._connection.get("/coverage/files", **asked))

    def _contexts(self, revisions: Sequence[str], paths: Sequence[str]) -> Sequence[ContextFacts]:
        asked = {"revision": list(revisions), "file": list(paths)}
        return contexts_of(self._connection.get("/coverage/contexts", **asked))

    def _samples(self, pipeline: str) -> Sequence[Sample]:
        found = self._connection.get(f"/pipelines/{pipeline}/attempt-durations")["items"]
        return tuple(from_plain(Sample, one) for one in found)

    def _accuracy(self, pipeline: str) -> Sequence[TaskFacts]:
        found = self._connection.get(f"/pipelines/{pipeline}/accuracy-tasks")["items"]
        return tuple(from_plain(TaskFacts, one) for one in found)

    def recorded(self, pipeline: str) -> Recorded:
        """Ask the service what its runs recorded of a cell."""

        def asked_of(cell: str, task: str, platform: str, definition: str) -> CellHistory | None:
            asked = {"cell": cell, "task": task, "platform": platform, "definition": definition}
            found = self._connection.get(f"/pipelines/{pipeline}/cell-durations", **asked)
            history: CellHistory | None = from_plain(CellHistory | None, found["history"])
            return history

        return asked_of

    def _debt(self, pipeline: Pipeline) -> Mapping[str, Sequence[Debt]]:
        newest = self.runs(limit=REMEMBERED_RUNS, pipeline=pipeline.name)
        return debt_left_by(pipeline, newest, self._blob, self._verdicts_of)

    def _verdicts_of(self, run: RunRow) -> dict[str, str | None]:
        found = self._connection.get(f"/runs/{run.ulid}/cells")["items"]
        return {cell["key"]: cell["verdict"] for cell in found}

    def _inventories(self, pipeline: str) -> Callable[[str], tuple[str, ...] | None]:
        found = self._connection.get(f"/pipelines/{pipeline}/inventories")["cells"]
        known = {key: tuple(one["tests"]) for key, one in found.items()}
        return known.get

    def start_run(
        self,
        plan: Plan,
        *,
        source: Path | None = None,
        requested_by: str | None = None,
        wish: RunWish = AS_PLANNED,
    ) -> RunRow:
        """Send the archive of the source, then the plan under an id chosen here."""
        checkout = find_checkout(source or Path.cwd())
        with tempfile.TemporaryDirectory(prefix="hotfire-upload-") as folder:
            blobs = BlobStore(Path(folder))
            stored = store_source(checkout, blobs)
            planned = (plan.source.revision, plan.source.patch_digest or "")
            if planned != (stored.revision, stored.patch_digest):
                raise PlanRefusedError(
                    f"the plan is for revision {planned[0]!r} with patch {planned[1]!r}, the "
                    f"source is {stored.revision!r} with patch {stored.patch_digest!r}; plan again"
                )
            self._send_archive(stored, blobs)
            targets = self.service()["target_branches"]
            base = None if wish.question else find_merge_base(checkout, targets)
            if base is not None and wants_archive(plan):
                base = with_archive(checkout, base, blobs)
                assert base.archive_sha256 is not None  # just taken
                archive = blobs.path(base.archive_sha256)
                send_blob(self._connection, base.archive_sha256, archive)
        body = {
            "id": new_ulid(),
            "plan": plan.to_dict(),
            "source": {
                name: value for name, value in asdict(stored).items() if name != "archive_size"
            },
            "requested_by": requested_by,
            "merge_base": to_plain(base),
            "wish": to_plain(wish),
        }
        return self._start(body)

    def _start(self, body: Mapping[str, Any]) -> RunRow:
        """Ask again when the answer is lost: the id makes it one run."""
        for _ in range(START_TRIES - 1):
            try:
                return _run(self._connection.post("/runs", body))
            except ServiceUnreachableError:
                time.sleep(1)
        return _run(self._connection.post("/runs", body))

    def _send_archive(self, stored: StoredSource, blobs: BlobStore) -> None:
        assert stored.archive_sha256 is not None  # `store_source` takes it
        archive = blobs.path(stored.archive_sha256)
        send_blob(self._connection, stored.archive_sha256, archive)

    def watch(
        self,
        ref: str,
        *,
        execute: bool = True,  # noqa: ARG002 - the service executes
        poll_seconds: float = 0.25,
    ) -> Iterator[WatchEvent]:
        """Yield what happens; a lost stream is opened again behind the last event."""
        run = self.show(ref).run
        seen, silent_since = 0, time.monotonic()
        while True:
            try:
                for events in events_of(
                    self._connection, run.ulid, after=seen, ping=PING_SECONDS, idle=SILENCE_SECONDS
                ):
                    whole = self.show(run.ulid)
                    silent_since = time.monotonic()
                    for event in events:
                        seen = event.id
                        yield WatchEvent(
                            id=event.id, topic=event.topic, payload=event.payload,
                            at_ns=event.at_ns, snapshot=whole,
                        )  # fmt: skip
                    if not events:
                        yield WatchEvent(
                            id=seen, topic="snapshot", payload={}, at_ns=time.time_ns(),
                            snapshot=whole,
                        )  # fmt: skip
                    if events and events[-1].topic.removeprefix("run.") in RUN_TERMINAL:
                        return
                if self.show(run.ulid).run.state in RUN_TERMINAL:
                    return
            except ServiceUnreachableError:
                if time.monotonic() - silent_since > RECONNECT_SECONDS:
                    raise
            time.sleep(poll_seconds)

    def show(self, ref: str) -> RunSnapshot:
        """Return a run with its cells and tasks."""
        found = self._connection.get(f"/runs/{run_name(ref)}/snapshot")
        run = _run(found["run"])
        cells = tuple(_rows(CellRow, found["cells"], variant_id=0))
        keys = {cell.key: cell.id for cell in cells}
        tasks = tuple(
            from_plain(TaskRow, {**task, "id": at, "run_id": run.id, "cell_id": keys[task["cell"]]})
            for at, task in enumerate(found["tasks"], 1)
        )
        return RunSnapshot(run=run, cells=cells, tasks=tasks)

    def tests(
        self, ref: str, *, verdicts: tuple[str, ...] | None = None, cell: str | None = None
    ) -> tuple[TestRow, ...]:
        """Return the verdicts of a run's tests, in the order of cells and names."""
        wanted = {"verdict": list(verdicts) if verdicts else None, "cell": cell}
        found = self._pages(f"/runs/{run_name(ref)}/tests", wanted)
        order = {key: at for at, key in enumerate(dict.fromkeys(t["cell_key"] for t in found), 1)}
        rows = [from_plain(TestRow, {**one, "cell_id": order[one["cell_key"]]}) for one in found]
        return tuple(sorted(rows, key=lambda row: (row.cell_id, row.test.split("/", 2))))

    def attempts(self, ref: str, *, cell: str | None = None) -> tuple[AttemptRow, ...]:
        """Return the attempts of a run, oldest first."""
        found = self._pages(f"/runs/{run_name(ref)}/attempts", {"cell": cell})
        blank = {"task_id": 0, "cell_id": 0, "run_id": 0, "environment_id": None}
        return tuple(_rows(AttemptRow, found, **blank))

    def import_reports(self, wish: ImportWish) -> ImportOutcome:
        """Send the reports; the service reads them."""
        return send_reports(self._connection, with_base(wish, self.service()["target_branches"]))

    def recorded_attempt(self, attempt: str) -> AttemptSpec:
        """Bring what an attempt was told to do, and its inputs, to this machine."""
        return bring(self._connection, attempt, self._settings.home, self._settings.cache)

    def runs(self, *, limit: int = 20, pipeline: str | None = None) -> tuple[RunRow, ...]:
        """Return the newest runs."""
        found = self._pages("/runs/rows", {"pipeline": pipeline}, most=limit)
        return tuple(_run(one) for one in found)

    def unfinished(self) -> tuple[RunRow, ...]:
        """Return the runs that are not over, oldest first."""
        found = self._connection.get("/runs/rows", unfinished=True)["items"]
        return tuple(_run(one) for one in found)

    def _pages(
        self, path: str, query: Mapping[str, Any], *, most: int | None = None
    ) -> list[Mapping[str, Any]]:
        items: list[Mapping[str, Any]] = []
        cursor = None
        while True:
            limit = PAGE if most is None else min(PAGE, most - len(items))
            page = self._connection.get(path, **query, limit=limit, cursor=cursor)
            items += page["items"]
            cursor = page["next"]
            if cursor is None or (most is not None and len(items) >= most):
                return items

    def cancel(self, ref: str, *, reason: str = "cancelled on request") -> None:
        """Ask for a run's end."""
        self._connection.post(f"/runs/{run_name(ref)}/cancel", {"reason": reason})

    def retry(self, ref: str, *, everything: bool = False) -> RunRow:
        """Start a child run of the same plan and source."""
        return _run(
            self._connection.post(f"/runs/{run_name(ref)}/retry", {}, everything=everything)
        )

    def logs(
        self,
        ref: str,
        *,
        cell: str | None = None,
        attempt: str | None = None,
        stream: str = "stdout",
        offset: int = 0,
    ) -> LogText:
        """Return output of an attempt from a byte on."""
        if attempt is None:
            found = self.attempts(ref, cell=cell)
            if not found:
                what = f"cell {cell!r}" if cell else "the run"
                raise RequestRefusedError(
                    f"{what} of {ref!r} has no attempt yet, so there is no log"
                )
            attempt = found[-1].ulid
        content, is_complete = self._log(attempt, stream, offset)
        return LogText(
            attempt=attempt, stream=stream, offset=offset, content=content, is_complete=is_complete
        )

    def _log(self, attempt: str, stream: str, offset: int) -> tuple[bytes, bool]:
        pieces: list[bytes] = []
        while True:
            at = offset + sum(len(piece) for piece in pieces)
            answer = self._connection.request(
                "GET", f"/attempts/{attempt}/logs/{stream}", headers={"Range": f"bytes={at}-"},
                accepted=(416,),
            )  # fmt: skip
            is_complete = answer.headers.get("Hotfire-Complete") == "true"
            content = b"" if answer.status_code == 416 else answer.content
            pieces.append(content)
            if is_complete or not content or answer.headers.get("Hotfire-More") != "true":
                return b"".join(pieces), is_complete

    def holder(self) -> HolderRow | None:
        """Return who executes the store now."""
        found = self._connection.get("/holder")["holder"]
        return None if found is None else from_plain(HolderRow, found)

    def close(self) -> None:
        """Let go of the service; what runs there goes on."""
        self._connection.close()


def run_name(ref: str) -> str:
    """Return a name of a run as part of a path; RunNotFoundError for what can be none."""
    plain = ref.removeprefix("#").removeprefix("@")
    if not plain.isalnum() or not plain.isascii():
        raise RunNotFoundError(f"no run is called {ref!r}. List them with `hotfire ps`")
    return plain


def _run(found: Mapping[str, Any]) -> RunRow:
    row: RunRow = from_plain(RunRow, {**found, "id": found["number"]})
    return row


def _rows(kind: Any, found: Sequence[Mapping[str, Any]], **more: Any) -> Iterator[Any]:
    for at, one in enumerate(found, 1):
        yield from_plain(kind, {**one, **more, "id": at})
