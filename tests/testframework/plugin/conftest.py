"""Run pytest in a process of its own with the plugin, and read the events it left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

WITHOUT = ["-p", "no:cacheprovider", "-p", "no:rerunfailures"]


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """A pytest process that ended."""

    code: int
    output: str
    events: list[dict[str, Any]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["kind"] == kind]

    def results(self) -> list[tuple[str, int, str]]:
        return [
            (e["test"].split("/", 2)[2], e["try"], e["outcome"]) for e in self.of("test_attempt")
        ]

    def result(self, name: str) -> dict[str, Any]:
        return next(event for event in self.of("test_attempt") if event["test"].endswith(name))


class Suite:
    """A folder of tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "pytest.ini").write_text("[pytest]\n")

    def write(self, text: str, name: str = "test_it.py") -> Path:
        path = self.folder / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def run(self, *arguments: str, **environment: str) -> Streamed:
        events = self.folder / "events.jsonl"
        events.unlink(missing_ok=True)
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("HOTFIRE")
        }
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *WITHOUT, *arguments],
            cwd=self.folder,
            env={
                **inherited,
                "HOTFIRE_EVENTS": str(events),
                "PYTHONPATH": os.pathsep.join(sys.path),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=300,
        )
        lines = events.read_text().splitlines() if events.exists() else []
        return Streamed(
            code=done.returncode,
            output=done.stdout + done.stderr,
            events=[json.loads(line) for line in lines],
        )


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)
