"""The search for a culprit over commits that may turn out not to run: what `hotfire bisect` asks.

A commit that cannot say anything (it does not build) is laid together with the next one that can: its
change is then part of what that one brings, and the answer names them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hotfire_infra.analysis.culprit import Search, ValueSearch, best_guess
from hotfire_infra.analysis.flake_verdicts import SEEN, Try, judge
from hotfire_infra.analysis.flakes import FlakeRate

ERRING_HIGH = 0.75
"""Quantile of the flake rate that is searched with: too high costs runs, too low costs truth."""
LEAST_FALSE_FAIL, MOST_FALSE_FAIL = 0.005, 0.45
UNKNOWN_FALSE_FAIL = 0.02
"""Of a test with fewer than ENOUGH tries and no flake among them."""
ENOUGH = 50
FALSE_PASS = 0.005
"""A break that does not always show must not lead the search astray for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Culprits:
    """What the search knows: the commits of which one is it (oldest first), and how surely."""

    commits: tuple[str, ...]
    """Several where those between cannot be run; empty for "none": it was a flake."""
    probability: float
    is_decided: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """What a run of a commit measures against the good end: 0 before the culprit, `size` since."""

    size: float
    sigma: float
    """Standard deviation of one such value."""


@dataclass(slots=True, kw_only=True)
class CommitSearch:
    """A search over named commits, oldest first; the first of them is taken to be good.

    If the first turns out to be the culprit, the break is older than the range. With a `shift`
    what is observed are values, and the first commit is what they are measured against.
    """

    commits: tuple[str, ...]
    false_fail: float = 0.0
    false_pass: float = FALSE_PASS
    null_prior: float = 0.25
    shift: Shift | None = None
    observations: list[tuple[str, float]] = field(default_factory=list)
    """Commit, and whether it failed or what it measured."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Commits that cannot be run, with the reason."""

    def next(self) -> str | None:
        """Return the commit to run, or None when the search is over."""
        usable, search = self._search()
        index = search.next()
        return None if index is None else usable[index]

    def observe(self, commit: str, said: float) -> None:
        """Take in one try of the test at a commit (True: failed), or one value."""
        self._place(commit)
        self.observations.append((commit, said))

    def skip(self, commit: str, reason: str) -> bool:
        """Note that a commit says nothing; False if nothing can be searched without it.

        Without the newest commit no failure is left to explain.
        """
        if self._place(commit) == len(self.commits) - 1:
            return False
        self.skipped[commit] = reason
        return True

    @property
    def runs(self) -> int:
        """Tries so far."""
        return len(self.observations)

    @property
    def found(self) -> Culprits:
        """What is likeliest now."""
        usable, search = self._search()
        best, probability = best_guess(search.posterior)
        decided = search.answer
        if decided is not None:
            best = decided
            probability = search.posterior[-1 if decided == "none" else int(decided)]
        names = () if best in {"none", None} else self._together(usable, int(str(best)))
        return Culprits(commits=names, probability=probability, is_decided=decided is not None)

    def posterior(self) -> dict[str, float]:
        """Return the probability of each usable commit, and of "none"."""
        usable, search = self._search()
        return dict(zip((*usable, "none"), search.posterior, strict=True))

    @property
    def none(self) -> float:
        """Probability that there is no culprit."""
        return self._search()[1].posterior[-1]

    def _search(self) -> tuple[tuple[str, ...], Search | ValueSearch]:
        # Nothing is measured against itself.
        asked = self.commits if self.shift is None else self.commits[1:]
        usable = tuple(commit for commit in asked if commit not in self.skipped)
        places = {commit: place for place, commit in enumerate(usable)}
        known = [(places[commit], said) for commit, said in self.observations if commit in places]
        if self.shift is not None:
            values = ValueSearch(
                len(usable),
                before=0.0,
                after=self.shift.size,
                sigma=self.shift.sigma,
                null_prior=self.null_prior,
            )
            for place, value in known:
                values.observe(place, value)
            return usable, values
        search = Search(
            len(usable),
            false_fail=self.false_fail,
            false_pass=self.false_pass,
            null_prior=self.null_prior,
        )
        for place, failed in known:
            search.observe(place, bool(failed))
        return usable, search

    def _together(self, usable: tuple[str, ...], index: int) -> tuple[str, ...]:
        """Return the commits between the usable one before (excluded) and this one (included)."""
        first = 0 if self.shift is None else 1
        begin = self._place(usable[index - 1]) + 1 if index else first
        return self.commits[begin : self._place(usable[index]) + 1]

    def _place(self, commit: str) -> int:
        return self.commits.index(commit)


def false_fail_of(tries: Sequence[Try]) -> float:
    """Return the rate of false failures to search with, from the recorded tries of the test.

    The failures that are to be explained, behind the last pass, say nothing of it.
    """
    known = list(tries)
    while known and known[-1].failed:
        known.pop()
    verdict = judge(known)
    if verdict is None or (verdict.runs < ENOUGH and verdict.flakes < SEEN):
        return UNKNOWN_FALSE_FAIL
    whole = max(0, verdict.runs - verdict.failures)
    rate = FlakeRate(failed=verdict.flakes, passed=whole).quantile(ERRING_HIGH)
    return min(max(rate, LEAST_FALSE_FAIL), MOST_FALSE_FAIL)
