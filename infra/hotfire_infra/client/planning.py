"""What a plan may ask beside the checkout: the change it is narrowed to, coverage, earlier prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hotfire_infra.analysis.accuracy.linting import TaskFacts, lint
from hotfire_infra.errors import InfraError
from hotfire_infra.source.changes import BaseHistory, changes_since
from hotfire_pipelines.catalogue import Catalogue
from hotfire_pipelines.changes import Changes, ContextFacts, FileContexts, LineFacts
from hotfire_pipelines.demands import Selection
from hotfire_pipelines.history import CellHistory, Recorded
from hotfire_pipelines.load import Pipeline
from hotfire_pipelines.narrowing import Inquiry, definition_files
from hotfire_pipelines.plan import BlindGate, Plan
from hotfire_pipelines.pricing import Sample

CoverageLookup = Callable[[Sequence[str], Sequence[str]], Sequence[LineFacts]]
"""Of revisions, the nearest first, and paths: what was executed of them."""
ContextLookup = Callable[[Sequence[str], Sequence[str]], Sequence[ContextFacts]]
"""The same by test."""
SampleLookup = Callable[[str], Sequence[Sample]]
"""Of a pipeline's name: what its attempts took."""
RefusalLookup = Callable[[Plan], Mapping[str, str]]
"""Of a plan: why the machines that would run it cannot execute cells of it, by cell key."""
AccuracyLookup = Callable[[str], Sequence[TaskFacts]]
"""Of a pipeline's name: how many items its accuracy tasks have, and how many change by chance."""
HistoryLookup = Callable[[str], Recorded]
"""Of a pipeline's name: the question what its runs recorded of a cell."""

_FAILED = (InfraError, ValueError, KeyError, TypeError)
"""Nobody answers, or another version does, in other words."""

PATHS_AT_ONCE = 100
"""Changed files that one question about coverage names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store knows, asked only as far as a plan needs it."""

    coverage: CoverageLookup
    contexts: ContextLookup
    samples: SampleLookup
    history: HistoryLookup
    refusals: RefusalLookup = lambda _plan: {}
    """Without it everything has its price."""
    accuracy: AccuracyLookup = lambda _pipeline: ()
    """Without it gates are judged by what they declare."""


@dataclass(frozen=True, slots=True)
class Forgiving:
    """Asks what earlier runs took; a question that fails is told, and declared costs count instead.

    What is tested does not depend on the answers, so a plan does not fail for want of them.
    """

    known: Known
    unanswered: list[str] = field(default_factory=list)

    def samples(self, pipeline: str) -> Sequence[Sample]:
        """Return what attempts took; nothing where nobody answers."""
        try:
            return self.known.samples(pipeline)
        except _FAILED as error:
            self._note("what attempts took cannot be read", error)
            return ()

    def refusals(self, plan: Plan) -> Mapping[str, str]:
        """Return which cells are not executable; none where nobody answers, so that all cost."""
        try:
            return self.known.refusals(plan)
        except _FAILED as error:
            self._note("what is executable cannot be asked", error)
            return {}

    def accuracy(self, pipeline: str) -> Sequence[TaskFacts]:
        """Return what is known of accuracy tasks; nothing where nobody answers."""
        try:
            return self.known.accuracy(pipeline)
        except _FAILED as error:
            self._note("what accuracy tasks measured cannot be read", error)
            return ()

    def history(self, pipeline: str) -> Recorded:
        """Return the question what is recorded of a cell; after one failure it is not asked again."""
        is_silent = False

        def recorded(*asked: str) -> CellHistory | None:
            nonlocal is_silent
            if is_silent:
                return None
            try:
                return self.known.history(pipeline)(*asked)
            except _FAILED as error:
                is_silent = True
                self._note("durations of tests cannot be read", error)
                return None

        return recorded

    def _note(self, problem: str, error: Exception) -> None:
        lines = str(error).splitlines() or [type(error).__name__]
        self.unanswered.append(f"{problem}, declared costs count: {lines[0]}")


