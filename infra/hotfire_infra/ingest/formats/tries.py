"""Several entries of one name in one report: what each of them means beside the others.

A report may name a test twice: because it was run again, because its teardown failed after its call
(pytest), or because two tests share a name. A pass among them counts only if the last entry that
says anything is a pass; then earlier failures make the test flaky. A failure behind a pass was not
recovered by anything, so that pass does not count. And pytest's JUnit XML writes a failed attempt
that pytest-rerunfailures repeated without any child, as if it had passed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hotfire_infra.ingest.formats.values import ERRORED, FAILED, PASSED, SKIPPED

_LETTERS = {PASSED: "p", FAILED: "f", SKIPPED: "s", ERRORED: "e"}
_OUTCOMES = {letter: outcome for outcome, letter in _LETTERS.items()} | {"b": PASSED}

RERUN = (
    "this attempt was repeated, so it did not pass: pytest's JUnit XML leaves out the failure of an "
    "attempt that pytest-rerunfailures repeats"
)
NOT_RECOVERED = (
    "an entry of the same name fails later in the report, so this pass does not speak for it"
)


class Tries:
    """The entries of each name, in the order of the report; one letter each."""

    def __init__(self, *, is_lossy: bool) -> None:
        self._is_lossy = is_lossy
        self._letters: dict[str, str] = {}
        self._given: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._letters)

    def __iter__(self) -> Iterator[str]:
        return iter(self._letters)

    def add(self, test: str, outcome: str, *, is_bare: bool) -> None:
        """Note one entry; `is_bare`: pytest wrote it without any child."""
        letter = "b" if is_bare and self._is_lossy else _LETTERS[outcome]
        self._letters[test] = self._letters.get(test, "") + letter

    def settled(self, test: str) -> str:
        """Return the letters of a test's tries as they count."""
        letters = self._letters[test]
        if len(letters) == 1:
            return letters.replace("b", "p")
        # Whatever stands before the last entry was repeated.
        letters = letters[:-1].replace("b", "r") + letters[-1].replace("b", "p")
        spoken = letters.replace("s", "")
        if spoken and spoken[-1] != "p":
            letters = letters.replace("p", "n")
        return letters

    def is_bad(self, test: str) -> bool:
        """Whether the test did not come to a pass or a skip."""
        letters = self.settled(test)
        return "p" not in letters and letters.strip("s") != ""

    def next(self, test: str) -> tuple[int, str, str]:
        """Return number, outcome and, where the outcome is not the report's, why, of the next try."""
        number = self._given.get(test, 0) + 1
        letters = self.settled(test)
        if len(letters) > 1:
            self._given[test] = number
        letter = letters[number - 1]
        if letter == "r":
            return number, FAILED, RERUN
        if letter == "n":
            return number, ERRORED, NOT_RECOVERED
        return number, _OUTCOMES[letter], ""

    def totals(self) -> dict[str, int]:
        """Return how many tests came to what."""
        counts: Counter[str] = Counter()
        for test in self._letters:
            letters = set(self.settled(test))
            if "p" in letters:
                counts["flaky" if letters & set("fern") else "passed"] += 1
            elif letters & set("fr"):
                counts["failed"] += 1
            else:
                counts["errored" if letters & set("en") else "skipped"] += 1
        return dict(counts)
