"""Fixtures of the performance suite: one session of interleaved launches feeds all tests.

AESTUS_BIN: folder of aestus-bench. AESTUS_LAUNCHER: JSON list in front of it. AESTUS_MODEL: the GGUF file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
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
RATES = ("load", "decode", "prefill")
REST = ("memory", "kernels")
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


def pytest_configure(config: pytest.Config) -> None:
    """Register what tests say of themselves."""
    config.addinivalue_line("markers", "launches(what): which launches a test reads")


def needed(items: Iterable[pytest.Item]) -> list[str]:
    """Return what the tests of this session read, in the order of launches; all where none says."""
    said = {what for item in items for mark in item.iter_markers("launches") for what in mark.args}
    return [what for what in ARGUMENTS if what in said or not said]


@pytest.fixture(scope="session")
def bench(
    request: pytest.FixtureRequest, toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory
) -> Session:
    """All launches that the tests of this session read, done once."""
    folder, model = tmp_path_factory.mktemp("bench"), files.model_path()

    def launch(what: str) -> Answer:
        arguments: list[str | Path] = ["--what", what, "--model", model, *ARGUMENTS[what]]
        return toolbox.run("aestus-bench", arguments, folder / "bench.json", timeout=TIME_LIMIT)

    session = Session(launch)
    wanted = needed(request.session.items)
    for some, rounds, budget in ((RATES, ROUNDS, BUDGET_S), (REST, 3, REST_BUDGET_S)):
        if mine := [what for what in some if what in wanted]:
            session.rounds(mine, rounds, budget)
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
