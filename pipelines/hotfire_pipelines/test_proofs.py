"""Which tests of a selected cell a change certainly does not concern, by coverage contexts per test.

A test is left out only with proof; whatever is not known of it, of a file or of the cell keeps it in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from hotfire_pipelines.changes import Change, ContextFacts, FileContexts, mask_of_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCell:
    """What is known of a cell beside its place in the plan."""

    definition: str
    """How it runs its tests (`history.definition_of`)."""
    tests: tuple[str, ...] | None
    """What it collected last; None: no run has recorded it."""
    is_cut: bool = False
    """Whether its test list is cut into shards, each of which knows its own tests only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a change means for the single tests of a cell."""

    left_out: frozenset[str] = frozenset()
    proof: str = ""
    """Of everything that is left out."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why each other test of the cell is in; empty where `doubt` is the reason of all."""
    doubt: str = ""
    """Why no test is left out; empty also where nothing is known by test."""

    @property
    def is_nothing_left(self) -> bool:
        """Whether every known test is ruled out."""
        return bool(self.left_out) and not self.reasons


NOTHING = Judged()


class TestProofs:
    """Contexts of the changed files, by cell."""

    __test__ = False  # Not one of pytest's.

    def __init__(
        self,
        contexts: Sequence[ContextFacts],
        suites: Mapping[str, tuple[str, ...]],
        stale: Mapping[str, frozenset[str] | None],
    ) -> None:
        """`suites` and `stale` as in `line_proofs.Proofs`."""
        self._suites = suites
        self._stale = stale
        self._by_cell: dict[str, list[ContextFacts]] = {}
        for one in contexts:
            self._by_cell.setdefault(one.cell, []).append(one)

    def judge(self, key: str, task: str, known: KnownCell, changes: Collection[Change]) -> Judged:
        """Say which tests of a cell the changes that concern it do not concern."""
        suites = [suite for suite, tasks in self._suites.items() if task in tasks]
        told = [one for one in self._by_cell.get(key, ()) if one.suite in suites]
        if not told or not changes:
            return NOTHING
        if known.is_cut:
            return Judged(
                doubt="its test list is cut into shards, and each knows its own tests only"
            )
        if known.tests is None:
            return Judged(doubt="no run has recorded which tests it has")
        if missing := [suite for suite in suites if suite not in {one.suite for one in told}]:
            return Judged(doubt=f"suite {missing[0]} does not tell the tests apart")
        if doubt := self._against(told, task, known):
            return Judged(doubt=doubt)
        ran: dict[str, str] = {}
        for change in changes:
            for one in told:
                file = next((file for file in one.files if file.path == change.path), None)
                if doubt := _doubt_of(change, file, one):
                    return Judged(doubt=doubt)
                # Where only comments differ, nothing runs otherwise than before.
                for test in _tests_of(one, file) if change.bodies else ():
                    ran.setdefault(test, f"it ran {change.path} in {_of_run(one)}")
        apart = frozenset.intersection(*(frozenset(one.tests) for one in told))
        runs = ", ".join(_of_run(one) for one in told)
        reasons = {
            test: ran.get(test) or f"in doubt: {runs} has no context of it"
            for test in known.tests
            if test in ran or test not in apart
        }
        files = ", ".join(sorted(change.path for change in changes))
        return Judged(
            left_out=frozenset(known.tests) - reasons.keys(),
            proof=f"it ran no function of {files} in {runs}",
            reasons=reasons,
        )

    def _against(self, told: Sequence[ContextFacts], task: str, known: KnownCell) -> str:
        """Say why what is told is not true of the cell as it is now; empty if it is."""
        for one in told:
            later = self._stale.get(one.revision)
            if later is None or task in later:
                return f"since {_of_run(one)} something else has changed that may concern it"
            if one.definition != known.definition:
                return f"{_of_run(one)} ran its tests in another way"
        return ""


def _doubt_of(change: Change, file: FileContexts | None, told: ContextFacts) -> str:
    """Say why a change may concern every test; empty if it concerns those that ran the file."""
    path = change.path
    if not path.endswith(".py"):
        return f"{path} is no Python, and which tests read it is not known"
    if PurePosixPath(path).name == "conftest.py":
        return f"{path} is for all tests below it"
    if change.bodies is None:
        return f"{path} changed outside of functions, or in a way that is not known"
    if file is None:
        return f"{_of_run(told)} has no contexts of {path}"
    if file.sha256 != change.sha256:
        return f"{_of_run(told)} measured another content of {path}"
    for first, last in change.bodies:
        if mask_of_lines(range(first, last + 1)) & file.shared:
            return f"the function of {path} at line {first} ran for no test alone"
    return ""


def _tests_of(told: ContextFacts, file: FileContexts | None) -> list[str]:
    mask = file.tests if file is not None else 0
    return [test for number, test in enumerate(told.tests) if mask >> number & 1]


def _of_run(told: ContextFacts) -> str:
    return f"suite {told.suite} (run {told.run})"
