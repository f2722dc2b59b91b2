"""Stream records become rows: one function per kind, one batch per transaction.

A record that no database can hold (a test without a scheme, a name that is too long) becomes a
problem of its stream; all others are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, itemgetter, lt
from typing import Any, cast

from sqlalchemy import Connection, Table, bindparam

from hotfire_infra.action_digest import observed_digest
from hotfire_infra.ingest.columns import json_text
from hotfire_infra.ingest.context import AttemptContext
from hotfire_infra.ingest.usual import Ended, Measured, Observed, Sorted, Started, measured_of
from hotfire_infra.store import results
from hotfire_infra.store.dictionaries import intern_environment, intern_messages, keys_of_tests
from hotfire_infra.store.models import Attempt
from hotfire_infra.store.names import LONGEST_NAME, fault_of_names, fault_of_test
from hotfire_infra.store.prepared import prepare
from hotfire_testframework.contract.stream import Kind, Record

# An enum's value costs a call, and these are asked for with every record.
_START = Kind.TEST_START.value
_ENDED = Kind.TEST_ATTEMPT.value
_OF_A_TEST = (_START, _ENDED)
_BY_TEST = itemgetter(1)
"""Of a row of `_write_ended`."""
_BY_SEQ = attrgetter("seq")
_COLLECTED = Kind.COLLECTED.value
_ENVIRONMENT = Kind.ENVIRONMENT.value

_STORED_ELSEWHERE = {
    _START,
    _ENDED,
    _COLLECTED,
    _ENVIRONMENT,
    Kind.MEASUREMENT.value,
    Kind.ACCURACY_SAMPLE.value,
    Kind.ARTIFACT.value,
    Kind.COVERAGE.value,
}
"""All other kinds, known or not, are kept whole."""

_OBSERVE = prepare(
    cast("Table", Attempt.__table__)
    .update()
    .where(Attempt.id == bindparam("the_id"))
    .values({name: bindparam(name) for name in ("environment_id", "observed_digest")})
)

Problem = tuple[int, str]
"""Number of a record and why it, or a part of it, is not stored."""


def write_records(
    connection: Connection, context: AttemptContext, records: Sorted
) -> list[Problem]:
    """Store a batch and return what of it cannot be; artifacts are the caller's: files move first."""
    by_kind: dict[str, list[Record]] = {}
    for record in records.others:
        kind = record.kind
        if kind in by_kind:
            by_kind[kind].append(record)
        else:
            by_kind[kind] = [record]
    problems: list[Problem] = []
    _write_ended(connection, context, records.ended, problems)
    told = by_kind.get(Kind.MEASUREMENT.value, ())
    measured = [*records.measured, *map(measured_of, told)] if told else records.measured
    _write_measurements(connection, context, measured, problems)
    seen = [*records.observed, *by_kind.get(_ENVIRONMENT, ())]
    for environment in sorted(seen, key=_BY_SEQ):
        _write_environment(connection, context, environment)
    if not by_kind:
        return problems
    _write_kept(connection, context, by_kind, problems)
    _write_collected(connection, context, by_kind.get(_COLLECTED, ()), problems)
    _write_results(connection, context, by_kind.get(_ENDED, ()), problems)
    _write_samples(connection, context, by_kind.get(Kind.ACCURACY_SAMPLE.value, ()), problems)
    for record in by_kind.get(Kind.COVERAGE.value, ()):
        reasons = write_coverage(connection, context, record.body)
        problems.extend((record.seq, reason) for reason in reasons)
    return problems


def in_flight_after(before: Sequence[str], records: Sorted) -> list[str]:
    """Return the tests that are started and not ended once `records` have come in.

    One that cannot be stored is none of them: its result will be a problem of the stream.
    """
    told = [one for one in records.others if one.kind in _OF_A_TEST]
    if not before and not told and _are_pairs(records.started, records.ended):
        return []
    begun = {one.test: one.seq for one in records.started}
    ended = {one.test: one.seq for one in records.ended}
    for one in told:
        last = begun if one.kind == _START else ended
        last[one["test"]] = max(one.seq, last.get(one["test"], 0))
    started = [(seq, test) for test, seq in begun.items() if ended.get(test, 0) < seq]
    return [name for name in before if name not in begun and name not in ended] + [
        name
        for _, name in sorted(started)
        if len(name) <= LONGEST_NAME or fault_of_test(name) is None
    ]


