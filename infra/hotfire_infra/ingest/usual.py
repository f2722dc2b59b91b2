"""The two kinds of records that make up nearly all of a stream, decoded straight into their fields.

A `Record` with a dictionary costs four times as much to make and to read. These say the same: they
have a record's attributes, and a body for whoever asks for one. What the decoder takes, right or
wrong, the contract takes with the same values; whatever it does not take is the contract's to judge.
A measurement, the third most frequent, and an environment are decoded here too, and are each a
`Record` from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from hotfire_testframework.contract.metrics import METRICS
from hotfire_testframework.contract.stream import LARGEST, Kind, Record, decode_record
from hotfire_testframework.errors import ContractError

_Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
_Seq = Annotated[int, msgspec.Meta(ge=1, le=LARGEST)]
_Figure = Annotated[int, msgspec.Meta(ge=-LARGEST, le=LARGEST)] | float
_Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_ABSENT: Any = None
"""Of a field that need not be there; null is refused where it is, as by the contract."""


class _Usual(msgspec.Struct, forbid_unknown_fields=True, tag_field="kind", gc=False):
    """What both kinds have; nothing in them can point back, so no collector looks at them."""

    kind: ClassVar[str]

    v: Literal[1]
    seq: _Seq
    mono_ns: int
    test: str
    number: _Count = msgspec.field(name="try")

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


class Ended(_Usual, tag=Kind.TEST_ATTEMPT.value):
    """One try of a test has a result."""

    kind: ClassVar[str] = Kind.TEST_ATTEMPT.value

    outcome: Literal["passed", "failed", "skipped", "errored"]
    duration_ns: _Count
    failure_class: str = _ABSENT
    message: str = _ABSENT
    detail: str = _ABSENT
    environment_class: str = _ABSENT
    params: dict[str, Any] = _ABSENT
    metrics: dict[str, Any] = _ABSENT


class _Measured(msgspec.Struct, forbid_unknown_fields=True, tag_field="kind",
                tag=Kind.MEASUREMENT.value, gc=False):  # fmt: skip
    """A point of a series; `_whole` makes a `Record` of it."""

    v: Literal[1]
    seq: _Seq
    mono_ns: int
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
    definition: _Sha256
    probe: dict[str, Any] = _ABSENT
    canary: _Figure = _ABSENT
    reason: str = _ABSENT


class _Observed(msgspec.Struct, forbid_unknown_fields=True, tag_field="kind",
                tag=Kind.ENVIRONMENT.value, gc=False):  # fmt: skip
    """What the machine is; `_whole` makes a `Record` of it."""

    v: Literal[1]
    seq: _Seq
    mono_ns: int
    values: dict[str, Any]


AnyRecord = Record | Started | Ended
"""One record, however it was decoded."""

_DECODE: Callable[[bytes], Started | Ended | _Measured | _Observed] = msgspec.json.Decoder(
    Started | Ended | _Measured | _Observed
).decode
_NONE_OF_THEM = (msgspec.MsgspecError, UnicodeError, RecursionError)


def usual_records(lines: list[bytes]) -> list[AnyRecord] | None:
    """Return the records of lines that are all right; None: look at each, for one of them is not."""
    found: list[Any] = []
    rest = iter(lines)
    try:
        while len(found) < len(lines):
            try:
                # What comes before a line that is not taken stays in the list.
                found.extend(map(_DECODE, rest))
            except _NONE_OF_THEM:
                found.append(decode_record(lines[len(found)] + b"\n"))
        return [one if type(one) is Started or type(one) is Ended else _whole(one) for one in found]
    except ContractError:
        return None


def usual_record(line: bytes) -> AnyRecord | None:
    """Return the record of one line; None: ask the contract."""
    try:
        found = _DECODE(line)
        return _whole(found)
    except (*_NONE_OF_THEM, ContractError):
        return None


def _whole(one: AnyRecord | _Measured | _Observed) -> AnyRecord:
    """Return what is not usual enough as its record; ContractError where its parts do not fit."""
    if isinstance(one, _Observed):
        body: dict[str, Any] = {"values": one.values}
        return Record(seq=one.seq, kind=Kind.ENVIRONMENT.value, mono_ns=one.mono_ns, body=body)
    if not isinstance(one, _Measured):
        return one
    METRICS.check(one.metric, one.unit, one.version)
    if len(one.launches) != len(one.replicates):
        raise ContractError("the contract says it in its own words")
    body = {
        name: value
        for name in _MEASURED
        if (value := getattr(one, name)) is not None
    }  # fmt: skip
    return Record(seq=one.seq, kind=Kind.MEASUREMENT.value, mono_ns=one.mono_ns, body=body)


_MEASURED = _Measured.__struct_fields__[3:]
