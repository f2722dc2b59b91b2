"""pytest-benchmark's JSON: seconds, with all samples where the file has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hotfire_infra.ingest.formats.figures import Figures, finite
from hotfire_infra.ingest.formats.json_pieces import as_list, as_object, as_text, members
from hotfire_infra.ingest.formats.values import (
    ERRORED,
    PASSED,
    Dialect,
    Reading,
    ReportedBenchmark,
    ReportedTest,
)


def read_pytest_benchmark(path: Path, reading: Reading) -> Iterator[ReportedBenchmark]:
    """Yield each benchmark; its point is the median of its rounds."""
    for name, value in members(path, reading, "benchmarks"):
        if name == "benchmarks":
            reading.count(1)
            yield _benchmark(as_object(value, reading, "a benchmark"), reading)
        elif name in ("machine_info", "commit_info", "version", "datetime"):
            reading.context[name] = value
        else:
            reading.ignored[f"member {name[:100]!r}"] += 1


def _benchmark(row: dict[str, Any], reading: Reading) -> ReportedBenchmark:
    node_id = as_text(row.get("fullname") or row.get("name"))
    stats = as_object(row.get("stats") or {}, reading, f"stats of {node_id[:100]!r}")
    samples = [finite(value) for value in as_list(stats.get("data"), reading, "stats.data")]
    times = [value for value in samples if value is not None and value >= 0]
    if len(times) != len(samples):
        reading.ignored["sample that is no duration"] += len(samples) - len(times)
    median = finite(stats.get("median"))
    figures = Figures(reading)
    outcome, message = PASSED, ""
    if median is None or median < 0:
        outcome, message = ERRORED, "the report has no median time for it"
    else:
        inner = max(1, int(finite(stats.get("iterations")) or 1))
        # A file without samples (--benchmark-save) still has its median: one replicate.
        figures.add_estimated("benchmark.wall_time", median, "median", times or [median], inner)
    params = row.get("params")
    test = ReportedTest(
        dialect=Dialect.PYTEST,
        suite="pytest-benchmark",
        classname="",
        name=node_id,
        outcome=outcome,
        message=message,
        params=_params(params, reading),
        file=node_id.partition("::")[0],
    )
    options = row.get("options")
    timer = as_text(options.get("timer"), 100) if isinstance(options, dict) else ""
    definition = {"tool": "pytest-benchmark", "name": node_id, "timer": timer}
    return ReportedBenchmark(test=test, points=figures.points, definition=definition)


def _params(value: object, reading: Reading) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        return ()
    limit = reading.limits.message_chars
    return tuple((as_text(key, 1000), as_text(item, limit)) for key, item in value.items())
