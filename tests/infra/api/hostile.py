"""Uploads that nobody should send, from a seed: the same number is the same upload."""

import gzip
import json
import random
import zlib

HOSTILE_NAMES = (
    "../x", "a/../../x", "/etc/passwd", "a\\..\\x", "C:\\x", "C:x", "x\0y", "\u2025/x",
    "\uff0e\uff0e/\uff0fx", ". ./x", ".. /x", "", ".", "..", "a//b", "a/" * 90 + "x", "x" * 300,
    "x" * 2000, "\x1b[2Jx", "a\u202exslx.exe", "%2e%2e/x", "..%2fx", "con", "out.tar.gz",
)  # fmt: skip
WRONG = (
    None, True, -1, 0, 1 << 63, 1 << 70, 1.5, 1e308, "", "x", "\0", "\x1b[31m", "\ud800", [], {},
    [[]], {"a": {"b": None}}, "m/s/n", "ä" * 5000,
)  # fmt: skip
KINDS = (
    "session", "environment", "collected", "test_start", "test_attempt", "measurement", "artifact",
    "accuracy_sample", "manifest", "nobody knows", "",
)  # fmt: skip


def record(rng, seq):
    """Return one record, right or wrong in some places."""
    body = {
        "v": 1, "seq": seq, "kind": rng.choice(KINDS), "mono_ns": rng.randrange(1 << 40),
        "test": "m/s/n", "try": 1, "outcome": rng.choice(["passed", "failed"]), "duration_ns": 5,
        "tests": ["m/s/n"], "name": rng.choice(HOSTILE_NAMES), "size": 3, "sha256": "0" * 64,
    }  # fmt: skip
    for _ in range(rng.randrange(3)):
        body[rng.choice(list(body))] = rng.choice(WRONG)
    if rng.random() < 0.1:
        body.pop(rng.choice(list(body)))
    return body


def batch(rng):
    """Return the bytes of some records as JSON lines, with or without damage."""
    first = rng.choice([1, 1, 1, 2, 0, 1 << 40])
    lines = [record(rng, first + number) for number in range(rng.randrange(1, 6))]
    if rng.random() < 0.2:
        rng.shuffle(lines)
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return damaged(rng, content) if rng.random() < 0.5 else content


def damaged(rng, content):
    """Return content that was truncated, flipped, or has bytes in it that nobody expects."""
    for _ in range(rng.randrange(1, 3)):
        where = rng.randrange(len(content) + 1)
        content = rng.choice(
            [
                content[:where],
                content[:where] + bytes([rng.randrange(256)]) + content[where + 1 :],
                content[:where] + rng.choice([b"\0", b"\x1b[2J", b"\xff\xfe", b"\r", b"\xc3"])
                + content[where:],
                content[:where] + rng.randbytes(rng.randrange(40)) + content[where:],
                content + content,
            ]
        )  # fmt: skip
    return content


def deep(rng):
    """Return documents that are deep instead of long."""
    depth = rng.choice([50, 500, 5_000, 100_000])
    return rng.choice(
        [
            b"[" * depth, b'{"a":' * depth, b"[" * depth + b"]" * depth, b"\x91" * depth,
            b"\x81\xa1a" * depth, b"\xdf\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff",
            b"\xdb\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff\x01",
        ]
    )  # fmt: skip


_BOMBS = tuple(
    gzip.compress(byte * size, 9) for byte in (b"\0", b"[") for size in (4 << 20, 8 << 20)
)


