"""Resolve what a task reads to files of this machine, and which tests it must report."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, bindparam, select

from hotfire_infra.errors import BlobMissingError, PlanRefusedError
from hotfire_infra.states import AttemptState
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Artifact, Attempt, Cell, Task
from hotfire_infra.store.prepared import prepare
from hotfire_infra.store.rows import RunRow, TaskRow
from hotfire_testframework.contract.task import (
    InputSpec,
    ModelFile,
    ResolvedInput,
    TaskOutput,
    TaskSpec,
    expected_of_spec,
)

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")


def resolve_inputs(
    store: Store, connection: Connection, run: RunRow, spec: TaskSpec, cache: Path
) -> tuple[ResolvedInput, ...]:
    """Return the inputs of a task as paths; archives are unpacked by the runner."""
    return tuple(_resolve(store, connection, run, item, cache) for item in spec.inputs)


def _resolve(
    store: Store, connection: Connection, run: RunRow, item: InputSpec, cache: Path
) -> ResolvedInput:
    match item.origin:
        case TaskOutput(task=task, artifact=artifact):
            digest = _artifact(connection, run, task, artifact)
            is_archive = artifact.endswith(ARCHIVES)
            return _blob(store, item.name, digest, unpack=is_archive)
        case ModelFile(model=model):
            return _model(store, run, item.name, model, cache)
        case _:
            if run.source.archive_sha256 is None:
                raise PlanRefusedError("the run has no source archive and a task reads the source")
            return _blob(store, item.name, run.source.archive_sha256, unpack=True)


def _blob(store: Store, name: str, digest: str, *, unpack: bool) -> ResolvedInput:
    path = store.blobs.path(digest)
    if not path.exists():
        raise BlobMissingError(f"input {name!r}: blob {digest} is not under {store.blobs.root}")
    return ResolvedInput(name=name, path=str(path), unpack=unpack, sha256=digest)


def _artifact(connection: Connection, run: RunRow, task_key: str, artifact: str) -> str:
    """Return the digest of an artifact of a task of this run: of its passed attempt or its origin."""
    maker = connection.execute(
        select(Task.id, Task.origin_attempt_id).where(Task.run_id == run.id, Task.key == task_key)
    ).one()
    if maker.origin_attempt_id is None:
        whose: tuple[ColumnElement[bool], ...] = (
            Attempt.task_id == maker.id,
            Attempt.state == AttemptState.PASSED,
            Attempt.purpose == "result",
        )
    else:
        whose = (Attempt.id == maker.origin_attempt_id, Attempt.state == AttemptState.PASSED)
    query = (
        select(Artifact.sha256)
        .join(Attempt, Attempt.id == Artifact.attempt_id)
        .where(*whose, Artifact.name == artifact)
        .order_by(Attempt.id.desc())
    )
    digest = connection.execute(query).scalar()
    if digest is None:
        raise PlanRefusedError(f"task {task_key!r} passed and left no artifact {artifact!r}")
    return digest


def _model(store: Store, run: RunRow, name: str, model: str, cache: Path) -> ResolvedInput:
    digest = planned_models(store, run.plan_sha256).get(model)
    if digest is None:
        raise PlanRefusedError(f"the plan does not pin the model {model!r}; plan again")
    path = model_path(cache, digest)
    if not path.exists():
        raise PlanRefusedError(missing_model(model, path))
    return ResolvedInput(name=name, path=str(path), sha256=digest)


def model_path(cache: Path, sha256: str) -> Path:
    """Return where the weights with this digest are on this machine."""
    return cache / "models" / f"{sha256}.gguf"


def missing_model(model: str, path: Path) -> str:
    """Say that weights are missing and how to get them."""
    return f"the weights of {model!r} are not at {path}; fetch them with `make setup`"


def planned_models(store: Store, plan_sha256: str) -> dict[str, str]:
    """Return the digests of a plan's models by name."""
    plan = json.loads(store.blobs.read(plan_sha256))
    return {model["name"]: model["sha256"] for model in plan.get("models", ())}


def expected_tests(
    store: Store, connection: Connection, task: TaskRow, spec: TaskSpec
) -> tuple[str, ...]:
    """Return the tests that one task must report: its shard of the cell's frozen inventory."""
    (digest,) = _INVENTORY.row(connection, the_id=task.cell_id) or (None,)
    if digest is None:
        return ()
    tests = read_inventory(store, digest)
    return expected_of_spec(spec, task.shards, tests)


_INVENTORY = prepare(select(Cell.inventory_digest).where(Cell.id == bindparam("the_id")))


def read_inventory(store: Store, digest: str) -> tuple[str, ...]:
    """Return a frozen list of test ids."""
    return tuple(json.loads(store.blobs.read(digest)))
