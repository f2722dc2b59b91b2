"""Harnesses `cases` and `gtest`: native executables that append one JSON line per event to AESTUS_RESULTS."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.identifiers import TestId, printable_name
from hotfire_testframework.errors import ContractError, RunnerError
from hotfire_testframework.runner.harnesses.listed import Launch
from hotfire_testframework.runner.session import Session

RESULTS_VARIABLE = "AESTUS_RESULTS"
_KINDS = {"start": "test_start", "end": "test_attempt", "crash": "crash", "finish": "finish"}


class NativeDriver(ABC):
    """What both native harnesses share: the launcher, the events file and its words."""

    name = "native"
    scheme = "native"
    default_module = "aestus.kernels"

    def __init__(self, session: Session) -> None:
        self._session = session
        self._module = session.spec.module or self.default_module
        self._ids: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def collect(self) -> Sequence[str]:
        """Return the identifiers of all names, in their order."""
        try:
            for name in self._list_names():
                self._identify(name)
        except ContractError as error:
            raise RunnerError(str(error), RunnerExit.BAD_CONFIGURATION) from error
        return list(self._ids.values())

    def launch(
        self, remaining: Sequence[str] | None, finished: Sequence[str], number: int
    ) -> Launch:
        """Return the process for the names that remain."""
        del finished
        names = [self._names[test] for test in remaining or ()]
        events = self._session.directory.events / f"native-{number}.jsonl"
        argv = [*self._command(), *self._selection(names, number)]
        return Launch(
            argv=argv,
            env={**self._session.environment, RESULTS_VARIABLE: str(events)},
            events=events,
        )

    def advance(self) -> bool:
        """The whole list goes to one process."""
        return False

    def translate(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return a native event in the words of the contract."""
        kind = _KINDS.get(str(event.pop("event", "")), "")
        name = event.pop("name", None)
        if kind == "test_start":
            return {"kind": kind, "test": self._identify(str(name)), "try": 1}
        if kind == "test_attempt":
            return self._translate_end(str(name), event)
        return (
            {"kind": kind, **event}
            if kind
            else {"kind": "problem", "what": f"unknown native event {event!r}"}
        )

    def explain_start(self, returncode: int) -> RunnerError | None:
        """Exit 2 is a bad argument or case line, 3 nothing to run, 126 and 127 a program that cannot start."""
        if returncode in (2, 126, 127):
            message = f"{self._session.spec.command[0]!r} refused its arguments (exit {returncode})"
            return RunnerError(message, RunnerExit.BAD_CONFIGURATION)
        if returncode == 3:
            return RunnerError("the executable had nothing to run", RunnerExit.NOTHING_COLLECTED)
        return None

    def _translate_end(self, name: str, event: dict[str, Any]) -> dict[str, Any]:
        outcome = event.get("outcome")
        body: dict[str, Any] = {
            "kind": "test_attempt",
            "test": self._identify(name),
            "try": 1,
            "outcome": outcome,
        }
        if isinstance(event.get("duration_ns"), int):
            body["duration_ns"] = event["duration_ns"]
        if event.get("message"):
            body["message"] = str(event["message"])
        if isinstance(event.get("metrics"), dict) and event["metrics"]:
            body["metrics"] = event["metrics"]
        if outcome in ("failed", "errored"):
            body["failure_class"] = "product"
        return body

    def _identify(self, name: str) -> str:
        test = self._ids.get(name)
        if test is None:
            test = str(TestId(module=self._module, scheme=self.scheme, name=printable_name(name)))
            self._ids[name] = test
            self._names[test] = name
        return test

    def _command(self) -> list[str]:
        fill = self._session.placeholders.fill_argv
        return [
            *self._session.placeholders.launcher,
            *fill((*self._session.spec.command, *self._session.spec.args)),
        ]

    @abstractmethod
    def _list_names(self) -> Sequence[str]:
        """Return what the executable will run, before it runs."""

    @abstractmethod
    def _selection(self, names: Sequence[str], number: int) -> Sequence[str]:
        """Return the arguments with which process `number` runs just `names`."""


class CasesDriver(NativeDriver):
    """`command --cases FILE`; the lines stand in the plan."""

    name = "cases"
    scheme = "native"
    default_module = "aestus.kernels"

    def _list_names(self) -> Sequence[str]:
        return self._session.spec.cases

    def _selection(self, names: Sequence[str], number: int) -> Sequence[str]:
        path = self._session.directory.events / f"cases-{number}.txt"
        path.write_text("".join(f"{name}\n" for name in names), encoding="utf-8", newline="\n")
        return ["--cases", str(path)]


class GtestDriver(NativeDriver):
    """A GoogleTest executable with the listener of Aestus."""

    name = "gtest"
    scheme = "gtest"
    default_module = "aestus.unit"

    def _list_names(self) -> Sequence[str]:
        argv = [*self._command(), "--gtest_list_tests"]
        try:
            done = subprocess.run(
                argv,
                env=self._session.environment,
                cwd=self._session.directory.work,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._session.spec.timeouts.setup_s,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RunnerError(
                f"{argv[0]!r} does not list its tests: {error}", RunnerExit.BAD_CONFIGURATION
            ) from error
        if done.returncode != 0:
            tail = done.stderr.decode(errors="replace")[-400:]
            message = f"{argv[0]!r} --gtest_list_tests ended with {done.returncode}: {tail}"
            raise RunnerError(message, RunnerExit.BAD_CONFIGURATION)
        return parse_gtest_list(done.stdout.decode(errors="replace"))

    def _selection(self, names: Sequence[str], number: int) -> Sequence[str]:
        # In a file, because a filter of thousands of names does not fit on a command line.
        path = self._session.directory.events / f"gtest-{number}.flags"
        path.write_text(f"--gtest_filter={':'.join(names)}\n", encoding="utf-8", newline="\n")
        return [f"--gtest_flagfile={path}"]


def parse_gtest_list(text: str) -> list[str]:
    """Return `Suite.Test` for every enabled test of `--gtest_list_tests`."""
    names: list[str] = []
    suite = ""
    for raw in text.splitlines():
        line = raw.partition("#")[0].rstrip()
        if not line:
            continue
        if line.startswith("  "):
            name = suite + line.strip()
            if "DISABLED_" not in name:
                names.append(name)
        elif line.endswith("."):
            suite = line
    return names