def packed(rng, content):
    """Return content as gzip, or as something that says it is."""
    if rng.random() < 0.15:
        return rng.choice(_BOMBS)
    whole = gzip.compress(content, 1)
    return rng.choice(
        [
            whole, whole[: len(whole) // 2], whole + b"more", whole + whole, content,
            zlib.compress(content), b"\x1f\x8b" + rng.randbytes(30), b"", gzip.compress(whole),
        ]
    )  # fmt: skip


# --- reports of other tools -----------------------------------------------------------------------

LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(12))
    + "]><testsuite><testcase name='t'><failure>&m;</failure></testcase></testsuite>"
).encode()
FILES = (
    b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><testsuite><testcase name="t">'
    b"<failure>&e;</failure></testcase></testsuite>"
)
QUADRATIC = (
    b'<!DOCTYPE x [<!ENTITY e "' + b"x" * 20_000 + b'">]><testsuite><testcase name="t"><failure>'
    + b"&e;" * 2_000 + b"</failure></testcase></testsuite>"
)  # fmt: skip
JUNIT = (
    b'<?xml version="1.0"?><testsuites><testsuite name="s" tests="2"><testcase classname="c" '
    b'name="a" time="0.1"/><testcase classname="c" name="b"><failure message="m">t\xc3\xa4xt'
    b"</failure><system-out>o</system-out></testcase></testsuite></testsuites>"
)
GTEST = json.dumps(
    {"tests": 1, "testsuites": [{"name": "S", "testsuite": [
        {"name": "a", "status": "RUN", "result": "COMPLETED", "time": "0.1s"}]}]}
).encode()  # fmt: skip
GBENCH = json.dumps(
    {"context": {"library_build_type": "release"}, "benchmarks": [
        {"name": "b/1", "run_type": "iteration", "real_time": 1.0, "cpu_time": 1.0,
         "time_unit": "ns", "iterations": 10}]}
).encode()  # fmt: skip
TAP = b"TAP version 13\n1..2\nok 1 - a\nnot ok 2 - b\n  ---\n  message: m\n  ...\n"
REPORTLOG = (
    b'{"pytest_version": "9", "$report_type": "SessionStart"}\n'
    b'{"nodeid": "t.py::a", "when": "call", "outcome": "passed", "duration": 0.1, '
    b'"$report_type": "TestReport"}\n{"exitstatus": 0, "$report_type": "SessionFinish"}\n'
)
ASV = json.dumps(
    {"version": 2, "env_name": "e", "result_columns": ["result"], "results": {"b.t": [[1.0]]}}
).encode()
PYTEST_BENCHMARK = json.dumps(
    {"machine_info": {}, "benchmarks": [
        {"name": "b", "fullname": "t.py::b", "stats": {"mean": 1.0, "data": [1.0, 1.1]}}]}
).encode()  # fmt: skip
REPORTS = (JUNIT, GTEST, GBENCH, TAP, REPORTLOG, ASV, PYTEST_BENCHMARK)
TRAPS = (
    b'{"benchmarks": [{"name": "b", "real_time": 1, "cpu_time": 1, "time_unit": {}}]}',
    LAUGHS, FILES, QUADRATIC, b"", b"\0" * 4096, b"PK\x03\x04" + b"\0" * 100, b"1..999999999999\n",
    b"<testsuite>" * 50_000, b"<testsuite " + b"a='b' " * 50_000 + b"/>", b"<a>" + b"\xff" * 1000,
    b'{"testsuites":' * 5_000, b'{"benchmarks": [' + b"[" * 100_000, b"\xff\xfe" + b"<\0a\0",
    b'{"$report_type": ' + b"9" * 100_000 + b"}", b"not ok 1 " + b"\x1b[2J" * 10_000,
    b'{"testsuites": 1e999}', b'{"benchmarks": [{"real_time": NaN, "time_unit": "ns"}]}',
)  # fmt: skip


def report(rng):
    """Return a report that is whole, damaged, or a trap."""
    if rng.random() < 0.1:
        return rng.choice(TRAPS)
    content = rng.choice(REPORTS)
    if rng.random() < 0.3 and content.startswith(b"{"):
        return mistyped(rng, content)
    return damaged(rng, content)


def mistyped(rng, content):
    """Return a JSON document with one value of another type somewhere."""
    try:
        found = json.loads(content)
    except ValueError:
        return damaged(rng, content)
    here = found
    while isinstance(here, (dict, list)) and here:
        keys = list(here) if isinstance(here, dict) else range(len(here))
        key = rng.choice(list(keys))
        if rng.random() < 0.5 or not isinstance(here[key], (dict, list)):
            here[key] = rng.choice(WRONG)
            break
        here = here[key]
    return json.dumps(found).encode()


def seeded(number):
    """Return the source of chance of one upload."""
    return random.Random(f"hostile-{number}")
