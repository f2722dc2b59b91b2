"""Whatever the bytes: a report is read, or refused by the one error; nothing else comes out."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hotfire_infra.errors import ReportRefusedError
from hotfire_infra.ingest.formats.detection import detect, read_report
from hotfire_infra.ingest.formats.identity import test_id_of as identify
from hotfire_infra.ingest.formats.values import Format, Limits, Reading, ReportedTest

DATA = Path(__file__).parent / "data"
REPORTS = sorted(path.name for path in DATA.iterdir() if path.suffix != ".md")
LIMITS = Limits(depth=16, tests=5_000, token_bytes=200_000)
NASTY = (
    b"\x00", b"\x1b[0m", b"\xff", b"<", b">", b"&", b"]]>", b"<!DOCTYPE a>", b"<testcase/>", b"</testsuite>",
    b'"', b"{", b"}", b"[", b"]", b",", b"null", b"NaN", b"-1", b"1e999", b"\n", b"1..0\n", b"Bail out!\n",
    b"\n    ok 1\n", b"true", b"[" * 3_000, b'"\\ud800"', b"9" * 400, b"\xef\xbb\xbf",
)  # fmt: skip


def consume(path, kind: Format) -> None:
    """Read to the end; every outcome and identifier is a legal one."""
    reading = Reading(file="f", format=kind, limits=LIMITS, metrics={"cells": "ignore"})
    with contextlib.suppress(ReportRefusedError):
        for item in read_report(path, reading):
            test = item if isinstance(item, ReportedTest) else item.test
            assert test.outcome in ("passed", "failed", "skipped", "errored")
            assert identify(test, "r")


def mutated(draw: random.Random, content: bytes) -> bytes:
    """Cut, repeat, overwrite and insert."""
    data = bytearray(content)
    for _ in range(draw.randint(1, 6)):
        at = draw.randrange(len(data) + 1)
        kind = draw.randrange(5)
        if kind == 0:
            del data[at:]
        elif kind == 1:
            del data[at : at + draw.randint(1, 200)]
        elif kind == 2:
            data[at:at] = draw.choice(NASTY)
        elif kind == 3:
            data[at:at] = data[at : at + draw.randint(1, 500)]
        elif data:
            data[min(at, len(data) - 1)] = draw.randrange(256)
    return bytes(data)


@pytest.mark.parametrize("name", REPORTS)
def test_a_damaged_report_is_read_or_refused(tmp_path, name):
    draw = random.Random(name)
    kind = detect(DATA / name, name)
    content = (DATA / name).read_bytes()
    path = tmp_path / "report"
    for _ in range(150):
        path.write_bytes(mutated(draw, content))
        consume(path, kind)


@pytest.mark.parametrize("kind", Format)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300) | st.lists(st.sampled_from(NASTY)).map(b"".join))
def test_any_bytes_are_read_or_refused(tmp_path, kind, content):
    path = tmp_path / "report"
    path.write_bytes(content)
    consume(path, kind)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = (
    *("testsuites", "testsuite", "name", "status", "result"),
    *("failures", "skipped", "time", "benchmarks", "run_type"),
    *("real_time", "cpu_time", "time_unit", "iterations", "threads"),
    *("stats", "data", "median", "params", "fullname"),
    *("results", "result_columns", "version", "samples", "$report_type"),
    *("nodeid", "when", "outcome", "longrepr", "sections"),
    *("user_properties", "duration", "context", "error_occurred"),
)


@pytest.mark.parametrize("kind", [k for k in Format if k not in (Format.JUNIT, Format.TAP)])
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.recursive(
        json_values,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6)
        ),
        max_leaves=20,
    )
)
def test_the_right_words_with_wrong_types_are_read_or_refused(tmp_path, kind, value):
    import json

    path = tmp_path / "report"
    path.write_text(json.dumps(value) + "\n")
    consume(path, kind)
