"""Import reports of other tools as a run: one cell, task and attempt per file, executor `import`."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import Connection, insert, select

from hotfire_infra.errors import ReportRefusedError
from hotfire_infra.executors.spool import Spool
from hotfire_infra.ingest.formats.detection import detect
from hotfire_infra.ingest.formats.identity import module_name
from hotfire_infra.ingest.formats.values import Format, Limits, Reading
from hotfire_infra.ingest.importing import Imported, file_sha256, write_spool
from hotfire_infra.ingest.stream import check_manifest, ingest_stream
from hotfire_infra.orchestrator.attendance import describe_attempt, end_attempt, seconds_ns
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.endings import Ending
from hotfire_infra.orchestrator.run_options import base_options
from hotfire_infra.source.merge_base import MergeBase, find_merge_base
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import ATTEMPT_COUNTED, ATTEMPT_LIVE, AttemptState, TaskState
from hotfire_infra.store import queries
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Attempt, Run
from hotfire_infra.store.rows import AttemptRow
from hotfire_infra.store.transitions import Move, move, record_history
from hotfire_pipelines.plan import Plan, PlannedCell, PlannedPlatform, PlannedTask, Policy, Source
from hotfire_testframework.contract.canonical import canonical_sha256
from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.failure import FailureClass
from hotfire_testframework.contract.outcomes import Harness
from hotfire_testframework.contract.stream_reader import verify_stream
from hotfire_testframework.contract.task import TaskSpec
from hotfire_testframework.contract.ulid import ALPHABET, Ulid
from hotfire_testframework.contract.variants import Variant

EXECUTOR = "import"
LEASE_SECONDS = 900.0
"""An import that dies leaves an attempt that is lost after this time; files are read before it."""
PIPELINE = "import"
PLATFORM = "imported"
GENERATIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportWish:
    """What is to be imported, and as what."""

    files: Sequence[Path]
    source: StoredSource
    requested_by: str
    format: Format | None = None
    """None: by content, each file for itself."""
    pipeline: str = PIPELINE
    platform: str = PLATFORM
    variant: Mapping[str, str] = field(default_factory=dict)
    """Further planned axes; `execution` is native unless it is among them."""
    metrics: Mapping[str, str] = field(default_factory=dict)
    base: MergeBase | None = None
    """Where the change began that was tested; its own commit where that is of the target branch."""
    checkout: Path | None = None
    """Whose git knows that, where `base` is not given."""
    gates: Mapping[str, float] = field(default_factory=dict)
    """Loss that is tolerated by metric (`*`: all), on the scale of its smallest effect."""
    exonerates: bool = False
    """Whether what failed before the change, too, does not block."""
    root: Path | None = None
    """Files are told by their paths below it; None: as they are."""
    is_trusted: bool = True
    limits: Limits = field(default_factory=Limits)


def with_base(wish: ImportWish, targets: Sequence[str]) -> ImportWish:
    """Return a wish with its merge base, where its checkout knows the commit and a target branch."""
    if wish.base is not None or wish.checkout is None:
        return wish
    base = find_merge_base(wish.checkout, targets, wish.source.revision)
    return replace(wish, base=base)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A file whose content was imported before, under the same pipeline, variant and revision."""

    file: str
    run_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOutcome:
    """What came of it; without a run everything was there already."""

    run_id: int | None
    imported: tuple[Imported, ...]
    known: tuple[Known, ...]
    run_number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Staged:
    """One report whose stream lies ready."""

    attempt: Ulid
    task: str
    folder: Path
    report: Imported


def import_reports(store: Store, wish: ImportWish) -> ImportOutcome:
    """Record a run with the results of the files; nothing at all if one of them is refused.

    Importing the same content again, under the same pipeline, variant and revision, does nothing
    and says so. The run is folded and finalized by whoever executes the store.
    """
    variant = Variant({"execution": "native", "platform": wish.platform, **wish.variant})
    known: list[Known] = []
    staged: list[_Staged] = []
    staging = store.home / "imports" / secrets.token_hex(8)
    try:
        for path in wish.files:
            report = _stage(store, wish, variant, path, staging, staged)
            if isinstance(report, Known):
                known.append(report)
            elif report is not None:
                staged.append(report)
        run_id = _record(store, wish, variant, staged) if staged else None
        number = _number_of(store, run_id)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    for item in staged:
        _ingest(store, item)
    return ImportOutcome(
        run_id=run_id,
        imported=tuple(item.report for item in staged),
        known=tuple(known),
        run_number=number,
    )


def _number_of(store: Store, run_id: int | None) -> int | None:
    with store.reading() as connection:
        return connection.execute(select(Run.number).where(Run.id == run_id)).scalar()


