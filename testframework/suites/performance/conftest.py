"""Fixtures of the performance suite: one session of interleaved launches feeds all tests.

AESTUS_BIN: folder of aestus-bench. AESTUS_LAUNCHER: JSON list in front of it. AESTUS_MODEL: the GGUF file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# The model's digest belongs to the checkout that holds this suite.
os.environ.setdefault("HOTFIRE_SOURCE", str(Path(__file__).resolve().parents[3]))

from hotfire_testframework.accuracy import files
from hotfire_testframework.accuracy.launch import Toolbox
from hotfire_testframework.measuring.replicates import Answer, Point, Session

ROUNDS = 5
# Seconds for the interleaved rounds of rates, then of memory and kernels: below 45 together.
BUDGET_S = 22.0
REST_BUDGET_S = 14.0
TIME_LIMIT = 120.0  # s, one launch
# What one launch does; sizes are part of the definition, so another size is another series.
ARGUMENTS: dict[str, list[str]] = {
    "load": [],
    "decode": ["--prompt", "8", "--tokens", "64", "--threads", "1"],
    "prefill": ["--prompt", "128", "--threads", "1"],
    "memory": ["--prompt", "128", "--threads", "1"],
    "kernels": ["--sample-ms", "15"],
}


@pytest.fixture(scope="session")
def toolbox() -> Toolbox:
    """The executables under test."""
    return Toolbox.from_environment()


@pytest.fixture(scope="session")
def bench(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """All launches, done once."""
    folder, model = tmp_path_factory.mktemp("bench"), files.model_path()

    def launch(what: str) -> Answer:
        arguments: list[str | Path] = ["--what", what, "--model", model, *ARGUMENTS[what]]
        return toolbox.run("aestus-bench", arguments, folder / "bench.json", timeout=TIME_LIMIT)

    session = Session(launch)
    session.rounds(["load", "decode", "prefill"], ROUNDS, BUDGET_S)
    session.rounds(["memory", "kernels"], 3, REST_BUDGET_S)
    return session


@pytest.fixture
def record_point(hotfire_record: Any, bench: Session) -> Callable[[str, Point], None]:
    """Write a point into the result stream."""

    def record(what: str, point: Point) -> None:
        answer = bench.launches[what][0].answer
        probe = {"metric": "probe.read_bandwidth", "value": point.probe} if point.probe else None
        hotfire_record.measurement(
            point.metric,
            point.replicates,
            launches=point.launches,
            inner=point.inner,
            probe=probe,
            canary=point.canary,
            valid=point.valid,
            reason=point.reason,
            definition={"what": what, "name": point.name, "arguments": ARGUMENTS[what]},
        )
        hotfire_record.metrics({"impl": answer["impl"], "isa": answer["isa"]})

    return record
