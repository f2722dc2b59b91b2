"""Find a pipeline and freeze its plan for a checkout, with what the store knows of earlier runs."""

from __future__ import annotations

import contextlib
import datetime
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hotfire_infra.analysis.accuracy.linting import TaskFacts, facts_of_pipeline
from hotfire_infra.client.planning import Forgiving, Known, blind_gates, inquiry_of
from hotfire_infra.errors import PlanRefusedError
from hotfire_infra.source.merge_base import find_merge_base, unpack_at
from hotfire_infra.source.stamp import Stamp
from hotfire_infra.states import RunState
from hotfire_infra.store import (
    queries,
    queries_contexts,
    queries_coverage,
    queries_durations,
    queries_prices,
)
from hotfire_infra.store.database import Store
from hotfire_infra.store.rows import RunRow
from hotfire_pipelines.arrears import arrears_of
from hotfire_pipelines.catalogue import load_platforms
from hotfire_pipelines.changes import ContextFacts, LineFacts
from hotfire_pipelines.expansion import Debt
from hotfire_pipelines.freeze import freeze
from hotfire_pipelines.history import CellHistory, Recorded
from hotfire_pipelines.load import Pipeline, load_pipeline
from hotfire_pipelines.plan import Plan, Source
from hotfire_pipelines.pricing import Sample, priced
from hotfire_testframework.contract.outcomes import Verdict
from hotfire_testframework.runner.bundle import bundle_sha256

DEFINITIONS = Path("pipelines") / "definitions"
PLATFORMS = "platforms.yaml"


def find_pipeline(folder: Path, name: Path | str) -> Path:
    """Return the file of a pipeline: a path as it is, a name among the definitions in `folder`."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return path
    found = folder / f"{name}.yaml"
    if found.exists():
        return found
    known = sorted(f.stem for f in folder.glob("*.yaml") if f.name != PLATFORMS)
    hint = f"there are {', '.join(known)}" if known else f"{folder} has none"
    raise PlanRefusedError(f"no pipeline is called {str(name)!r}; {hint}")


Inventories = Callable[[str], Callable[[str], tuple[str, ...] | None]]
"""Of a pipeline's name: the question what a cell of it last collected."""

Debts = Callable[[Pipeline], Mapping[str, Sequence[Debt]]]
"""Of a pipeline: what its last run could not afford or did not execute, by task."""

ANSWERED = frozenset({Verdict.PASSED, Verdict.FAILED, Verdict.FLAKY, Verdict.SKIPPED})
"""Verdicts of cells that were executed; all others have said nothing of the product."""

REMEMBERED_RUNS = 20
"""Newest runs of a pipeline among which the last finished one is looked for."""


@contextlib.contextmanager
def definitions_for(
    checkout: Path, name: Path | str, targets: Sequence[str], *, is_trusted: bool
) -> Iterator[Path]:
    """Return where pipelines and platforms are read: for an untrusted change, the target branch.

    Whoever sends a change must not decide what is demanded of it, nor which secrets it gets.
    """
    if is_trusted:
        yield checkout / DEFINITIONS
        return
    base = find_merge_base(checkout, targets)
    if base is None:
        raise PlanRefusedError(
            "the pipeline of an untrusted change comes from the target branch, and none of "
            f"{', '.join(targets)} is in {checkout}; fetch it with `git fetch origin`"
        )
    if Path(name).suffix in (".yaml", ".yml"):
        raise PlanRefusedError(
            f"{str(name)!r} is a file of the change; name a pipeline of {base.target}"
        )
    with tempfile.TemporaryDirectory(prefix="hotfire-definitions-") as folder:
        yield unpack_at(checkout, base.target, DEFINITIONS, Path(folder))


