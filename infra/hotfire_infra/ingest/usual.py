"""The kinds of records that make up nearly all of a stream, decoded straight into their fields.

A `Record` with a dictionary costs four times as much to make and to read. These say the same: they
have a record's attributes, and a body for whoever asks for one. What the decoder takes, right or
wrong, the contract takes with the same values; whatever it does not take is the contract's to judge.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, cast

import msgspec

from hotfire_testframework.contract.metrics import METRICS
from hotfire_testframework.contract.stream import LARGEST, Kind, Record, decode_record
from hotfire_testframework.errors import ContractError

_Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
_Seq = Annotated[int, msgspec.Meta(ge=1, le=LARGEST)]
_Figure = Annotated[int, msgspec.Meta(ge=-LARGEST, le=LARGEST)] | float
_ABSENT: Any = None
"""Of a field that need not be there; null is refused where it is, as by the contract."""


class _Usual(msgspec.Struct, forbid_unknown_fields=True, tag_field="kind", gc=False):
    """What all have; nothing in them can point back, so no collector looks at them."""

    kind: ClassVar[str]

    v: Literal[1]
    seq: _Seq
    mono_ns: int

    @property
    def body(self) -> dict[str, Any]:
        """What is particular to the kind, as a `Record` has it."""
        names = zip(self.__struct_fields__[3:], self.__struct_encode_fields__[3:], strict=True)
        values = {name: getattr(self, own) for own, name in names}
        return {name: value for name, value in values.items() if value is not None}

    def __getitem__(self, name: str) -> Any:
        return self.body[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return a field of the body or the default."""
        return self.body.get(name, default)


class Started(_Usual, tag=Kind.TEST_START.value):
    """A test begins."""

    kind: ClassVar[str] = Kind.TEST_START.value

    test: str
    number: _Count = msgspec.field(name="try")


class Ended(_Usual, tag=Kind.TEST_ATTEMPT.value):
    """One try of a test has a result."""

    kind: ClassVar[str] = Kind.TEST_ATTEMPT.value

    test: str
    number: _Count = msgspec.field(name="try")
    outcome: Literal["passed", "failed", "skipped", "errored"]
    duration_ns: _Count
    failure_class: str = _ABSENT
    message: str = _ABSENT
    detail: str = _ABSENT
    environment_class: str = _ABSENT
    params: dict[str, Any] = _ABSENT
    metrics: dict[str, Any] = _ABSENT


class Measured(_Usual, tag=Kind.MEASUREMENT.value):
    """A point of a series; whether its parts fit each other is asked apart, by `_check`."""

    kind: ClassVar[str] = Kind.MEASUREMENT.value

    metric: str
    version: _Count
    unit: str
    value: _Figure
    test: str
    estimator: str
    replicates: list[_Figure]
    launches: list[Any]
    inner: _Count
    valid: bool
    definition: str
    probe: dict[str, Any] = _ABSENT
    canary: _Figure = _ABSENT
    reason: str = _ABSENT


class Observed(_Usual, tag=Kind.ENVIRONMENT.value):
    """What the machine is."""

    kind: ClassVar[str] = Kind.ENVIRONMENT.value

    values: dict[str, Any]


AnyRecord = Record | Started | Ended | Measured | Observed
"""One record, however it was decoded."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """Records by how they were decoded, each kind in the order of its coming."""

    started: list[Started]
    ended: list[Ended]
    measured: list[Measured]
    observed: list[Observed]
    others: list[Record]


def sort_records(records: Iterable[AnyRecord]) -> Sorted:
    """Return the records of a batch; who looks through them again and again spends most on that."""
    by_kind = Sorted([], [], [], [], [])
    started, ended = by_kind.started.append, by_kind.ended.append
    for one in records:
        if type(one) is Started:
            started(one)
        elif type(one) is Ended:
            ended(one)
        elif type(one) is Measured:
            by_kind.measured.append(one)
        elif type(one) is Observed:
            by_kind.observed.append(one)
        else:
            by_kind.others.append(cast("Record", one))
    return by_kind


_DECODE: Callable[[bytes], Started | Ended | Measured | Observed] = msgspec.json.Decoder(
    Started | Ended | Measured | Observed
).decode
_NONE_OF_THEM = (msgspec.MsgspecError, UnicodeError, RecursionError)


def usual_records(content: bytes) -> tuple[list[AnyRecord], Sorted] | None:
    """Return the records of lines that are all right; None: look at each, for one of them is not."""
    found: list[AnyRecord] = []
    # One after the other: a line that is gone before the next comes stays in the caches.
    lines = io.BytesIO(content)
    try:
        while lines.tell() < len(content):
            try:
                # What comes before a line that is not taken stays in the list.
                found.extend(map(_DECODE, lines))
            except _NONE_OF_THEM:
                end = lines.tell()
                begin = content.rfind(b"\n", 0, end - 1) + 1
                found.append(decode_record(content[begin:end]))
        by_kind = sort_records(found)
        for one in by_kind.measured:
            _check(one)
    except ContractError:
        return None
    return found, by_kind


def usual_record(line: bytes) -> AnyRecord | None:
    """Return the record of one line; None: ask the contract."""
    try:
        found = _DECODE(line)
        if type(found) is Measured:
            _check(found)
    except (*_NONE_OF_THEM, ContractError):
        return None
    return found


def _check(one: Measured) -> None:
    """Raise ContractError where a part of a measurement, or its parts together, are not right."""
    METRICS.check(one.metric, one.unit, one.version)
    if len(one.launches) != len(one.replicates) or not _is_sha256(one.definition):
        raise ContractError("the contract says it in its own words")


@lru_cache(maxsize=1024)
def _is_sha256(text: str) -> bool:
    """Say whether a text is a digest; a benchmark's definition comes with each of its points."""
    return _SHA256.fullmatch(text) is not None


_SHA256 = re.compile(r"[0-9a-f]{64}")
_MEASURED = Measured.__struct_fields__[3:]


def measured_of(record: Record) -> Measured:
    """Return a checked measurement by its fields; what no version knows of it is left out."""
    fields = {name: record.body[name] for name in _MEASURED if name in record.body}
    return Measured(v=1, seq=record.seq, mono_ns=record.mono_ns, **fields)