def _are_pairs(started: Sequence[Started], ended: Sequence[Ended]) -> bool:
    """Say whether each start has the end in its place behind it, of the same test: usually so."""
    if [one.test for one in started] != [one.test for one in ended]:
        return False
    return all(map(lt, [one.seq for one in started], [one.seq for one in ended]))


def _write_kept(
    connection: Connection,
    context: AttemptContext,
    by_kind: Mapping[str, Sequence[Record]],
    problems: list[Problem],
) -> None:
    rows: list[tuple[Any, ...]] = []
    for kind, records in by_kind.items():
        if kind in _STORED_ELSEWHERE:
            continue
        if (fault := fault_of_names("kind", kind)) is not None:
            problems.extend((record.seq, fault) for record in records)
            continue
        rows.extend((context.attempt_id, one.seq, kind, json_text(one.body)) for one in records)
    rows.extend(
        (context.attempt_id, one.seq, _ENVIRONMENT, json_text({"moment": one["moment"]}))
        for one in by_kind.get(_ENVIRONMENT, ())
        if one.get("moment")
    )
    results.insert_rows(connection, results.RECORD, rows)


def _write_collected(
    connection: Connection,
    context: AttemptContext,
    records: Sequence[Record],
    problems: list[Problem],
) -> None:
    for record in records:
        tests = record["tests"]
        keys = keys_of_tests(connection, tests)
        if None in keys:
            lost = [test for test, key in zip(tests, keys, strict=True) if key is None]
            reasons = "; ".join(fault_of_test(test) or "" for test in lost[:SHOWN_FAULTS])
            more = len(lost) - SHOWN_FAULTS
            reasons += f"; and {more} more" if more > 0 else ""
            problems.append((record.seq, f"collected: {reasons}"))
        rows = [(context.attempt_id, key) for key in keys if key is not None]
        results.insert_rows(connection, results.COLLECTED, rows)


SHOWN_FAULTS = 3
"""Of the tests that one collection names and that cannot be stored."""


def _write_results(
    connection: Connection,
    context: AttemptContext,
    records: Sequence[Record],
    problems: list[Problem],
) -> None:
    if not records:
        return
    bodies = [record.body for record in records]
    texts = [text for body in bodies if (text := body.get("message"))]
    texts += [text for body in bodies if (text := body.get("detail"))]
    messages = intern_messages(connection, texts)
    keys = keys_of_tests(connection, [body["test"] for body in bodies])
    rows: list[tuple[Any, ...]] = []
    add, key_of = rows.append, messages.get
    # One loop without a call of ours: this is the road of nearly all records.
    for record, body, test_id in zip(records, bodies, keys, strict=True):
        if test_id is None:
            problems.append((record.seq, fault_of_test(body["test"]) or ""))
            continue
        get = body.get
        params, metrics = get("params"), get("metrics")
        add(
            (
                record.seq,
                test_id,
                body["try"],
                body["outcome"],
                get("failure_class"),
                body["duration_ns"],
                # No text, none or an empty one, has no key.
                key_of(get("message")),  # type: ignore[arg-type]
                get("environment_class"),
                key_of(get("detail")),  # type: ignore[arg-type]
                json_text(params) if params else None,
                json_text(metrics) if metrics else None,
            )
        )
    shared = (context.attempt_id, context.variant_id)
    results.insert_rows(connection, results.WHOLE_RESULT, rows, shared)


