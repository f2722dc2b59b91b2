"""What recorded coverage says about a changed file: who ran through it, and who certainly did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hotfire_pipelines.changes import Change, LineFacts, mask_of_lines


class Proofs:
    """Coverage of the changed files, with the tasks that each suite knows completely."""

    def __init__(
        self,
        facts: Sequence[LineFacts],
        suites: Mapping[str, tuple[str, ...]],
        stale: Mapping[str, frozenset[str] | None],
    ) -> None:
        """`stale`: by revision, the tasks that changed between it and the base; None: any may."""
        self._suites = suites
        self._stale = stale
        self._by_path: dict[str, list[LineFacts]] = {}
        for fact in facts:
            self._by_path.setdefault(fact.path, []).append(fact)

    def ran_through(self, path: str) -> Iterator[tuple[str, str, int]]:
        """Yield suite, task and run of all that executed a line of a file, in any content of it."""
        for fact in self._by_path.get(path, ()):
            if fact.hit:
                for task in self._suites.get(fact.suite, (fact.suite,)):
                    yield fact.suite, task, fact.run

    def rules_out(self, task: str, platform: str, change: Change) -> str:
        """Return in words the proof that a change runs in no test of a cell; empty without one.

        Every suite that knows the task must have measured this platform and this content of the
        file at a revision since which nothing else concerns the task, and the changed lines must
        be lines that can run and did not.
        """
        suites = [suite for suite, tasks in self._suites.items() if task in tasks]
        if not suites or not change.lines or change.sha256 is None:
            return ""
        lines = mask_of_lines(change.lines)
        runs = set()
        for suite in suites:
            facts = [
                fact
                for fact in self._by_path.get(change.path, ())
                if fact.suite == suite and fact.platform == platform
            ]
            if not facts or not all(self._is_proof(fact, task, change, lines) for fact in facts):
                return ""
            runs |= {fact.run for fact in facts}
        named = ", ".join(str(run) for run in sorted(runs))
        return (
            f"coverage: no changed line of {change.path} ran in suite "
            f"{', '.join(suites)} on {platform} (run {named})"
        )

    def _is_proof(self, fact: LineFacts, task: str, change: Change, lines: int) -> bool:
        later = self._stale.get(fact.revision)
        is_fresh = later is not None and task not in later
        is_dead = fact.executable & lines == lines and not fact.hit & lines
        return is_fresh and fact.sha256 == change.sha256 and is_dead
