"""Results of airspeed velocity (asv), version 2: one file per commit, columns per benchmark."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hotfire_infra.ingest.formats.figures import Figures, finite
from hotfire_infra.ingest.formats.json_pieces import as_list, as_text, members
from hotfire_infra.ingest.formats.values import (
    ERRORED,
    PASSED,
    SKIPPED,
    Dialect,
    Reading,
    ReportedBenchmark,
    ReportedTest,
)

SUPPORTED_VERSION = 2
COMBINATIONS = 100_000
_BY_KIND = {
    "time": "benchmark.wall_time",
    "timeraw": "benchmark.wall_time",
    "mem": "benchmark.memory",
    "peakmem": "benchmark.memory",
}
"""What a benchmark measures is the first word of its function; `track_` says nothing of units."""


def read_asv(path: Path, reading: Reading) -> Iterator[ReportedBenchmark]:
    """Yield each benchmark for each combination of its parameters."""
    columns: list[str] | None = None
    for name, value in members(path, reading, "results"):
        if name == "results":
            if columns is None:
                raise reading.refuse(
                    "results come before result_columns", "Write it with asv 0.6 or later."
                )
            yield from _rows(value, columns, reading)
        elif name == "result_columns":
            columns = [as_text(column, 100) for column in as_list(value, reading, name)]
            if "result" not in columns:
                raise reading.refuse(
                    "result_columns lack `result`", "Write it with asv 0.6 or later."
                )
        elif name == "version" and value != SUPPORTED_VERSION:
            raise reading.refuse(
                f"results of version {as_text(value, 50)}",
                f"Only version {SUPPORTED_VERSION} is read: `asv update` rewrites the files.",
            )
        else:
            reading.context[str(name)[:100]] = value


def _rows(value: object, columns: list[str], reading: Reading) -> Iterator[ReportedBenchmark]:
    if not (isinstance(value, tuple) and len(value) == 2):
        raise reading.refuse("results is no object", "Is this a result file of asv?")
    name, cells = as_text(value[0]), value[1]
    if cells is None:
        cells = []
    if not isinstance(cells, list):
        # A bare figure is the short form of the first column.
        cells = [cells]
    # Trailing columns may be left out.
    row = dict(zip(columns, cells, strict=False))
    levels = [
        as_list(level, reading, f"params of {name[:100]!r}")
        for level in as_list(row.get("params"), reading, f"params of {name[:100]!r}")
    ]
    size = 1
    for level in levels:
        size *= len(level)
    if size > COMBINATIONS:
        raise reading.refuse(
            f"{name[:100]!r} has {size} combinations of parameters",
            f"Allowed are {COMBINATIONS}.",
        )
    results = row.get("result")
    if not isinstance(results, list):
        results = [results] * size
    for index, combination in enumerate(itertools.product(*levels)):
        reading.count(1)
        params = [as_text(part, 1000) for part in combination]
        yield _benchmark(name, params, row, results, index, reading)


def _benchmark(
    name: str,
    params: Sequence[str],
    row: dict[str, Any],
    results: list[Any],
    index: int,
    reading: Reading,
) -> ReportedBenchmark:
    raw = results[index] if index < len(results) else None
    samples = _samples(row.get("samples"), index)
    figures = Figures(reading)
    outcome, message = PASSED, ""
    value = finite(raw)
    if value is not None:
        _add(figures, name, value, samples, _inner(row.get("stats_number"), index), reading)
    elif isinstance(raw, float) and raw != raw:
        outcome, message = SKIPPED, "asv skipped this combination of parameters (NaN)"
    else:
        outcome, message = ERRORED, "asv has no result: the benchmark failed or timed out"
    version = row.get("version")
    arguments = f"({', '.join(params)})" if params else ""
    test = ReportedTest(
        dialect=Dialect.BENCHMARK,
        suite="asv",
        classname=name.rpartition(".")[0],
        name=name.rpartition(".")[2] + arguments,
        outcome=outcome,
        message=message,
        params=tuple((f"param{number}", text) for number, text in enumerate(params, 1)),
    )
    definition = {"tool": "asv", "name": name, "version": as_text(version, 200)}
    return ReportedBenchmark(test=test, points=figures.points, definition=definition)


def _add(
    figures: Figures, name: str, value: float, samples: list[float], inner: int, reading: Reading
) -> None:
    function = name.rpartition(".")[2]
    kind = function.partition("_")[0]
    metric = _BY_KIND.get(kind)
    foreign = reading.metrics.get(name) or reading.metrics.get(function)
    if metric is None or foreign is not None:
        key = name if name in reading.metrics else function
        figures.add_foreign(key, samples or [value], None, name)
    else:
        estimator = "median" if samples else "asv"
        figures.add_estimated(metric, value, estimator, samples or [value], inner)


def _samples(column: object, index: int) -> list[float]:
    if not isinstance(column, list) or index >= len(column) or not isinstance(column[index], list):
        return []
    found = [finite(value) for value in column[index]]
    return [value for value in found if value is not None]


def _inner(column: object, index: int) -> int:
    value = column[index] if isinstance(column, list) and index < len(column) else column
    return max(1, int(finite(value) or 1))