def freeze_plan(
    inventories: Inventories,
    checkout: Path,
    name: Path | str,
    stamp: Stamp,
    slots: int,
    definitions: Path | None = None,
    debts: Debts | None = None,
    *,
    knowledge: Known,
    since: str | None = None,
) -> Plan:
    """Freeze the plan of a pipeline for the source stamp of a checkout, and price it.

    `definitions`: where pipelines are read, if not in the checkout; case files always are its own.
    `debts` is asked only for a pipeline with `max_cells:`. `since` narrows the plan to what changed.
    """
    folder = definitions or checkout / DEFINITIONS
    path = find_pipeline(folder, name)
    pipeline = load_pipeline(path)
    has_budget = any(task.matrix.max_cells is not None for task in pipeline.tasks.values())
    source = Source(
        repository=stamp.repository,
        revision=stamp.revision,
        patch_digest=stamp.patch_digest or None,
    )
    catalogue = load_platforms(_platforms_beside(path, folder))
    inquiry = None
    if since is not None:
        inquiry = inquiry_of(checkout, since, pipeline, catalogue, knowledge, folder, DEFINITIONS)
    told = Forgiving(knowledge)
    plan = freeze(
        pipeline,
        catalogue,
        source,
        inventory=inventories(pipeline.name),
        history=None,
        source_root=checkout,
        debt=debts(pipeline) if debts is not None and has_budget else None,
        inquiry=inquiry,
        recorded=told.history(pipeline.name),
        runner_sha256=bundle_sha256(),
        slots=slots,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    samples, refused = told.samples(pipeline.name), told.refusals(plan)
    plan = priced(plan, pipeline, catalogue, samples, slots=slots, refused=refused)
    facts = told.accuracy(pipeline.name) if plan.policy.accuracy else ()
    blind = blind_gates(plan, pipeline, facts, checkout)
    return replace(plan, unanswered=tuple(told.unanswered), blind_gates=blind)


def _platforms_beside(pipeline: Path, folder: Path) -> Path:
    beside = pipeline.parent / PLATFORMS
    return beside if beside.exists() else folder / PLATFORMS


def recorded_debt(store: Store, pipeline: Pipeline) -> Mapping[str, Sequence[Debt]]:
    """Return what the last finished run of a pipeline left to the next one."""
    with store.reading() as connection:
        newest = queries.newest_runs(connection, limit=REMEMBERED_RUNS, pipeline=pipeline.name)

    def verdicts(run: RunRow) -> dict[str, str | None]:
        with store.reading() as connection:
            return {cell.key: cell.verdict for cell in queries.cells_of(connection, run.id)}

    return debt_left_by(pipeline, newest, store.blobs.read, verdicts)


def debt_left_by(
    pipeline: Pipeline,
    newest: Sequence[RunRow],
    read: Callable[[str], bytes | Mapping[str, Any]],
    verdicts: Callable[[RunRow], Mapping[str, str | None]],
) -> Mapping[str, Sequence[Debt]]:
    """Return what the first finished run leaves.

    `read` gives a plan by its digest, `verdicts` those of a run's cells by their keys.
    """
    last = next((run for run in newest if run.state is RunState.FINALIZED), None)
    if last is None:
        return {}
    executed = {key for key, verdict in verdicts(last).items() if verdict in ANSWERED}
    return arrears_of(pipeline, Plan.from_json(read(last.plan_sha256)), executed)


def recorded_inventories(store: Store, pipeline: str) -> Callable[[str], tuple[str, ...] | None]:
    """Return the question what a cell last collected."""

    def inventory(cell_key: str) -> tuple[str, ...] | None:
        with store.reading() as connection:
            digest = queries.last_inventory(connection, pipeline, cell_key)
        return None if digest is None else queries.parse_inventory(store.blobs.read(digest))

    return inventory


def recorded_knowledge(store: Store) -> Known:
    """Return what a store answers to whoever plans: coverage and durations of earlier runs."""

    def coverage(revisions: Sequence[str], paths: Sequence[str]) -> Sequence[LineFacts]:
        with store.reading() as connection:
            return queries_coverage.coverage_of_files(connection, revisions, paths)

    def contexts(revisions: Sequence[str], paths: Sequence[str]) -> Sequence[ContextFacts]:
        with store.reading() as connection:
            read = store.blobs.read
            return queries_contexts.contexts_of_files(connection, read, revisions, paths)

    def samples(pipeline: str) -> Sequence[Sample]:
        with store.reading() as connection:
            return queries_prices.samples_of(connection, pipeline)

    def history(pipeline: str) -> Recorded:
        def recorded(*asked: str) -> CellHistory | None:
            with store.reading() as connection:
                return queries_durations.cell_history(connection, pipeline, *asked)

        return recorded

    def accuracy(pipeline: str) -> Sequence[TaskFacts]:
        with store.reading() as connection:
            return facts_of_pipeline(connection, pipeline)

    return Known(
        coverage=coverage, contexts=contexts, samples=samples, history=history, accuracy=accuracy
    )
