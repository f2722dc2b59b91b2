"""Harness `pytest`: the plugin writes events, the runner follows them; a crash is made up for by a new process.

Entries of a test list run in as few processes as their options allow: pytest's `-k` and `-m` are of a whole
process, and so is the limit of one test. What has to be alone comes last, each entry in a process of its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.listing import ListedTest
from hotfire_testframework.errors import RunnerError
from hotfire_testframework.runner.harnesses.listed import Launch
from hotfire_testframework.runner.session import Session

_USAGE_ERROR = 4
_NOTHING_COLLECTED = 5
_INTERNAL_ERROR = 3


class PytestDriver:
    """`command` (default `{python} -m pytest`) with the paths and arguments of the task."""

    name = "pytest"

    def __init__(self, session: Session) -> None:
        self._session = session
        self._parts = parts_of(session.spec.tests)
        self._at = 0

    def collect(self) -> Sequence[str] | None:
        """The plugin tells after pytest's own collection."""
        return None

    def launch(
        self, remaining: Sequence[str] | None, finished: Sequence[str], number: int
    ) -> Launch:
        """Return the process; what the task leaves out is deselected, and what has a result."""
        del remaining
        session = self._session
        events = session.directory.events / f"pytest-{number}.jsonl"
        command = session.spec.command or ("{python}", "-X", "faulthandler", "-m", "pytest")
        fill = session.placeholders.fill_argv
        argv = [
            *session.placeholders.launcher,
            *fill(command),
            # One broken module must not hide the results of the others.
            "--continue-on-collection-errors",
            *fill(session.spec.args),
        ]
        env = {
            **session.environment,
            "HOTFIRE_EVENTS": str(events),
            "HOTFIRE_ARTIFACTS": str(session.directory.artifacts),
            "PYTHONFAULTHANDLER": "1",
        }
        left_out = [*session.spec.leave_out, *finished]
        if left_out:
            skip = session.directory.events / f"finished-{number}.txt"
            skip.parent.mkdir(parents=True, exist_ok=True)
            skip.write_text(
                "".join(f"{test}\n" for test in left_out), encoding="utf-8", newline="\n"
            )
            env["HOTFIRE_FINISHED"] = str(skip)
        if not self._parts:
            return Launch(argv=[*argv, *fill(session.spec.paths)], env=env, events=events)
        return self._launch_part(argv, env, events, number)

    def _launch_part(
        self, argv: Sequence[str], env: dict[str, str], events: Path, number: int
    ) -> Launch:
        session = self._session
        part = self._parts[self._at]
        [root] = session.placeholders.fill_argv(session.spec.paths)
        listed = session.directory.events / f"listed-{number}.json"
        listed.parent.mkdir(parents=True, exist_ok=True)
        entries = [item.test for item in part]
        listed.write_text(json.dumps({"root": root, "tests": entries}), encoding="utf-8")
        # pytest refuses all for one path that is not there; the plugin names the entry instead.
        found = [path for path in files_of(part) if (Path(root) / path).exists()]
        nothing = session.directory.events / "nothing"
        nothing.mkdir(exist_ok=True)
        where = [str(Path(root) / path) for path in found] or [str(nothing)]
        options = [
            *(["-k", part[0].keyword] if part[0].keyword else []),
            *(["-m", part[0].marker] if part[0].marker else []),
        ]
        # A test has one identifier, whatever else is listed beside it.
        argv = [*argv, *options, "--rootdir", root, *where]
        return Launch(
            argv=argv,
            env={**env, "HOTFIRE_LISTED": str(listed)},
            events=events,
            test_s=part[0].timeout_s,
        )

    def advance(self) -> bool:
        """Go on to the next entries of the list that share a process."""
        self._at += 1
        return self._at < len(self._parts)

    def translate(self, event: dict[str, Any]) -> dict[str, Any]:
        """The plugin already speaks the words of the contract."""
        return event

    def explain_start(self, returncode: int) -> RunnerError | None:
        """Return the error behind pytest's own exit codes."""
        if returncode == _NOTHING_COLLECTED:
            return RunnerError("pytest collected nothing", RunnerExit.NOTHING_COLLECTED)
        if returncode in (_USAGE_ERROR, _INTERNAL_ERROR):
            words = "was used wrongly" if returncode == _USAGE_ERROR else "had an internal error"
            message = f"pytest {words} (exit {returncode}); see stderr.log and stdout.log"
            return RunnerError(message, RunnerExit.BAD_CONFIGURATION)
        if returncode in (0, 1):
            message = "pytest ran without the plugin of Hotfire: install hotfire in its environment"
            return RunnerError(message, RunnerExit.BAD_CONFIGURATION)
        return None


def parts_of(tests: Sequence[ListedTest]) -> list[list[ListedTest]]:
    """Return what shares a process, in the order of the list; what has to be alone comes last."""
    shared: dict[object, list[ListedTest]] = {}
    for item in tests:
        if not item.isolation:
            shared.setdefault((item.keyword, item.marker, item.timeout_s), []).append(item)
    return [*shared.values(), *([item] for item in tests if item.isolation)]


def files_of(part: Sequence[ListedTest]) -> list[str]:
    """Return files and folders of entries, each once: what lies below another one is in it."""
    paths = dict.fromkeys(item.test.partition("::")[0].rstrip("/") for item in part)
    return [path for path in paths if not any(path.startswith(f"{other}/") for other in paths)]
