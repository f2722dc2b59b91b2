"""A foreign report becomes a result stream in a spool: from there on it is like any other attempt."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotfire_infra.ingest.formats.detection import read_report
from hotfire_infra.ingest.formats.identity import module_name, parameters_of, test_id_of
from hotfire_infra.ingest.formats.tries import Tries
from hotfire_infra.ingest.formats.values import (
    ERRORED,
    FAILED,
    PASSED,
    Format,
    Reading,
    Reported,
    ReportedBenchmark,
    ReportedTest,
    shorten,
)
from hotfire_testframework.contract.canonical import canonical_sha256
from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.failure import FailureClass
from hotfire_testframework.contract.identifiers import TestId, printable_name
from hotfire_testframework.contract.metrics import METRICS
from hotfire_testframework.contract.stream import Kind
from hotfire_testframework.contract.ulid import Ulid
from hotfire_testframework.runner.spool import Spool

KIND = "imported_report"
"""Kind of the record that says what was imported; ingest keeps it whole."""
COLLECTED_PER_RECORD = 2_000
CONTEXT_CHARS = 64 << 10
PROPERTIES_PER_RESULT = 50
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_CLASSES = {
    "crash": FailureClass.PRODUCT,
    "timeout": FailureClass.TIMEOUT,
    "notrun": FailureClass.CONFIG,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What one report came to."""

    file: str
    format: Format
    sha256: str
    tests: int
    """Different tests, without the place-holder of an incomplete report."""
    totals: Mapping[str, int]
    """Tests by the fold of their tries."""
    exit_code: int
    degraded: tuple[str, ...]
    incomplete: str
    ignored: Mapping[str, int] = field(default_factory=dict)


def file_sha256(path: Path) -> str:
    """Return the digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_spool(
    root: Path, path: Path, reading: Reading, *, attempt: Ulid, sha256: str
) -> Imported:
    """Read a report and write its stream into the spool `root`; ReportRefusedError if it cannot be.

    The report itself becomes an artifact of the attempt, so that what an importer left out is not
    lost. Two passes: `collected` precedes the first result, and what a try means depends on the ones
    that follow it.
    """
    (root / "artifacts").mkdir(parents=True)
    bodies = root / "bodies.jsonl"
    tries = Tries(is_lossy=reading.format is Format.JUNIT)
    with bodies.open("w", encoding="ascii") as file:
        for item in read_report(path, reading):
            for body in _bodies(item, path, tries):
                file.write(json.dumps(body) + "\n")
    spool = Spool(root / "stream.jsonl", root / "ballast")
    exit_code = RunnerExit.PASSED
    if reading.incomplete or any(tries.is_bad(test) for test in tries):
        exit_code = RunnerExit.PRODUCT_FAILURE
    _write_head(spool, attempt, reading, sha256)
    _write_collected(spool, tries, reading, path)
    _write_results(spool, bodies, tries)
    if reading.incomplete:
        _write_rest(spool, reading, path)
    _write_original(spool, root, path, reading, sha256)
    spool.finish(exit_code)
    spool.release_ballast()
    bodies.unlink()
    return Imported(
        file=reading.file,
        format=reading.format,
        sha256=sha256,
        tests=len(tries),
        totals=tries.totals(),
        exit_code=int(exit_code),
        degraded=tuple(reading.degraded),
        incomplete=reading.incomplete,
        ignored=dict(reading.ignored),
    )


def _bodies(item: Reported, path: Path, tries: Tries) -> Iterator[dict[str, Any]]:
    """Yield the bodies of one test's records: its tries, then its measurements."""
    test = item.test if isinstance(item, ReportedBenchmark) else item
    identifier = str(test_id_of(test, path.name.partition(".")[0]))
    for earlier in test.earlier:
        tries.add(identifier, earlier.outcome, is_bare=False)
        yield _result(identifier, test, earlier.outcome, earlier.message, earlier.detail) | {
            "duration_ns": _nanoseconds(earlier.duration_s)
        }
    is_bare = test.outcome == PASSED and not test.kind and test.dialect.value == "pytest"
    tries.add(identifier, test.outcome, is_bare=is_bare)
    body = _result(identifier, test, test.outcome, test.message, _detail(test))
    metrics: dict[str, Any] = {test.kind: True} if test.kind else {}
    if test.duration_s is None:
        metrics["duration_unknown"] = True
    if test.timestamp:
        metrics["reported_at"] = _clean(test.timestamp)
    if test.properties:
        kept = test.properties[:PROPERTIES_PER_RESULT]
        metrics["properties"] = {_clean(name): _clean(value) for name, value in kept}
    if isinstance(item, ReportedBenchmark):
        metrics |= item.notes
    yield body | ({"metrics": metrics} if metrics else {})
    if isinstance(item, ReportedBenchmark):
        yield from _measurements(identifier, item)


def _result(
    identifier: str, test: ReportedTest, outcome: str, message: str, detail: str
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "test": identifier,
        "outcome": outcome,
        "duration_ns": _nanoseconds(test.duration_s),
    }
    if message:
        body["message"] = _clean(message)
    if detail:
        body["detail"] = _clean(detail)
    if outcome in (FAILED, ERRORED):
        usual = FailureClass.PRODUCT if outcome == FAILED else FailureClass.TEST
        body["failure_class"] = _CLASSES.get(test.kind, usual).value
    parameters = parameters_of(test)
    if parameters:
        body["params"] = {_clean(name): _clean(value) for name, value in parameters.items()}
    return body


