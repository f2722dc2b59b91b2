"""The result stream: kinds of records, their fields, and the check of one record.

A record is one line of JSON `{v, seq, kind, mono_ns, …}`; `seq` starts at 1 and has no gaps, so "acknowledged
up to n" is one number and 0 means nothing. Kinds this version does not know are kept as they are.

What is no record ends the stream: nothing behind it counts. A record that is one and that no store
can hold (a test identifier with fewer than two slashes, a name that is too long) is a problem of the
stream, stated with its reason: all others count, and the attempt cannot succeed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hotfire_testframework.contract.metrics import METRICS
from hotfire_testframework.errors import ContractError, DecodeError

VERSION = 1
READABLE_VERSIONS = (0, 1)
"""This version and the one before; a newer one is refused, never guessed at."""

FIRST_SEQ = 1
LINE_LIMIT = 8 << 20
"""A line longer than 8 MiB is refused: big content belongs into an artifact."""


class Kind(str, Enum):
    """Kinds of records."""

    SESSION = "session"
    PHASE = "phase"
    ENVIRONMENT = "environment"
    COLLECTED = "collected"
    TEST_START = "test_start"
    TEST_ATTEMPT = "test_attempt"
    MEASUREMENT = "measurement"
    ACCURACY_SAMPLE = "accuracy_sample"
    ARTIFACT = "artifact"
    COVERAGE = "coverage"
    PROBLEM = "problem"
    EVIDENCE = "evidence"
    REPORT = "report"
    MANIFEST = "manifest"

    __str__ = str.__str__


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One checked record; `body` holds what is particular to its kind."""

    seq: int
    kind: str
    mono_ns: int
    body: Mapping[str, Any]
    v: int = VERSION

    @property
    def is_known(self) -> bool:
        """Whether this version knows the kind."""
        return self.kind in _FIELDS

    def __getitem__(self, name: str) -> Any:
        return self.body[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return a field of the body or the default."""
        return self.body.get(name, default)


Check = Callable[[object], bool]
LARGEST = 2**63 - 1
"""Of an integer: what a database holds."""
_LONE = b"\\ud"


def _text(value: object) -> bool:
    return type(value) is str


def _count(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST


def _integer(value: object) -> bool:
    return type(value) is int and -LARGEST <= value <= LARGEST


def _number(value: object) -> bool:
    """A figure that can be compared: text for "not a number" would be written and never read."""
    return _integer(value) or (type(value) is float and math.isfinite(value))


def _share(value: object) -> bool:
    return _number(value) and 0 <= value <= 1  # type: ignore[operator]


def _truth(value: object) -> bool:
    return type(value) is bool


def _mapping(value: object) -> bool:
    return type(value) is dict


def _texts(value: object) -> bool:
    return type(value) is list and all(type(item) is str for item in value)


def _numbers(value: object) -> bool:
    return type(value) is list and all(_number(item) for item in value)


def _list(value: object) -> bool:
    return type(value) is list


def _one_of(*allowed: object) -> Check:
    def is_allowed(value: object) -> bool:
        return any(value == item and type(value) is type(item) for item in allowed)

    return is_allowed


_SHA256 = re.compile(r"[0-9a-f]{64}")


def _sha256(value: object) -> bool:
    return type(value) is str and _SHA256.fullmatch(value) is not None


def _confined(value: object) -> bool:
    return (
        type(value) is str
        and value != ""
        and value[0] != "/"
        and "\\" not in value
        and ".." not in value.split("/")
    )


_OUTCOME = _one_of("passed", "failed", "skipped", "errored")

# kind → field → (check, required, what is expected)
_FIELDS: dict[str, dict[str, tuple[Check, bool, str]]] = {
    Kind.SESSION.value: {
        "attempt": (_text, True, "a ULID"),
        "runner_version": (_text, True, "text"),
        "boot_id": (_text, True, "text"),
        "pid": (_count, True, "a process id"),
        "wall_ns": (_count, True, "nanoseconds"),
        "python": (_text, True, "text"),
    },
    Kind.PHASE.value: {
        "phase": (_one_of("setup", "run", "teardown"), True, "setup, run or teardown"),
        "state": (_one_of("begin", "end"), True, "begin or end"),
        "exit_code": (_integer, False, "an integer"),
        "reason": (_text, False, "text"),
    },
    Kind.ENVIRONMENT.value: {"values": (_mapping, True, "an object")},
    Kind.COLLECTED.value: {
        "harness": (_text, True, "text"),
        "tests": (_texts, True, "a list of test identifiers"),
    },
    Kind.TEST_START.value: {
        "test": (_text, True, "a test identifier"),
        "try": (_count, True, "a number from 1"),
    },
    Kind.TEST_ATTEMPT.value: {
        "test": (_text, True, "a test identifier"),
        "try": (_count, True, "a number from 1"),
        "outcome": (_OUTCOME, True, "passed, failed, skipped or errored"),
        "duration_ns": (_count, True, "nanoseconds"),
        "failure_class": (_text, False, "a failure class"),
        "message": (_text, False, "text"),
        "detail": (_text, False, "text"),
        "params": (_mapping, False, "an object"),
        "metrics": (_mapping, False, "an object"),
        "environment_class": (_text, False, "text"),
    },
    Kind.MEASUREMENT.value: {
        "metric": (_text, True, "a registered metric"),
        "version": (_count, True, "the metric's version"),
        "unit": (_text, True, "the metric's unit"),
        "value": (_number, True, "a number"),
        "test": (_text, True, "a test identifier"),
        "estimator": (_text, True, "text"),
        "replicates": (_numbers, True, "a list of numbers"),
        "launches": (_list, True, "a list of process indices"),
        "inner": (_count, True, "a count"),
        "probe": (_mapping, False, "an object"),
        "canary": (_number, False, "a number"),
        "valid": (_truth, True, "true or false"),
        "reason": (_text, False, "text"),
        "definition": (_sha256, True, "a sha256"),
    },
    Kind.ACCURACY_SAMPLE.value: {
        "task": (_text, True, "text"),
        "dataset": (_text, True, "a digest"),
        "item": (_text, True, "text"),
        "prompt": (_text, True, "a digest"),
        "decode_seed": (_integer, True, "an integer"),
        "outcome": (_one_of(0, 1, "errored"), True, '0, 1 or "errored"'),
        "score": (_number, False, "a number"),
        "blob": (_text, False, "an artifact's name"),
        "test": (_text, False, "a test identifier"),
    },
    Kind.ARTIFACT.value: {
        "name": (_text, True, "text"),
        "path": (_confined, True, "a relative path that stays inside"),
        "sha256": (_sha256, True, "a sha256"),
        "size": (_count, True, "bytes"),
        "media_type": (_text, True, "text"),
    },
    Kind.COVERAGE.value: {
        "suite": (_text, True, "text"),
        "language": (_text, True, "text"),
        "files": (_list, True, "a list"),
    },
    Kind.PROBLEM.value: {"what": (_text, True, "text"), "detail": (_text, False, "text")},
    Kind.EVIDENCE.value: {
        "what": (_text, True, "a kind of evidence"),
        "class": (_text, True, "a failure class"),
        "source": (_text, True, "text"),
        "confidence": (_share, True, "a number from 0 to 1"),
        "detail": (_text, False, "text"),
        "device": (_text, False, "a device's identity"),
        "test": (_text, False, "a test identifier"),
    },
    Kind.REPORT.value: {
        "path": (_text, True, "where the command was to write it"),
        "format": (_text, True, "a format of reports"),
        "exit_code": (_integer, True, "an exit code"),
        "artifact": (_text, False, "an artifact's name"),
    },
    Kind.MANIFEST.value: {
        "count": (_count, True, "the number of records before it"),
        "tests": (_count, True, "the number of tests with a result"),
        "collected": (_count, True, "the number of tests collected"),
        "sha256": (_sha256, True, "a sha256"),
        "exit_code": (_integer, True, "an exit code"),
    },
}

_HEADER = ("v", "seq", "kind", "mono_ns")


def check_body(kind: str, body: Mapping[str, Any]) -> None:
    """Check the fields of a known kind; further fields and unknown kinds pass, since they are kept."""
    for name, (check, is_required, expected) in _FIELDS.get(kind, {}).items():
        if name not in body:
            if is_required:
                raise DecodeError(f"{kind}.{name}", "nothing", expected)
        elif not check(body[name]):
            raise DecodeError(f"{kind}.{name}", body[name], expected)
    if kind == Kind.MEASUREMENT.value:
        METRICS.check(body["metric"], body["unit"], body["version"])
        if len(body["launches"]) != len(body["replicates"]):
            raise DecodeError(
                "measurement.launches",
                body["launches"],
                f"one per replicate ({len(body['replicates'])})",
            )


def encode_record(seq: int, kind: str, mono_ns: int, body: Mapping[str, Any]) -> bytes:
    """Return the line of a record, newline included; non-finite floats become strings."""
    record = {"v": VERSION, "seq": seq, "kind": str.__str__(kind), "mono_ns": mono_ns, **body}
    try:
        text = json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(
            _finite(record), ensure_ascii=True, allow_nan=False, separators=(",", ":")
        )
    return text.encode("ascii") + b"\n"


def _finite(value: object) -> object:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return repr(value)
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def decode_record(line: bytes) -> Record:
    """Return one checked record of version N or N−1, in the form of version N."""
    try:
        value = json.loads(line)
        if _LONE in line:
            value = _without_lone_surrogates(value)
    except (ValueError, RecursionError) as error:
        raise ContractError(f"a line is no JSON: {line[:80]!r} ({error})") from error
    if type(value) is not dict:
        raise DecodeError("record", value, "an object")
    version = value.get("v")
    if version not in READABLE_VERSIONS or type(version) is not int:
        raise DecodeError(
            "v", version, f"one of {READABLE_VERSIONS}: a newer stream needs a newer reader"
        )
    if version == 0:
        value = _upgrade_from_0(value)
    seq, kind, mono_ns = value.get("seq"), value.get("kind"), value.get("mono_ns")
    if type(seq) is not int or seq < FIRST_SEQ:
        raise DecodeError("seq", seq, f"an integer from {FIRST_SEQ}")
    if type(kind) is not str or not kind:
        raise DecodeError("kind", kind, "text")
    if type(mono_ns) is not int:
        raise DecodeError("mono_ns", mono_ns, "an integer")
    body = {name: item for name, item in value.items() if name not in _HEADER}
    check_body(kind, body)
    return Record(v=version, seq=seq, kind=kind, mono_ns=mono_ns, body=body)


def _without_lone_surrogates(value: Any) -> Any:
    """Put U+FFFD for halves of a character: JSON can say them, no file and no database can."""
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _upgrade_from_0(value: dict[str, Any]) -> dict[str, Any]:
    """Rename what version 0 (the drafts before the first release) called otherwise."""
    renamed = {_NAMES_OF_0.get(name, name): item for name, item in value.items()}
    kind = renamed.get("kind")
    # Whatever is no string goes on to be refused by name.
    renamed["kind"] = _KINDS_OF_0.get(kind, kind) if isinstance(kind, str) else kind
    if renamed["kind"] == Kind.TEST_START.value or renamed["kind"] == Kind.TEST_ATTEMPT.value:
        renamed.setdefault("try", 1)
    return renamed


# Version 0 counted no tries and used shorter names.
_NAMES_OF_0 = {"t_ns": "mono_ns", "id": "test"}
_KINDS_OF_0 = {"start": "test_start", "result": "test_attempt"}
