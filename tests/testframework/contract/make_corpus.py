# ruff: noqa: E501 - one record, one line
"""Write the golden corpus of streams: `python make_corpus.py`. Committed files are read by every later version."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "corpus"
DIGEST = hashlib.sha256(b"definition").hexdigest()
TESTS = [
    "aestus.kernels/native/gemm.f32:m=1,n=1,k=1,data=exact,seed=1",
    "suites.accuracy/pytest/test_[é]",
]


def line(version: int, seq: int, kind: str, /, **body: Any) -> bytes:
    clock = "mono_ns" if version else "t_ns"
    return (
        json.dumps(
            {"v": version, "seq": seq, "kind": kind, clock: seq * 1000, **body},
            separators=(",", ":"),
        ).encode()
        + b"\n"
    )


def with_manifest(
    version: int, lines: list[bytes], tests: int, collected: int, exit_code: int
) -> bytes:
    data = b"".join(lines)
    digest = hashlib.sha256(data).hexdigest()
    count = len(lines)
    return data + line(
        version,
        count + 1,
        "manifest",
        count=count,
        tests=tests,
        collected=collected,
        sha256=digest,
        exit_code=exit_code,
    )


def session(version: int) -> bytes:
    return line(
        version,
        1,
        "session",
        attempt="01ARZ3NDEKTSV4RRFFQ69G5FAV",
        runner_version="1",
        boot_id="b",
        pid=7,
        wall_ns=1,
        python="3.11.2",
    )


def every_kind() -> bytes:
    point = {
        "metric": "aestus.decode_rate",
        "version": 1,
        "unit": "token/s",
        "value": 2.0,
        "test": TESTS[1],
        "estimator": "median",
    }
    sample = {
        "task": "t",
        "dataset": DIGEST,
        "item": "1",
        "prompt": DIGEST,
        "decode_seed": 0,
        "outcome": 1,
        "score": 0.5,
    }
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("phase", {"phase": "setup", "state": "begin"}),
        ("environment", {"values": {"os": "Linux", "governor": {"absent": True}, "clock": {"unreadable": "EACCES"}}, "moment": {}}),
        ("phase", {"phase": "setup", "state": "end"}),
        ("collected", {"harness": "cases", "tests": TESTS}),
        ("test_start", {"test": TESTS[0], "try": 1}),
        ("test_attempt", {"test": TESTS[0], "try": 1, "outcome": "failed", "failure_class": "product", "duration_ns": 5, "message": "m", "metrics": {"max_ulp": "inf"}}),
        ("test_start", {"test": TESTS[1], "try": 1}),
        ("measurement", {**point, "replicates": [1.0, 2.0, 3.0], "launches": [0, 1, 2], "inner": 8, "probe": {"metric": "probe.read_bandwidth", "value": 4e10}, "canary": 0.1, "valid": True, "definition": DIGEST}),
        ("accuracy_sample", sample),
        ("test_attempt", {"test": TESTS[1], "try": 1, "outcome": "passed", "duration_ns": 6}),
        ("coverage", {"suite": "s", "language": "c++", "files": [{"path": "a.cpp", "sha256": DIGEST, "executable": "0f", "hit": "03"}]}),
        ("artifact", {"name": "a.tar.gz", "path": "artifacts/a.tar.gz", "sha256": DIGEST, "size": 1, "media_type": "application/gzip"}),
        ("problem", {"what": "w", "detail": "d"}),
        ("telemetry_of_the_future", {"anything": [1, None]}),
    ]  # fmt: skip
    lines = [
        session(1),
        *(line(1, seq, kind, **body) for seq, (kind, body) in enumerate(bodies, start=2)),
    ]
    return with_manifest(1, lines, 2, 2, 10)


def version_0() -> bytes:
    lines = [
        session(0),
        line(0, 2, "collected", harness="cases", tests=TESTS[:1]),
        line(0, 3, "start", id=TESTS[0]),
        line(0, 4, "result", id=TESTS[0], outcome="passed", duration_ns=5),
    ]
    return with_manifest(0, lines, 1, 1, 0)


def with_evidence() -> bytes:
    """An attempt that was killed: what its runner saw, and a witness of a later version."""
    seen = {"what": "xid", "class": "infra-device", "source": "kernel", "confidence": 0.95}
    later = {"what": "omen", "class": "infra-cosmos", "source": "star", "confidence": 1, "more": []}
    lines = [
        session(1),
        line(1, 2, "collected", harness="cases", tests=TESTS[:1]),
        line(1, 3, "test_start", test=TESTS[0], **{"try": 1}),
        line(1, 4, "evidence", **seen, detail="Xid 79", device="GPU-1", test=TESTS[0]),
        line(1, 5, "evidence", **later),
    ]
    return with_manifest(1, lines, 0, 1, 31)


def corpus() -> dict[str, bytes]:
    whole = every_kind()
    lines = whole.splitlines(keepends=True)
    return {
        "v1-every-kind.jsonl": whole,
        "v1-evidence.jsonl": with_evidence(),
        "v0-passed.jsonl": version_0(),
        "v1-killed.jsonl": b"".join(lines[:8]) + lines[8][:40],
        "v1-gap.jsonl": b"".join(lines[:5] + lines[6:]),
        "v1-doubled.jsonl": b"".join(lines[:6] + lines[2:]),
        "v1-garbage.jsonl": b"".join(lines[:5]) + b"\x00\xff not json\n" + b"".join(lines[5:]),
        "v1-tampered.jsonl": whole.replace(b'"outcome":"failed"', b'"outcome":"passed"'),
        "v2-from-the-future.jsonl": lines[0] + lines[1].replace(b'"v":1', b'"v":2'),
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, data in corpus().items():
        (FOLDER / name).write_bytes(data)
