"""Stream records become rows: one function per kind, one batch per transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, update

from hotfire_infra.action_digest import observed_digest
from hotfire_infra.ingest.context import AttemptContext
from hotfire_infra.store import results
from hotfire_infra.store.dictionaries import intern_environment, intern_messages, intern_tests
from hotfire_infra.store.models import Attempt
from hotfire_testframework.contract.stream import Kind, Record

_STORED_ELSEWHERE = {
    Kind.ENVIRONMENT.value,
    Kind.COLLECTED.value,
    Kind.TEST_START.value,
    Kind.TEST_ATTEMPT.value,
    Kind.MEASUREMENT.value,
    Kind.ACCURACY_SAMPLE.value,
    Kind.ARTIFACT.value,
    Kind.COVERAGE.value,
}
"""All other kinds, known or not, are kept whole."""


# An enum's value costs a call, and these are asked for with every record.
_START = Kind.TEST_START.value
_ENDED = Kind.TEST_ATTEMPT.value
_COLLECTED = Kind.COLLECTED.value
_ENVIRONMENT = Kind.ENVIRONMENT.value
_NAMES_A_TEST = {
    Kind.TEST_ATTEMPT.value,
    Kind.MEASUREMENT.value,
    Kind.ACCURACY_SAMPLE.value,
}


def write_records(
    connection: Connection, context: AttemptContext, records: Sequence[Record]
) -> None:
    """Store a batch; artifacts are the caller's, since their files move first."""
    by_kind: dict[str, list[Record]] = {}
    for record in records:
        by_kind.setdefault(record.kind, []).append(record)
    tests = intern_tests(connection, _named_tests(records))
    _write_kept(connection, context, records)
    _write_collected(connection, context, by_kind.get(Kind.COLLECTED.value, ()), tests)
    _write_results(connection, context, by_kind.get(Kind.TEST_ATTEMPT.value, ()), tests)
    _write_measurements(connection, context, by_kind.get(Kind.MEASUREMENT.value, ()), tests)
    _write_samples(connection, context, by_kind.get(Kind.ACCURACY_SAMPLE.value, ()), tests)
    for record in by_kind.get(Kind.COVERAGE.value, ()):
        write_coverage(connection, context, record.body)
    for record in by_kind.get(Kind.ENVIRONMENT.value, ()):
        _write_environment(connection, context, record)


def in_flight_after(before: Sequence[str], records: Sequence[Record]) -> list[str]:
    """Return the tests that are started and not ended once `records` have come in."""
    started = dict.fromkeys(before)
    for record in records:
        if record.kind == _START:
            started[record["test"]] = None
        elif record.kind == _ENDED:
            started.pop(record["test"], None)
    return list(started)


def _named_tests(records: Sequence[Record]) -> Iterator[str]:
    for record in records:
        if record.kind == _COLLECTED:
            yield from record["tests"]
        elif record.kind in _NAMES_A_TEST and (test := record.body.get("test")):
            yield test


def _write_kept(connection: Connection, context: AttemptContext, records: Sequence[Record]) -> None:
    results.insert_rows(
        connection,
        results.RECORD,
        (
            (context.attempt_id, record.seq, record.kind, json.dumps(record.body))
            for record in records
            if record.kind not in _STORED_ELSEWHERE
        ),
    )
    results.insert_rows(
        connection,
        results.RECORD,
        (
            (context.attempt_id, record.seq, record.kind, json.dumps({"moment": record["moment"]}))
            for record in records
            if record.kind == _ENVIRONMENT and record.get("moment")
        ),
    )


def _write_collected(
    connection: Connection,
    context: AttemptContext,
    records: Sequence[Record],
    tests: Mapping[str, int],
) -> None:
    results.insert_rows(
        connection,
        results.COLLECTED,
        ((context.attempt_id, tests[test]) for record in records for test in record["tests"]),
    )


def _write_results(
    connection: Connection,
    context: AttemptContext,
    records: Sequence[Record],
    tests: Mapping[str, int],
) -> None:
    texts = [text for r in records for text in (r.get("message"), r.get("detail")) if text]
    messages = intern_messages(connection, texts)
    attempt_id, variant_id = context.attempt_id, context.variant_id
    rows = []
    # One loop without a call per field: this is the road of nearly all records.
    for record in records:
        body = record.body
        get = body.get
        message, detail, params, metrics = (
            get("message"),
            get("detail"),
            get("params"),
            get("metrics"),
        )
        rows.append(
            (
                attempt_id,
                record.seq,
                tests[body["test"]],
                variant_id,
                body["try"],
                body["outcome"],
                get("failure_class"),
                body["duration_ns"],
                messages[message] if message else None,
                messages[detail] if detail else None,
                get("environment_class"),
                json.dumps(params) if params else None,
                json.dumps(metrics) if metrics else None,
            )
        )
    results.insert_rows(connection, results.RESULT, rows)


def _write_measurements(
    connection: Connection,
    context: AttemptContext,
    records: Sequence[Record],
    tests: Mapping[str, int],
) -> None:
    results.insert_rows(
        connection,
        results.MEASUREMENT,
        (
            (
                context.month,
                context.attempt_id,
                record.seq,
                tests[record["test"]],
                context.variant_id,
                record["metric"],
                record["version"],
                record["unit"],
                float(record["value"]),
                record["estimator"],
                json.dumps(record["replicates"]),
                json.dumps(record["launches"]),
                record["inner"],
                record.get("probe", {}).get("metric"),
                record.get("probe", {}).get("value"),
                record.get("canary"),
                record["valid"],
                record.get("reason", ""),
                record["definition"],
            )
            for record in records
        ),
    )


def _write_samples(
    connection: Connection,
    context: AttemptContext,
    records: Sequence[Record],
    tests: Mapping[str, int],
) -> None:
    results.insert_rows(
        connection,
        results.ACCURACY_SAMPLE,
        (
            (
                context.attempt_id,
                record.seq,
                tests.get(record.get("test", "")),
                context.variant_id,
                record["task"],
                record["dataset"],
                record["item"],
                record["prompt"],
                record["decode_seed"],
                str(record["outcome"]),
                record.get("score"),
                record.get("blob"),
            )
            for record in records
        ),
    )


def write_coverage(
    connection: Connection, context: AttemptContext, body: Mapping[str, Any]
) -> None:
    """Store the bitmaps of a coverage record, or of an artifact with the same content."""
    results.insert_rows(
        connection,
        results.COVERAGE,
        (
            (
                context.run_id,
                context.attempt_id,
                body["suite"],
                context.platform,
                body["language"],
                file["path"],
                file["sha256"],
                bytes.fromhex(file["executable"]),
                bytes.fromhex(file["hit"]),
            )
            for file in body["files"]
        ),
    )


def _write_environment(connection: Connection, context: AttemptContext, record: Record) -> None:
    """Point the attempt to its environment; a later record of the same attempt replaces it."""
    environment_id = intern_environment(connection, record["values"])
    connection.execute(
        update(Attempt)
        .where(Attempt.id == context.attempt_id)
        .values(environment_id=environment_id, observed_digest=observed_digest(record["values"]))
    )
