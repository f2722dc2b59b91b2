"""Which cells a change concerns, by path rules and coverage; in any doubt, all of them.

Every file adds cells and none takes one away, so more changes never select less.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hotfire_pipelines.changes import Change, ChangeKind, Changes
from hotfire_pipelines.demands import Selection
from hotfire_pipelines.filters import matches
from hotfire_pipelines.line_proofs import Proofs
from hotfire_pipelines.test_proofs import Judged, KnownCell, TestProofs

SHOWN_REASONS = 3
"""Files named for one cell; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What selection must know of a cell."""

    key: str
    task: str
    platform: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """`later` waits for `earlier`; with an artifact it also reads what that makes."""

    earlier: str
    later: str
    is_artifact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of one changed file."""

    path: str
    kind: str
    rules: tuple[int, ...] = ()
    """Rules that name it, counted from 1."""
    doubt: str = ""
    """Why it selects everything, if it does."""
    moved_to: str | None = None

    @property
    def words(self) -> str:
        """Say it in a few words."""
        moved = f"moved to {self.moved_to}: " if self.moved_to else ""
        return moved + self._meaning

    @property
    def _meaning(self) -> str:
        if self.doubt:
            return "in doubt, everything"
        if not self.rules:
            return "ignored: paths-ignore"
        return ", ".join(f"rule {number}" for number in self.rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which cells are selected, and why each is or is not."""

    selected: frozenset[str]
    reasons: Mapping[str, tuple[str, ...]]
    """Of every cell, by key."""
    files: tuple[Fate, ...]
    doubts: tuple[str, ...]
    """Any of them selected everything."""
    judged: Mapping[str, Judged] = field(default_factory=dict)
    """What is known of the single tests of selected cells, by key."""


Ask = Callable[[str], KnownCell | None]
"""Of a cell's key: what is known of it, None where its tests cannot be left out one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Graph:
    nodes: Mapping[str, Node]
    by_task: Mapping[str, tuple[str, ...]]
    readers: Mapping[str, tuple[str, ...]]
    earlier: Mapping[str, tuple[str, ...]]
    waited_for: frozenset[str]


@dataclass(slots=True)
class _Reasons:
    """Reasons of one cell: the first few in words, the rest counted."""

    said: list[str] = field(default_factory=list)
    more: int = 0
    changes: list[Change] = field(default_factory=list)
    """That concern it."""
    whole: bool = False
    """No single test may be left out, whatever is known of them."""

    def add(self, words: str) -> None:
        if len(self.said) < SHOWN_REASONS:
            self.said.append(words)
        else:
            self.more += 1

    def words(self) -> tuple[str, ...]:
        rest = (f"and {self.more} more reasons",) if self.more else ()
        return (*self.said, *rest)


def choose(
    selection: Selection | None,
    nodes: Sequence[Node],
    wires: Sequence[Wire],
    changes: Changes,
    definitions: Collection[str] = (),
    ask: Ask | None = None,
) -> Chosen:
    """Decide for every cell; `definitions` are the files that the plan itself is made from.

    With `ask` also for the tests of selected cells, as far as coverage tells them apart.
    """
    graph = _graph(nodes, wires)
    fates = [fate_of(selection, change, definitions) for change in changes.files]
    doubts = list(changes.doubts)
    if selection is None:
        doubts.append("the pipeline has no `selection:`, so nothing says what a file concerns")
    doubts += [fate.doubt for fate in fates if fate.doubt]
    found, ruled_out = _by_files(selection, graph, changes, fates, definitions)
    if doubts:
        for node in nodes:
            if node.key not in found:
                found[node.key] = _Reasons(said=[f"in doubt: {doubts[0]}"])
    judged: dict[str, Judged] = {}
    if ask is not None and selection is not None and not doubts:
        stale = _stale(selection, graph, changes, definitions)
        proofs = TestProofs(changes.contexts, selection.coverage, stale)
        judged = _by_tests(graph, found, ruled_out, proofs, ask)
    _take_needed(graph, found)
    reasons = {key: one.words() for key, one in found.items()}
    for node in nodes:
        if node.key not in found:
            reasons[node.key] = _unconcerned(changes, fates, ruled_out.get(node.key, ()))
    return Chosen(
        selected=frozenset(found),
        reasons=reasons,
        files=tuple(fates),
        doubts=tuple(doubts),
        judged={key: one for key, one in judged.items() if key in found},
    )


def _by_tests(
    graph: _Graph,
    found: dict[str, _Reasons],
    ruled_out: dict[str, list[str]],
    proofs: TestProofs,
    ask: Ask,
) -> dict[str, Judged]:
    """Judge the tests of the cells that files concern; a cell without any left is taken out."""
    judged: dict[str, Judged] = {}
    for key, reasons in list(found.items()):
        node = graph.nodes[key]
        # Who reads what a cell makes, or waits for it, counts on the whole of it.
        known = None if reasons.whole or key in graph.waited_for else ask(key)
        if known is None:
            continue
        one = proofs.judge(key, node.task, known, reasons.changes)
        if one.is_nothing_left:
            del found[key]
            ruled_out.setdefault(key, []).append(f"coverage by test: of every test, {one.proof}")
        elif one.left_out or one.doubt:
            judged[key] = one
    return judged


def _by_files(
    selection: Selection | None,
    graph: _Graph,
    changes: Changes,
    fates: Sequence[Fate],
    definitions: Collection[str],
) -> tuple[dict[str, _Reasons], dict[str, list[str]]]:
    """Return the cells that some file concerns, and by key the proofs that one does not."""
    found: dict[str, _Reasons] = {}
    ruled_out: dict[str, list[str]] = {}
    if selection is None:
        return found, ruled_out
    stale = _stale(selection, graph, changes, definitions)
    proofs = Proofs(changes.facts, selection.coverage, stale)
    for change, fate in zip(changes.files, fates, strict=True):
        for key, reason in _concerned(selection, graph, fate, proofs).items():
            node = graph.nodes[key]
            proof, against = proofs.rules_out(node.task, node.platform, change)
            if proof:
                ruled_out.setdefault(key, []).append(proof)
            else:
                more = f"; coverage does not rule it out: {against}" if against else ""
                reasons = found.setdefault(key, _Reasons())
                reasons.add(reason + more)
                reasons.changes.append(change)
    for task in selection.always:
        for key in graph.by_task.get(task, ()):
            reasons = found.setdefault(key, _Reasons())
            reasons.add("the selection says `always:`")
            reasons.whole = True
    return found, ruled_out


def fate_of(selection: Selection | None, change: Change, definitions: Collection[str]) -> Fate:
    """Judge one file: concerned tasks by rule, ignored, or a doubt."""
    path = change.path
    rules = () if selection is None else selection.rules
    named = tuple(n for n, rule in enumerate(rules, 1) if matches(rule.paths, path))
    doubt = ""
    if path in definitions:
        doubt = f"{path} is what the plan is made from"
    elif not named and selection is not None and matches(selection.paths_ignore, path):
        return Fate(path=path, kind=change.kind.value, moved_to=change.moved_to)
    elif change.kind is ChangeKind.DELETED:
        where = f"moved to {change.moved_to}" if change.moved_to else "deleted"
        doubt = f"{path} was {where}, and whoever still names it is not known"
    elif change.kind is ChangeKind.SUBMODULE:
        doubt = f"{path} is a submodule, and what changed in it is not known"
    elif selection is not None and not named:
        hint = ", which is not tracked" if change.kind is ChangeKind.UNTRACKED else ""
        doubt = f"no rule of `selection:` names {path}{hint}"
    return Fate(
        path=path, kind=change.kind.value, rules=named, doubt=doubt, moved_to=change.moved_to
    )


def _concerned(selection: Selection, graph: _Graph, fate: Fate, proofs: Proofs) -> dict[str, str]:
    """Return the cells that one file concerns, each with the reason."""
    found: dict[str, str] = {}
    for number in fate.rules:
        for task in selection.rules[number - 1].tasks:
            for key in graph.by_task.get(task, ()):
                found.setdefault(key, f"{fate.path} is {fate.kind}: rule {number} names {task}")
    for suite, task, run in proofs.ran_through(fate.path):
        for key in graph.by_task.get(task, ()):
            why = f"{fate.path} is {fate.kind}: suite {suite} ran through it in run {run}"
            found.setdefault(key, why)
    queue = list(found)
    for key in queue:  # grows while it is read
        for reader in graph.readers.get(key, ()):
            if reader not in found:
                task = graph.nodes[key].task
                found[reader] = f"{fate.path} is {fate.kind}: it concerns {task}, read from here"
                queue.append(reader)
    return found


def _stale(
    selection: Selection, graph: _Graph, changes: Changes, definitions: Collection[str]
) -> Mapping[str, frozenset[str] | None]:
    """Return the tasks that something concerns between a run with coverage and the base.

    None, as for a revision of which nothing is known: all of them.
    """
    found: dict[str, frozenset[str] | None] = {}
    nothing = Proofs((), {}, {})
    for revision, between in changes.between.items():
        fates = [fate_of(selection, change, definitions) for change in between]
        keys = {key for fate in fates for key in _concerned(selection, graph, fate, nothing)}
        in_doubt = any(fate.doubt for fate in fates)
        found[revision] = None if in_doubt else frozenset(graph.nodes[key].task for key in keys)
    return found


def _take_needed(graph: _Graph, found: dict[str, _Reasons]) -> None:
    queue = list(found)
    for key in queue:
        for earlier in graph.earlier.get(key, ()):
            if earlier not in found:
                node = graph.nodes[key]
                found[earlier] = _Reasons(said=[f"needed by {node.task}@{node.platform}"])
                queue.append(earlier)


def _unconcerned(changes: Changes, fates: Sequence[Fate], proofs: Iterable[str]) -> tuple[str, ...]:
    proofs = tuple(dict.fromkeys(proofs))
    if proofs:
        return proofs
    if not fates:
        return (f"nothing changed since {changes.since}",)
    ignored = sum(not fate.rules and not fate.doubt for fate in fates)
    if ignored == len(fates):
        files = "the one changed file" if len(fates) == 1 else f"all {len(fates)} changed files"
        return (f"paths-ignore covers {files}",)
    if len(fates) == 1:
        return ("the one changed file does not concern it",)
    return (f"none of the {len(fates)} changed files concerns it",)


def _graph(nodes: Sequence[Node], wires: Sequence[Wire]) -> _Graph:
    by_task: dict[str, list[str]] = {}
    for node in nodes:
        by_task.setdefault(node.task, []).append(node.key)
    readers: dict[str, list[str]] = {}
    earlier: dict[str, list[str]] = {}
    for wire in wires:
        earlier.setdefault(wire.later, []).append(wire.earlier)
        if wire.is_artifact:
            readers.setdefault(wire.earlier, []).append(wire.later)
    return _Graph(
        nodes={node.key: node for node in nodes},
        by_task={name: tuple(keys) for name, keys in by_task.items()},
        readers={key: tuple(found) for key, found in readers.items()},
        earlier={key: tuple(found) for key, found in earlier.items()},
        waited_for=frozenset(wire.earlier for wire in wires),
    )