def _stage(
    store: Store,
    wish: ImportWish,
    variant: Variant,
    path: Path,
    staging: Path,
    before: Sequence[_Staged],
) -> _Staged | Known | None:
    """Write one file's stream aside, unless its content is here already (None: in this import)."""
    file = str(path if wish.root is None else path.relative_to(wish.root))
    if path.exists() and not path.is_file():
        # A pipe would be read twice, and one without a writer waited for.
        raise ReportRefusedError(f"{file}: no regular file. Name the report itself.")
    found = wish.format or detect(path, file)
    try:
        sha256 = file_sha256(path)
    except OSError as error:
        raise ReportRefusedError(
            f"{file}: cannot be read ({error.strerror}). Check its path."
        ) from error
    if any(item.report.sha256 == sha256 for item in before):
        return None
    attempt, number = _attempt_of(store, wish, variant, sha256)
    if number is not None:
        return Known(file=file, run_number=number)
    folder = staging / str(len(before))
    reading = Reading(file=file, format=found, metrics=wish.metrics, limits=wish.limits)
    report = write_spool(folder, path, reading, attempt=attempt, sha256=sha256)
    task = _task_name(path, [item.task for item in before])
    return _Staged(attempt=attempt, task=task, folder=folder, report=report)


def _attempt_of(
    store: Store, wish: ImportWish, variant: Variant, sha256: str
) -> tuple[Ulid, int | None]:
    """Return the attempt's id, which follows from the content, and the run that has it if any has.

    An import that died before its end counts for nothing: the next one gets the next id.
    """
    identity = [sha256, wish.pipeline, variant.hash, wish.source.repository, wish.source.revision]
    with store.reading() as connection:
        for generation in range(GENERATIONS):
            ulid = _ulid_of([*identity, str(generation)])
            row = queries.attempt_by_ulid(connection, ulid)
            if row is None:
                return ulid, None
            if row.state in ATTEMPT_COUNTED or row.state in ATTEMPT_LIVE:
                number = select(Run.number).where(Run.id == row.run_id)
                return ulid, int(connection.execute(number).scalar_one())
    raise ReportRefusedError(
        f"{sha256}: {GENERATIONS} imports of this content have died. Look at `hotfire ps`."
    )


def _ulid_of(parts: Sequence[str]) -> Ulid:
    """Return the first 128 bits of a digest in the form of a ULID."""
    digest = hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).digest()
    number = int.from_bytes(digest[:16], "big")
    return Ulid("".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5)))


def _task_name(path: Path, taken: Sequence[str]) -> str:
    """Return the file's name as the name of a task, with a number where it is taken."""
    name = module_name(path.name)
    candidates = [name, *(f"{name}-{number}" for number in range(2, len(taken) + 3))]
    return next(candidate for candidate in candidates if candidate not in taken)


def _plan(wish: ImportWish, variant: Variant, staged: Sequence[_Staged]) -> Plan:
    axes = {name: value for name, value in variant.items() if name != "execution"}
    suffix = ",".join(f"{name}={value}" for name, value in sorted(axes.items()))
    cells, tasks = [], []
    for item in staged:
        key = f"{item.task}|{suffix}"
        spec = TaskSpec(
            harness=Harness.COMMAND,
            # What a person types to get the same results; no executor ever starts it.
            command=("hotfire", "import", Path(item.report.file).name),
            retries=0,
        )
        cells.append(
            PlannedCell(
                key=key,
                task=item.task,
                platform=wish.platform,
                variant=dict(variant),
                variant_hash=variant.hash,
                required="always",
                requires={"reach": [EXECUTOR]},
            )
        )
        digest = canonical_sha256({"import": item.report.sha256, "variant": variant.hash})
        task = PlannedTask(key=key, cell=key, shard=(1, 1), spec=spec, requested_digest=digest)
        tasks.append(task)
    platform = PlannedPlatform(
        name=wish.platform,
        description="as the imported reports say",
        dimensions={},
        execution=variant["execution"],
        launcher=(),
        reach=(EXECUTOR,),
    )
    source = Source(
        repository=wish.source.repository,
        revision=wish.source.revision,
        patch_digest=wish.source.patch_digest or None,
    )
    return Plan(
        pipeline=wish.pipeline,
        source=source,
        platforms=(platform,),
        cells=tuple(cells),
        tasks=tuple(tasks),
        edges=(),
        inventories={},
        policy=Policy(
            fails_on_merge_base="history" if wish.exonerates else "off",
            performance={metric: {"tolerance": loss} for metric, loss in wish.gates.items()},
        ),
    )


