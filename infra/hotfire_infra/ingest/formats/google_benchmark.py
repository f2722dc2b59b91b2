"""Google Benchmark's JSON (`--benchmark_format=json`): repetitions become replicates of one point."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotfire_infra.ingest.formats.figures import Figures, finite
from hotfire_infra.ingest.formats.json_pieces import as_object, as_text, members
from hotfire_infra.ingest.formats.values import (
    ERRORED,
    FAILED,
    PASSED,
    SKIPPED,
    Dialect,
    Reading,
    ReportedBenchmark,
    ReportedTest,
    shorten,
)

_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
# Every other number of a row is a counter: the tool writes them beside its own fields.
_FIELDS = frozenset(
    {
        *("name", "family_index", "per_family_instance_index", "run_name", "run_type"),
        *("repetitions", "repetition_index", "threads", "iterations", "real_time", "cpu_time"),
        *("time_unit", "label", "error_occurred", "error_message", "skipped", "skip_message"),
        *("aggregate_name", "aggregate_unit", "big_o", "cpu_coefficient", "real_coefficient"),
        *("rms", "total_iterations", "max_bytes_used", "allocs_per_iter", "net_heap_growth"),
        *("total_allocated_bytes",),
    }
)
_KNOWN_COUNTERS = {"bytes_per_second": "benchmark.byte_rate"}
_FITS = frozenset({"BigO", "RMS"})
"""Aggregates over a family of benchmarks: they have no repetitions of their own."""
_NOTES = frozenset({"items_per_second"})
"""The reciprocal of the time under another name: kept beside the result, never a series."""


@dataclass(slots=True)
class _Group:
    """The repetitions of one benchmark."""

    name: str
    label: str
    threads: int
    iterations: int = 0
    real: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    counters: dict[str, list[float]] = field(default_factory=dict)
    error: str | None = None
    skipped: str | None = None


def read_google_benchmark(path: Path, reading: Reading) -> Iterator[ReportedBenchmark]:
    """Yield each benchmark with the repetitions that lie side by side in the file.

    Rows of `run_type` aggregate are left out: mean, median and the rest follow from the repetitions.
    A file of aggregates alone is refused, since its replicates are lost.
    """
    group: _Group | None = None
    measured: set[str] = set()
    summed_up: dict[str, int] = {}
    for name, value in members(path, reading, "benchmarks"):
        if name == "context":
            reading.context.update(_context(value))
            continue
        if name != "benchmarks":
            reading.ignored[f"member {name[:100]!r}"] += 1
            continue
        row = as_object(value, reading, "a benchmark")
        run_name = as_text(row.get("run_name") or row.get("name"))
        if row.get("run_type", "iteration") != "iteration":
            reading.ignored["aggregate row"] += 1
            if row.get("aggregate_name") not in _FITS:
                summed_up[run_name] = summed_up.get(run_name, 0) + 1
            continue
        measured.add(run_name)
        if group is not None and group.name != run_name:
            yield _benchmark(group, reading)
            group = None
        group = group or _Group(
            name=run_name,
            label=as_text(row.get("label"), 1000),
            threads=int(finite(row.get("threads")) or 1),
        )
        _add(group, row, reading)
    if group is not None:
        yield _benchmark(group, reading)
    lost = [name for name in summed_up if name not in measured]
    if lost:
        raise reading.refuse(
            f"{lost[0][:100]!r} and {len(lost) - 1} more have aggregates and no repetition",
            "Run without --benchmark_report_aggregates_only.",
        )


def _context(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    return {str(key)[:100]: item for key, item in list(value.items())[:100]}


def _add(group: _Group, row: dict[str, Any], reading: Reading) -> None:
    if row.get("error_occurred"):
        group.error = as_text(row.get("error_message")) or "error_occurred"
        return
    if row.get("skipped"):
        group.skipped = as_text(row.get("skip_message")) or "skipped"
        return
    unit = row.get("time_unit", "ns")
    if not isinstance(unit, str) or unit not in _SECONDS:
        raise reading.refuse(
            f"{group.name[:100]}: time_unit {as_text(unit, 50)!r}",
            f"Known are {', '.join(_SECONDS)}.",
        )
    for name, values in (("real_time", group.real), ("cpu_time", group.cpu)):
        value = finite(row.get(name))
        if value is None or value < 0:
            reading.ignored[f"{name} that is no duration"] += 1
        else:
            values.append(value * _SECONDS[unit])
    group.iterations = int(finite(row.get("iterations")) or 0)
    for name, item in row.items():
        value = None if name in _FIELDS else finite(item)
        if value is not None:
            group.counters.setdefault(name, []).append(value)
        elif name not in _FIELDS:
            reading.ignored[f"field {name[:100]!r} that is no number"] += 1


def _benchmark(group: _Group, reading: Reading) -> ReportedBenchmark:
    reading.count(1)
    figures = Figures(reading)
    inner = max(1, group.iterations)
    figures.add("benchmark.wall_time", group.real, statistics.median, "median", inner)
    figures.add("benchmark.cpu_time", group.cpu, statistics.median, "median", inner)
    notes: dict[str, float] = {}
    for name, values in group.counters.items():
        if name in _NOTES and name not in reading.metrics:
            notes[name] = statistics.median(values)
        else:
            figures.add_foreign(name, values, _KNOWN_COUNTERS.get(name), group.name)
    outcome, message = PASSED, ""
    if group.error is not None:
        outcome, message = FAILED, group.error
    elif group.skipped is not None:
        outcome, message = SKIPPED, group.skipped
    elif not group.real:
        outcome, message = ERRORED, "the report has no time for it"
    test = ReportedTest(
        dialect=Dialect.BENCHMARK,
        suite="google-benchmark",
        classname=as_text(reading.context.get("executable"), 1000).rpartition("/")[2],
        name=group.name,
        outcome=outcome,
        message=shorten(message, reading.limits.message_chars),
        properties=(("label", group.label),) if group.label else (),
    )
    points = figures.points if outcome == PASSED else ()
    definition = {"tool": "google-benchmark", "name": group.name, "threads": group.threads}
    return ReportedBenchmark(test=test, points=points, definition=definition, notes=notes)
