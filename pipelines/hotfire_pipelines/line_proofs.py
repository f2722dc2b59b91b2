"""What recorded coverage says about a changed file: who ran through it, and who certainly did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hotfire_pipelines.changes import Change, LineFacts, lines_of_mask, mask_of_lines


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

    def rules_out(self, task: str, platform: str, change: Change) -> tuple[str, str]:
        """Return in words the proof that a change runs in no test of a cell, else what stands against.

        Every suite that knows the task must have measured this platform and this content of the
        file at a revision since which nothing else concerns the task, and the changed lines must
        be lines that can run and did not. Of Python only bodies of functions may differ: a line
        that never ran can become one that does. Both are empty where no suite knows the task,
        or the lines are not known.
        """
        suites = [suite for suite, tasks in self._suites.items() if task in tasks]
        if not suites or not change.lines or change.sha256 is None:
            return "", ""
        if change.path.endswith(".py") and change.bodies is None:
            return "", f"{change.path} changed outside of functions, and that runs at import"
        runs = set()
        for suite in suites:
            facts = [
                fact
                for fact in self._by_path.get(change.path, ())
                if fact.suite == suite and fact.platform == platform
            ]
            against = [self._against(fact, task, change) for fact in facts]
            if not facts:
                return "", f"suite {suite} has not measured {change.path} on {platform}"
            if any(against):
                return "", next(words for words in against if words)
            runs |= {fact.run for fact in facts}
        named = ", ".join(str(run) for run in sorted(runs))
        return (
            f"coverage: no changed line of {change.path} ran in suite "
            f"{', '.join(suites)} on {platform} (run {named})"
        ), ""

    def _against(self, fact: LineFacts, task: str, change: Change) -> str:
        """Say why a measurement is no proof; empty if it is one."""
        lines = mask_of_lines(change.lines or ())
        of_run = f"suite {fact.suite} (run {fact.run})"
        later = self._stale.get(fact.revision)
        if later is None or task in later:
            return f"since {of_run} something else has changed that may concern it"
        if fact.sha256 != change.sha256:
            return f"{of_run} measured another content of {change.path}"
        if ran := fact.hit & lines:
            return f"line {next(lines_of_mask(ran))} ran in {of_run}"
        if dead := lines & ~fact.executable:
            return f"line {next(lines_of_mask(dead))} is none that {of_run} could execute"
        return ""
