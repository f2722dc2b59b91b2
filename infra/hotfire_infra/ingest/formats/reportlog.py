"""pytest-reportlog's JSON lines: every phase of every try, also of a session that crashed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotfire_infra.ingest.formats.bytes_source import check_size
from hotfire_infra.ingest.formats.json_pieces import as_text
from hotfire_infra.ingest.formats.values import (
    ERRORED,
    FAILED,
    PASSED,
    SKIPPED,
    Dialect,
    Reading,
    ReportedTest,
    first_line,
    seconds,
    shorten,
)

_RANK = {PASSED: 0, SKIPPED: 1, ERRORED: 2, FAILED: 3}
_QUIET = frozenset({"SessionStart", "SessionFinish", "WarningMessage"})


@dataclass(slots=True)
class _Try:
    """The reports of one try of one test so far."""

    node_id: str
    outcome: str = PASSED
    kind: str = ""
    message: str = ""
    details: list[str] = field(default_factory=list)
    duration_s: float = 0.0
    phases: set[str] = field(default_factory=set)
    stdout: str = ""
    stderr: str = ""
    properties: tuple[tuple[str, str], ...] = ()

    def raise_to(self, outcome: str, kind: str, message: str) -> None:
        """A worse report of a later phase replaces a better one."""
        if _RANK[outcome] > _RANK[self.outcome]:
            self.outcome, self.kind, self.message = outcome, kind, message


def read_reportlog(path: Path, reading: Reading) -> Iterator[ReportedTest]:
    """Yield every try of every test when its teardown is reported.

    Tests that were under way when the log ends have no outcome: they are errored, and the report is
    incomplete unless pytest said that the session is finished.
    """
    check_size(path, reading, reading.limits.file_bytes)
    under_way: dict[tuple[str, str], _Try] = {}
    is_finished, number = False, 0
    with path.open("rb") as file:
        while line := file.readline(reading.limits.token_bytes + 1):
            number += 1
            report = _parse(line, number, reading)
            if report is None:
                continue
            kind = report.get("$report_type")
            if kind == "SessionFinish":
                is_finished = True
            elif kind == "SessionStart":
                reading.context["pytest_version"] = as_text(report.get("pytest_version"), 100)
            if kind in ("TestReport", "SubTestReport"):
                yield from _test_report(report, under_way, reading)
            elif kind == "CollectReport":
                yield from _collect_report(report, reading)
            elif not isinstance(kind, str) or kind not in _QUIET:
                reading.ignored[f"report of type {as_text(kind, 100)!r}"] += 1
    if not is_finished:
        reading.incomplete = reading.incomplete or (
            f"the log ends at line {number} without SessionFinish: pytest crashed or was killed"
        )
    for state in under_way.values():
        reading.count(1)
        state.raise_to(ERRORED, "crash", "the session ended while this test was under way")
        yield _test(state, reading)


def _parse(line: bytes, number: int, reading: Reading) -> dict[str, Any] | None:
    if len(line) > reading.limits.token_bytes:
        raise reading.refuse(
            f"a line is longer than {reading.limits.token_bytes} bytes",
            "Run pytest with less captured output.",
            number,
        )
    if not line.strip():
        return None
    try:
        value = json.loads(line.decode("utf-8", errors="replace"), strict=False)
    except RecursionError as error:
        raise reading.refuse("nested too deeply", "No pytest writes this.", number) from error
    except ValueError as error:
        if number == 1:
            raise reading.refuse(
                f"no report log: {error}", "Say with --format what it is.", number
            ) from error
        reading.incomplete = f"line {number} is no JSON: {error}"
        return None
    if not isinstance(value, dict) or "$report_type" not in value:
        raise reading.refuse("a line without $report_type", "Is this a report log?", number)
    return value


def _test_report(
    report: dict[str, Any], under_way: dict[tuple[str, str], _Try], reading: Reading
) -> Iterator[ReportedTest]:
    node_id = as_text(report.get("nodeid"))
    key = (node_id, as_text(report.get("worker_id") or report.get("node"), 1000))
    phase = as_text(report.get("when"), 50)
    if phase == "setup" and key in under_way and "setup" in under_way[key].phases:
        # A new setup without the teardown of the last one: that process died.
        before = under_way.pop(key)
        before.raise_to(ERRORED, "crash", "this try ended without a teardown")
        reading.count(1)
        yield _test(before, reading)
    state = under_way.setdefault(key, _Try(node_id=node_id))
    _add(state, report, phase, reading)
    if phase == "teardown" or phase == "???":
        del under_way[key]
        reading.count(1)
        yield _test(state, reading)


def _add(state: _Try, report: dict[str, Any], phase: str, reading: Reading) -> None:
    is_subtest = report.get("$report_type") == "SubTestReport" or "_subtest.context" in report
    outcome, longrepr = report.get("outcome"), report.get("longrepr")
    state.phases.add(phase)
    if not is_subtest:
        state.duration_s += seconds(report.get("duration"), reading) or 0.0
        state.properties = _properties(report.get("user_properties"), reading)
    _add_output(state, report.get("sections"), reading)
    if "wasxfail" in report and outcome in ("skipped", "passed"):
        reason = as_text(report["wasxfail"], reading.limits.message_chars)
        reason = reason.removeprefix("reason: ")
        if outcome == "skipped":
            state.raise_to(SKIPPED, "xfail", reason)
        elif not state.kind:
            state.kind, state.message = "xpass", reason
    elif outcome == "skipped":
        state.raise_to(SKIPPED, "", _skip_reason(longrepr))
    elif outcome in ("failed", "rerun"):
        message = _message(longrepr)
        is_strict = message.startswith("[XPASS(strict)]")
        if phase in ("call", "???"):
            state.raise_to(FAILED, "xpass" if is_strict else "", message)
        else:
            is_crash = message.startswith("worker 'gw") and "crashed while running" in message
            worse = (FAILED, "crash") if is_crash else (ERRORED, phase)
            state.raise_to(*worse, f"{phase}: {message}")
        state.details.append(_detail(longrepr))
    elif outcome != "passed":
        reading.ignored[f"outcome {as_text(outcome, 50)!r}"] += 1
        state.raise_to(ERRORED, "", f"outcome {as_text(outcome, 50)!r} is not known")


def _add_output(state: _Try, sections: object, reading: Reading) -> None:
    """Keep what was captured; every later phase repeats the sections of the ones before."""
    if not isinstance(sections, list):
        return
    texts = {"stdout": "", "stderr": ""}
    for section in sections:
        if isinstance(section, list) and len(section) == 2:
            name = as_text(section[0], 100)
            stream = "stderr" if "stderr" in name else "stdout" if "stdout" in name else ""
            if stream:
                texts[stream] += as_text(section[1])
    limit = reading.limits.text_chars
    state.stdout = shorten(texts["stdout"], limit) or state.stdout
    state.stderr = shorten(texts["stderr"], limit) or state.stderr


def _properties(value: object, reading: Reading) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list):
        return ()
    pairs = [item for item in value if isinstance(item, list) and len(item) == 2]
    return tuple(
        (as_text(name, 1000), as_text(item, reading.limits.message_chars))
        for name, item in pairs[: reading.limits.properties]
    )


def _collect_report(report: dict[str, Any], reading: Reading) -> Iterator[ReportedTest]:
    """A file that cannot be collected is a result: its tests did not run."""
    outcome = report.get("outcome")
    if outcome not in ("failed", "skipped"):
        return
    state = _Try(node_id=as_text(report.get("nodeid")) or "(session)", kind="collection")
    longrepr = report.get("longrepr")
    if outcome == "skipped":
        state.raise_to(SKIPPED, "collection", _skip_reason(longrepr))
    else:
        state.raise_to(ERRORED, "collection", f"collection: {_message(longrepr)}")
        state.details.append(_detail(longrepr))
    reading.count(1)
    yield _test(state, reading)


def _test(state: _Try, reading: Reading) -> ReportedTest:
    limits = reading.limits
    return ReportedTest(
        dialect=Dialect.PYTEST,
        suite="",
        classname="",
        name=state.node_id,
        outcome=state.outcome,
        kind=state.kind,
        duration_s=state.duration_s,
        message=shorten(state.message, limits.message_chars),
        detail=shorten("\n\n".join(text for text in state.details if text), limits.text_chars),
        stdout=state.stdout,
        stderr=state.stderr,
        properties=state.properties,
        file=state.node_id.partition("::")[0],
    )


def _skip_reason(longrepr: object) -> str:
    if isinstance(longrepr, list) and len(longrepr) == 3:
        return as_text(longrepr[2]).removeprefix("Skipped: ")
    return first_line(as_text(longrepr))


def _message(longrepr: object) -> str:
    if isinstance(longrepr, dict):
        crash = longrepr.get("reprcrash")
        if isinstance(crash, dict) and crash.get("message"):
            return first_line(as_text(crash["message"]))
        return first_line(as_text(longrepr.get("longrepr"))) or first_line(_detail(longrepr))
    return first_line(as_text(longrepr)) or "the report gives no reason"


def _detail(longrepr: object) -> str:
    """Return the text of a traceback out of pytest's tree of it."""
    if not isinstance(longrepr, dict):
        return as_text(longrepr)
    trace = longrepr.get("reprtraceback")
    entries = trace.get("reprentries") if isinstance(trace, dict) else None
    lines: list[str] = []
    for entry in entries if isinstance(entries, list) else []:
        data = entry.get("data") if isinstance(entry, dict) else None
        if not isinstance(data, dict):
            continue
        found = data.get("lines")
        lines += [as_text(line) for line in found] if isinstance(found, list) else []
        where = data.get("reprfileloc")
        if isinstance(where, dict):
            lines.append(f"{as_text(where.get('path'))}:{as_text(where.get('lineno'))}")
    return "\n".join(lines) or as_text(longrepr.get("longrepr"))