def _measurements(identifier: str, item: ReportedBenchmark) -> Iterator[dict[str, Any]]:
    definition = canonical_sha256({key: _clean(str(v)) for key, v in item.definition.items()})
    for point in item.points:
        metric = METRICS.get(point.metric)
        yield {
            "metric": metric.name,
            "version": metric.version,
            "unit": metric.unit.value,
            "value": point.value,
            "test": identifier,
            "estimator": point.estimator,
            "replicates": list(point.replicates),
            "launches": [0] * len(point.replicates),
            "inner": point.inner,
            "valid": True,
            "definition": definition,
        }


def _nanoseconds(duration_s: float | None) -> int:
    return 0 if duration_s is None else round(duration_s * 1e9)


def _clean(text: str) -> str:
    """Drop what a database or a terminal chokes on: NUL, escape sequences, lone surrogates."""
    return _CONTROL.sub("", text).encode("utf-8", "replace").decode("utf-8")


def _detail(test: ReportedTest) -> str:
    """Return detail and, of a test that did not pass, its output."""
    parts = [test.detail]
    if test.outcome in (FAILED, ERRORED):
        outputs = (("stdout", test.stdout), ("stderr", test.stderr))
        parts += [f"--- {name} ---\n{text}" for name, text in outputs if text.strip()]
    return "\n".join(part for part in parts if part)


def _write_head(spool: Spool, attempt: Ulid, reading: Reading, sha256: str) -> None:
    session = {
        "attempt": attempt,
        "runner_version": "import",
        "boot_id": "import",
        "pid": 0,
        "wall_ns": time.time_ns(),
        "python": "",
    }
    spool.emit(Kind.SESSION, session)
    spool.emit(Kind.ENVIRONMENT, {"values": _environment(reading)})
    whole = json.dumps(reading.context, default=str)
    context = reading.context if len(whole) <= CONTEXT_CHARS else {"left_out": len(whole)}
    spool.emit(
        KIND,
        {
            "file": _clean(reading.file),
            "format": reading.format.value,
            "sha256": sha256,
            "degraded": reading.degraded,
            "incomplete": _clean(reading.incomplete),
            "ignored": dict(reading.ignored),
            "context": json.loads(_clean(json.dumps(context, default=str))),
        },
    )
    for problem in reading.degraded:
        spool.emit(Kind.PROBLEM, {"what": f"degraded: {_clean(problem)}"})


def _environment(reading: Reading) -> dict[str, Any]:
    """Return what splits series, as far as the report knows it; the rest is kept as evidence."""
    values: dict[str, Any] = {"origin": "imported", "format": reading.format.value}
    machine = reading.context.get("machine_info")
    if isinstance(machine, dict):
        cpu = machine.get("cpu")
        model = cpu.get("brand_raw") if isinstance(cpu, dict) else None
        values |= _texts(cpu_model=model, machine=machine.get("machine"))
    params = reading.context.get("params")
    if isinstance(params, dict):
        values |= _texts(cpu_model=params.get("cpu"), machine=params.get("arch"))
    return values


def _texts(**found: object) -> dict[str, str]:
    return {name: _clean(value)[:200] for name, value in found.items() if isinstance(value, str)}


def _rest(path: Path) -> str:
    """Return the identifier that stands for what an incomplete report lacks."""
    name = printable_name(f"rest of {path.name}")
    return str(TestId(module=module_name("import"), scheme="report", name=name))


def _write_collected(spool: Spool, tries: Tries, reading: Reading, path: Path) -> None:
    names = list(tries) + ([_rest(path)] if reading.incomplete else [])
    for start in range(0, len(names), COLLECTED_PER_RECORD):
        chunk = names[start : start + COLLECTED_PER_RECORD]
        spool.emit(Kind.COLLECTED, {"harness": "import", "tests": chunk})


def _write_results(spool: Spool, bodies: Path, tries: Tries) -> None:
    with bodies.open("rb") as file:
        for line in file:
            body = json.loads(line)
            if "metric" in body:
                spool.emit(Kind.MEASUREMENT, body)
                continue
            number, outcome, why = tries.next(body["test"])
            if outcome != body["outcome"]:
                body |= {"outcome": outcome, "message": why}
                failed = outcome == FAILED
                blame = FailureClass.PRODUCT if failed else FailureClass.TEST
                body["failure_class"] = blame.value
            body["try"] = number
            spool.emit(Kind.TEST_ATTEMPT, body)


def _write_rest(spool: Spool, reading: Reading, path: Path) -> None:
    """Say as a result that something is missing: what did not come in is never green."""
    message = shorten(_clean(reading.incomplete), reading.limits.message_chars)
    spool.emit(Kind.PROBLEM, {"what": f"incomplete: {message}"})
    spool.emit(
        Kind.TEST_ATTEMPT,
        {
            "test": _rest(path),
            "try": 1,
            "outcome": ERRORED,
            "duration_ns": 0,
            "failure_class": FailureClass.HARNESS.value,
            "message": message,
        },
    )


_MEDIA_TYPES = {
    Format.JUNIT: "application/xml",
    Format.TAP: "text/plain",
    Format.REPORTLOG: "application/jsonl",
}


def _write_original(spool: Spool, root: Path, path: Path, reading: Reading, sha256: str) -> None:
    kept = root / "artifacts" / "report"
    shutil.copyfile(path, kept)
    body = {
        "name": "report",
        "path": "artifacts/report",
        "sha256": sha256,
        "size": kept.stat().st_size,
        "media_type": _MEDIA_TYPES.get(reading.format, "application/json"),
    }
    spool.emit(Kind.ARTIFACT, body)