def _write_ended(
    connection: Connection,
    context: AttemptContext,
    records: Sequence[Ended],
    problems: list[Problem],
) -> None:
    """Store results as `_write_results` does, from fields instead of bodies."""
    if not records:
        return
    more = {one.seq: one for one in records if one.detail or one.params or one.metrics}
    texts = [text for one in records if (text := one.message)]
    texts += [text for one in more.values() if (text := one.detail)]
    key_of = intern_messages(connection, texts).get
    keys = keys_of_tests(connection, [one.test for one in records])
    if None in keys:
        lost = [one for one, key in zip(records, keys, strict=True) if key is None]
        problems.extend((one.seq, fault_of_test(one.test) or "") for one in lost)
    rows: list[tuple[Any, ...]] = [
        (
            one.seq,
            test_id,
            one.number,
            one.outcome,
            one.failure_class,
            one.duration_ns,
            # No text, none or an empty one, has no key.
            key_of(one.message),
            one.environment_class,
        )
        for one, test_id in zip(records, keys, strict=True)
        if test_id is not None
    ]
    # Neighbours in the index of history: a statement then changes fewer pages.
    rows.sort(key=_BY_TEST)
    shared = (context.attempt_id, context.variant_id)
    if not more:
        results.insert_rows(connection, results.PLAIN_RESULT, rows, shared)
        return
    nothing = (None, None, None)
    whole = [row + (_rest_of(more[row[0]], key_of) if row[0] in more else nothing) for row in rows]
    results.insert_rows(connection, results.WHOLE_RESULT, whole, shared)


def _rest_of(one: Ended, key_of: Callable[[str], int | None]) -> tuple[Any, ...]:
    """Return what few results have: the key of the detail, params and metrics."""
    return (
        key_of(one.detail),
        json_text(one.params) if one.params else None,
        json_text(one.metrics) if one.metrics else None,
    )


def _write_measurements(
    connection: Connection,
    context: AttemptContext,
    records: Sequence[Measured],
    problems: list[Problem],
) -> None:
    if not records:
        return
    keys = keys_of_tests(connection, [one.test for one in records])
    rows = []
    for one, test_id in zip(records, keys, strict=True):
        fault = fault_of_names("estimator", one.estimator)
        if test_id is None or fault is not None:
            problems.append((one.seq, fault or fault_of_test(one.test) or ""))
            continue
        probe = one.probe or {}
        rows.append(
            (
                one.seq,
                test_id,
                context.variant_id,
                one.metric,
                one.version,
                one.unit,
                float(one.value),
                one.estimator,
                json_text(one.replicates),
                json_text(one.launches),
                one.inner,
                probe.get("metric"),
                probe.get("value"),
                one.canary,
                one.valid,
                one.reason or "",
                one.definition,
            )
        )
    shared = (context.month, context.attempt_id)
    results.insert_rows(connection, results.MEASUREMENT, rows, shared)


def _write_samples(
    connection: Connection,
    context: AttemptContext,
    records: Sequence[Record],
    problems: list[Problem],
) -> None:
    # A sample need not belong to a test.
    named = [one for one in records if one.body.get("test")]
    keys = keys_of_tests(connection, [one.body["test"] for one in named])
    tests = {one.seq: key for one, key in zip(named, keys, strict=True)}
    rows = []
    for record in records:
        body = record.body
        fault = fault_of_names("item", body["task"], body["dataset"], body["item"])
        if fault is None and tests.get(record.seq, 0) is None:
            fault = fault_of_test(body["test"])
        if fault is not None:
            problems.append((record.seq, fault))
            continue
        rows.append(
            (
                context.attempt_id,
                record.seq,
                tests.get(record.seq),
                context.variant_id,
                body["task"],
                body["dataset"],
                body["item"],
                body["prompt"],
                body["decode_seed"],
                str(body["outcome"]),
                body.get("score"),
                body.get("blob"),
            )
        )
    results.insert_rows(connection, results.ACCURACY_SAMPLE, rows)


def write_coverage(
    connection: Connection, context: AttemptContext, body: Mapping[str, Any]
) -> list[str]:
    """Store the bitmaps of a coverage record, or of an artifact with the same content.

    Return why some files are not stored: their names are too long.
    """
    rows: list[tuple[Any, ...]] = []
    faults: list[str] = []
    for file in body["files"]:
        names = (body["suite"], body["language"], file["path"])
        if (fault := fault_of_names("path", *names)) is not None:
            faults.append(fault)
            continue
        rows.append(
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
        )
    results.insert_rows(connection, results.COVERAGE, rows)
    return faults[:SHOWN_FAULTS]


def _write_environment(
    connection: Connection, context: AttemptContext, record: Record | Observed
) -> None:
    """Point the attempt to its environment; a later record of the same attempt replaces it."""
    _OBSERVE.run(
        connection,
        the_id=context.attempt_id,
        environment_id=intern_environment(connection, record["values"]),
        observed_digest=observed_digest(record["values"]),
    )
