"""GoogleTest's JSON report (`--gtest_output=json:FILE`), suite by suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hotfire_infra.ingest.formats.json_pieces import as_list, as_object, as_text, members
from hotfire_infra.ingest.formats.values import (
    ERRORED,
    FAILED,
    PASSED,
    SKIPPED,
    Dialect,
    Reading,
    ReportedTest,
    seconds,
    shorten,
)

# Whatever else stands in a case is a property: RecordProperty writes beside the fields.
_FIELDS = frozenset(
    {
        *("name", "file", "line", "status", "result", "timestamp", "time", "classname"),
        *("failures", "skipped", "value_param", "type_param", "properties"),
    }
)


def read_gtest_json(path: Path, reading: Reading) -> Iterator[ReportedTest]:
    """Yield the tests of a report."""
    for name, value in members(path, reading, "testsuites"):
        if name != "testsuites":
            if name in ("tests", "failures", "disabled", "errors", "timestamp", "time"):
                reading.context[name] = as_text(value, 100)
            elif name != "name":
                reading.ignored[f"member {name[:100]!r}"] += 1
            continue
        suite = as_object(value, reading, "a suite")
        for case in as_list(suite.get("testsuite"), reading, "testsuite"):
            reading.count(1)
            yield _test(as_object(case, reading, "a test"), as_text(suite.get("name")), reading)


def _test(case: dict[str, Any], suite: str, reading: Reading) -> ReportedTest:
    limits = reading.limits
    outcome, kind = _outcome(case, reading)
    failures = as_list(case.get("failures"), reading, "failures")
    texts = [_reason(failure, "failure") for failure in failures]
    skips = case.get("skipped")
    if not texts and isinstance(skips, list):
        texts = [_reason(skip, "message") for skip in skips]
    message = texts[0] if texts else ""
    if len(texts) > 1:
        message += f" (and {len(texts) - 1} more)"
    if outcome == FAILED and not message:
        message = "the report gives no reason"
    return ReportedTest(
        dialect=Dialect.GTEST,
        suite=suite,
        classname=as_text(case.get("classname")) or suite,
        name=as_text(case.get("name")),
        outcome=outcome,
        kind=kind,
        duration_s=seconds(case.get("time"), reading),
        message=shorten(message, limits.message_chars),
        detail=shorten("\n\n".join(texts), limits.text_chars),
        params=tuple(
            (key, as_text(case[key], limits.message_chars))
            for key in ("value_param", "type_param")
            if key in case
        ),
        properties=_properties(case, reading),
        timestamp=as_text(case.get("timestamp"), 100),
        file=as_text(case.get("file"), 1000),
    )


def _properties(case: dict[str, Any], reading: Reading) -> tuple[tuple[str, str], ...]:
    found = [
        (name[:1000], as_text(value, reading.limits.message_chars))
        for name, value in case.items()
        if name not in _FIELDS
    ]
    limit = reading.limits.properties
    if len(found) > limit:
        reading.ignored["property beyond the limit"] += len(found) - limit
    return tuple(found[:limit])


def _reason(value: object, name: str) -> str:
    return as_text(value.get(name)) if isinstance(value, dict) else as_text(value)


def _outcome(case: dict[str, Any], reading: Reading) -> tuple[str, str]:
    if case.get("failures"):
        return FAILED, ""
    status, result = case.get("status"), case.get("result")
    if status == "NOTRUN" or result == "SUPPRESSED":
        return SKIPPED, "disabled"
    if result == "SKIPPED" or case.get("skipped"):
        return SKIPPED, ""
    if status == "RUN" and result in ("COMPLETED", None):
        return PASSED, ""
    reading.ignored[f"status {as_text(status, 50)!r}, result {as_text(result, 50)!r}"] += 1
    return ERRORED, "notrun"