def _record(store: Store, wish: ImportWish, variant: Variant, staged: Sequence[_Staged]) -> int:
    """Create the run with its attempts started, in one transaction; their spools lie ready."""
    plan = _plan(wish, variant, staged)
    by_key = {task.key: item for task, item in zip(plan.tasks, staged, strict=True)}
    for item in staged:
        target = store.attempts / item.attempt
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        item.folder.replace(target)

    def lease(connection: Connection, run_id: int, tasks: Mapping[str, int]) -> None:
        for key, task_id in tasks.items():
            _start(store, connection, by_key[key], run_id, key, task_id, wish.requested_by)

    files = [{"file": item.report.file, "sha256": item.report.sha256} for item in staged]
    request = RunRequest(
        plan=plan,
        source=wish.source,
        requested_by=wish.requested_by,
        is_trusted=wish.is_trusted,
        merge_base=wish.base.revision if wish.base else None,
        options={"import": files, **base_options(wish.base)},
    )
    return create_run(store, request, within=lease)


def _start(
    store: Store,
    connection: Connection,
    item: _Staged,
    run_id: int,
    key: str,
    task_id: int,
    by: str,
) -> None:
    """Take a task from waiting to running and its attempt from leased to started."""
    now = store.clock.wall_ns()
    for state, reason in ((TaskState.QUEUED, "imported"), (TaskState.RUNNING, "imported")):
        step = Move(
            entity="task",
            entity_id=task_id,
            to_state=state,
            reason=reason,
            by=by,
            run_id=run_id,
            subject={"task": key},
        )
        move(connection, step, now)
    row = insert(Attempt).values(
        ulid=item.attempt,
        task_id=task_id,
        number=1,
        state=AttemptState.LEASED,
        executor=EXECUTOR,
        pool=EXECUTOR,
        # Of no token: nobody may write to this attempt by the API.
        token_sha256=hashlib.sha256(secrets.token_bytes(32)).hexdigest(),
        boot_id=store.clock.boot_id,
        lease_expires_mono_ns=store.clock.mono_ns() + seconds_ns(LEASE_SECONDS),
        created_ns=now,
    )
    attempt_id = connection.execute(row.returning(Attempt.id)).scalar_one()
    told = describe_attempt(connection, attempt_id)
    leased = Move(
        entity="attempt",
        entity_id=attempt_id,
        to_state=AttemptState.LEASED,
        reason=f"import of {item.report.file}",
        by=by,
        **told,
    )
    record_history(connection, leased, None, now)
    started = Move(
        entity="attempt",
        entity_id=attempt_id,
        to_state=AttemptState.STARTED,
        reason="imported",
        by=by,
        **told,
        values={"holder": EXECUTOR, "fence": 1, "started_ns": now},
        fence=0,
    )
    move(connection, started, now)


def _ingest(store: Store, item: _Staged) -> None:
    """Store one stream and end its attempt by what the report says."""
    with store.reading() as connection:
        attempt = queries.attempt_by_ulid(connection, item.attempt)
    assert attempt is not None  # recorded a moment ago
    spool = Spool(store.attempts / item.attempt)
    try:
        ingest_stream(store, attempt, spool)
        stream = verify_stream(spool.stream)
    except BaseException as error:
        # Left alone, the attempt would live until its lease expires.
        _end(store, attempt, item, _broken(f"the import was interrupted: {error!r}"))
        raise
    with store.reading() as connection:
        manifest = check_manifest(connection, attempt, stream)
    ending = _ending(item.report)
    if not manifest.is_valid:
        ending = _broken(f"the imported stream does not hold: {manifest.reason}")
    _end(store, attempt, item, ending)
    shutil.rmtree(spool.root, ignore_errors=True)


def _end(store: Store, attempt: AttemptRow, item: _Staged, ending: Ending) -> None:
    with store.writing() as connection:
        end_attempt(
            connection,
            attempt,
            ending,
            exit_code=item.report.exit_code,
            by=EXECUTOR,
            at_ns=store.clock.wall_ns(),
        )


def _broken(reason: str) -> Ending:
    return Ending(
        state=AttemptState.ERRORED,
        reason=reason,
        failure_class=FailureClass.HARNESS.value,
        source="manifest",
    )


def _ending(report: Imported) -> Ending:
    if report.exit_code == RunnerExit.PASSED:
        note = f" ({report.degraded[0]})" if report.degraded else ""
        return Ending(
            state=AttemptState.PASSED,
            reason=f"imported from {report.file}{note}",
            failure_class=None,
            source="report",
        )
    what = report.incomplete or "tests in it did not pass"
    return Ending(
        state=AttemptState.FAILED,
        reason=f"imported from {report.file}: {what}",
        failure_class=FailureClass.PRODUCT.value,
        source="report",
    )