def inquiry_of(
    checkout: Path,
    since: str,
    pipeline: Pipeline,
    catalogue: Catalogue,
    known: Known,
    definitions: Path,
    usual: Path,
) -> Inquiry:
    """Return what a plan is narrowed to.

    `definitions` is the folder where its files were read, `usual` where a checkout has them.

    A lookup that fails is a doubt of the changes, so that it selects everything.
    """
    changes = changes_since(checkout, since)
    selection = pipeline.definition.selection
    if selection is not None and selection.coverage and changes.files and changes.base:
        changes = _with_coverage(checkout, changes, changes.base, selection, known)
    files = {*definition_files(pipeline), catalogue.file}
    if pipeline.definition.waivers is not None:
        files.add(str(Path(pipeline.document.file).parent / pipeline.definition.waivers))
    return Inquiry(changes=changes, definitions=_relative(files, checkout, definitions, usual))


def _with_coverage(
    checkout: Path, changes: Changes, base: str, selection: Selection, known: Known
) -> Changes:
    history = BaseHistory(checkout, base)
    paths = [change.path for change in changes.files]
    try:
        ancestors = history.ancestors()
        facts: list[LineFacts] = []
        contexts: list[ContextFacts] = []
        for start in range(0, len(paths), PATHS_AT_ONCE):
            some = paths[start : start + PATHS_AT_ONCE]
            facts += known.coverage(ancestors, some)
            contexts += known.contexts(ancestors, some)
    except InfraError as error:
        doubt = f"the coverage of earlier runs cannot be read: {error}"
        return replace(changes, doubts=(*changes.doubts, doubt))
    facts = [fact for fact in facts if fact.suite in selection.coverage]
    contexts = [fact for fact in contexts if fact.suite in selection.coverage]
    measured = {fact.path for fact in facts}
    files = [
        history.with_lines(change) if change.path in measured else change
        for change in changes.files
    ]
    revisions = {fact.revision for fact in facts} | {fact.revision for fact in contexts}
    between = {revision: history.since(revision) for revision in revisions}
    return replace(
        changes,
        files=tuple(files),
        facts=tuple(facts),
        contexts=merged(contexts),
        between={revision: found for revision, found in between.items() if found is not None},
    )


def merged(contexts: Sequence[ContextFacts]) -> tuple[ContextFacts, ...]:
    """Join what several questions, each about other files, said of one run of a cell."""
    found: dict[tuple[str, str, int], ContextFacts] = {}
    for one in contexts:
        key = (one.cell, one.suite, one.run)
        before = found.get(key)
        found[key] = one if before is None else replace(one, files=(*before.files, *one.files))
    return tuple(found.values())


def _relative(files: set[str], checkout: Path, definitions: Path, usual: Path) -> frozenset[str]:
    """Return paths as git writes them, of the files below the checkout.

    The definitions of an untrusted change lie in a copy of the target branch: the same names.
    """
    root, copy = checkout.resolve(), definitions.resolve()
    found = set()
    for file in files:
        path = Path(file).resolve()
        if path.is_relative_to(root):
            found.add(path.relative_to(root).as_posix())
        elif path.is_relative_to(copy):
            found.add((usual / path.relative_to(copy)).as_posix())
    return frozenset(found)


def blind_gates(
    plan: Plan, pipeline: Pipeline, facts: Sequence[TaskFacts], checkout: Path
) -> tuple[BlindGate, ...]:
    """Return the accuracy gates of a plan that cannot see what they forbid, with their place."""
    found = []
    for one in lint(plan.policy.accuracy, facts):
        place = pipeline.document.key("accuracy", one.task)
        file = Path(place.file).resolve()
        if file.is_relative_to(checkout.resolve()):
            place = replace(place, file=file.relative_to(checkout.resolve()).as_posix())
        found.append(
            BlindGate(task=one.task, place=str(place), fault=one.fault, is_error=one.is_error)
        )
    return tuple(found)


def facts_of(answer: Mapping[str, Any]) -> Sequence[LineFacts]:
    """Return coverage as the service sends it: bitmaps are hexadecimal."""
    return [
        LineFacts(
            **{
                **item,
                "executable": int(item["executable"], 16),
                "hit": int(item["hit"], 16),
            }
        )
        for item in answer["items"]
    ]


def contexts_of(answer: Mapping[str, Any]) -> Sequence[ContextFacts]:
    """Return contexts as the service sends them: bitmaps are hexadecimal."""
    return [
        ContextFacts(
            **{
                **item,
                "tests": tuple(item["tests"]),
                "files": tuple(
                    FileContexts(
                        path=file["path"],
                        sha256=file["sha256"],
                        tests=int(file["tests"], 16),
                        shared=int(file["shared"], 16),
                    )
                    for file in item["files"]
                ),
            }
        )
        for item in answer["items"]
    ]
