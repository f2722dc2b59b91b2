"""Prepare one test or cell of a recorded attempt to be run again by hand, with the same inputs."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from hotfire_testframework.contract.outcomes import Harness
from hotfire_testframework.contract.task import AttemptSpec, TaskSpec
from hotfire_testframework.contract.ulid import new_ulid


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """A directory that the runner can be pointed at, and the command that does it."""

    directory: Path
    argv: tuple[str, ...]
    is_narrowed: bool
    """Whether only the one test runs; else the whole cell, because its harness has no filter."""

    @property
    def command(self) -> str:
        """The command as a shell reads it."""
        return shlex.join(self.argv)


def prepare(home: Path, recorded: AttemptSpec, test: str | None) -> Reproduction:
    """Write `attempt.json` of a reproduction: the recorded attempt without its claim.

    Inputs are the blobs of the recorded attempt, so source, artifacts and weights are the same
    bytes; setup, launcher and environment are the task's own.
    """
    spec = narrowed(recorded.spec, test) if test else recorded.spec
    ulid = new_ulid()
    directory = home / "repro" / ulid
    directory.mkdir(parents=True)
    again = replace(
        recorded, attempt=ulid, spec=spec, claim=False, fence=None, expected=(test,) if test else ()
    )
    (directory / "attempt.json").write_bytes(again.encode())
    return Reproduction(
        directory=directory,
        argv=(sys.executable, "-m", "hotfire_testframework.runner", str(directory)),
        is_narrowed=spec != recorded.spec,
    )


def narrowed(spec: TaskSpec, test: str) -> TaskSpec:
    """Return the task cut down to one test, or as it is where its harness has no filter."""
    scheme, name = test.split("/", 2)[1:]
    match spec.harness:
        case Harness.CASES:
            return replace(spec, cases=(name,))
        case Harness.GTEST:
            return replace(spec, args=(*spec.args, f"--gtest_filter={name}"))
        case Harness.PYTEST if scheme == "pytest":
            if spec.tests:
                return _narrowed_list(spec, test)
            # -k takes no brackets: the function is the closest filter it has.
            function = name.rpartition("::")[2].partition("[")[0]
            return replace(spec, args=(*spec.args, "-k", function))
        case _:
            return spec


def _narrowed_list(spec: TaskSpec, test: str) -> TaskSpec:
    """Only this test, with the limit and the isolation of the entry that lists it."""
    module, _, name = test.split("/", 2)
    node = f"{module.replace('.', '/')}.py::{name}"
    found = next((item for item in spec.tests if item.lists(node)), None)
    if found is None:
        return spec
    return replace(spec, tests=(replace(found, test=node, keyword=None, marker=None),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One result of a reproduction."""

    test: str
    outcome: str
    message: str


def outcomes(directory: Path) -> Iterator[Outcome]:
    """Yield the results in the stream that the runner left."""
    path = directory / "stream.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        record = json.loads(line)
        if record.get("kind") == "test_attempt":
            yield Outcome(
                test=record["test"],
                outcome=record["outcome"],
                message=record.get("message") or "",
            )
