"""Harness `pytest`: the plugin writes events, the runner follows them; a crash is made up for by a new process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hotfire_testframework.contract.exit_codes import RunnerExit
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

    def collect(self) -> Sequence[str] | None:
        """The plugin tells after pytest's own collection."""
        return None

    def launch(
        self, remaining: Sequence[str] | None, finished: Sequence[str], number: int
    ) -> Launch:
        """Return the process; from the second on, the tests that have a result are deselected."""
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
            *fill(session.spec.paths),
        ]
        env = {
            **session.environment,
            "HOTFIRE_EVENTS": str(events),
            "HOTFIRE_ARTIFACTS": str(session.directory.artifacts),
            "PYTHONFAULTHANDLER": "1",
        }
        if finished:
            skip = session.directory.events / f"finished-{number}.txt"
            skip.parent.mkdir(parents=True, exist_ok=True)
            skip.write_text(
                "".join(f"{test}\n" for test in finished), encoding="utf-8", newline="\n"
            )
            env["HOTFIRE_FINISHED"] = str(skip)
        return Launch(argv=argv, env=env, events=events)

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
