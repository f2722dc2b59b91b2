"""Run attempts in a directory of their own, as an executor would, and read what they left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hotfire_testframework.contract.stream import Record
from hotfire_testframework.contract.stream_reader import StreamVerdict, read_stream, verify_stream
from hotfire_testframework.contract.task import AttemptSpec, ResolvedInput, TaskSpec
from hotfire_testframework.contract.ulid import new_ulid

FAKE_NATIVE = Path(__file__).parent / "fake_native.py"
# Only a hang gets there, however busy the machine is.
RUNNER_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class Done:
    """An attempt that ended."""

    code: int
    root: Path
    stderr: str

    @property
    def records(self) -> tuple[Record, ...]:
        return read_stream(self.root / "stream.jsonl").records

    @property
    def verdict(self) -> StreamVerdict:
        return verify_stream(self.root / "stream.jsonl")

    def of(self, kind: str) -> list[Record]:
        return [record for record in self.records if record.kind == kind]

    def outcomes(self) -> dict[str, str]:
        """Outcome by the last part of the test's name."""
        return {
            record["test"].split("/", 2)[2]: record["outcome"] for record in self.of("test_attempt")
        }

    def result(self, part: str) -> Record:
        return next(record for record in self.of("test_attempt") if part in record["test"])


class Stand:
    """Makes attempt directories and runs the runner in them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._number = 0

    def make(self, spec: Mapping[str, Any], *, claim: bool = False, **fields: Any) -> Path:
        self._number += 1
        directory = self._root / f"attempt-{self._number}"
        directory.mkdir()
        fields.setdefault("python", sys.executable)
        attempt = AttemptSpec(
            attempt=new_ulid(),
            run="run",
            task="kernels|platform=here",
            spec=TaskSpec.from_json(dict(spec)),
            claim=claim,
            **fields,
        )
        (directory / "attempt.json").write_bytes(attempt.encode())
        return directory

    def start(self, directory: Path, **options: Any) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        environment.pop("HOTFIRE_EVENTS", None)
        return subprocess.Popen(
            [sys.executable, "-m", "hotfire_testframework.runner", str(directory)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
            **options,
        )

    def finish(self, process: subprocess.Popen[bytes], directory: Path) -> Done:
        _, stderr = process.communicate(timeout=RUNNER_SECONDS)
        return Done(code=process.returncode, root=directory, stderr=stderr.decode())

    def run(self, spec: Mapping[str, Any], **fields: Any) -> Done:
        directory = self.make(spec, **fields)
        return self.finish(self.start(directory), directory)


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path)


@pytest.fixture
def cases() -> Callable[..., dict[str, Any]]:
    """Build a task over the fake native executable; each word says what its case does."""

    def build(*words: str, **fields: Any) -> dict[str, Any]:
        lines = [f"fake.f32:n={number},data={word},seed=1" for number, word in enumerate(words)]
        return {
            "harness": "cases",
            "command": ["{python}", str(FAKE_NATIVE)],
            "cases": lines,
            **fields,
        }

    return build


@pytest.fixture
def resolved() -> Callable[..., ResolvedInput]:
    def build(
        name: str, path: Path, *, unpack: bool = True, sha256: str | None = None
    ) -> ResolvedInput:
        return ResolvedInput(name=name, path=str(path), unpack=unpack, sha256=sha256)

    return build


def read_exit(directory: Path) -> int:
    return int((directory / "exit").read_text())


def read_heartbeat(directory: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((directory / "heartbeat").read_text())
    return value
