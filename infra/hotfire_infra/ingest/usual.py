"""The two kinds of records that make up nearly all of a stream, decoded straight into their fields.

A `Record` with a dictionary costs four times as much to make and to read. These say the same: they
have a record's attributes, and a body for whoever asks for one. What the decoder takes, right or
wrong, the contract takes with the same values; whatever it does not take is the contract's to judge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from hotfire_testframework.contract.stream import LARGEST, Kind, Record

_Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
_Seq = Annotated[int, msgspec.Meta(ge=1, le=LARGEST)]
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


AnyRecord = Record | Started | Ended
"""One record, however it was decoded."""

_DECODE: Callable[[bytes], Started | Ended] = msgspec.json.Decoder(Started | Ended).decode


def usual_records(lines: list[bytes]) -> list[Started | Ended] | None:
    """Return the records of lines that are all of the usual kinds; None: look at each."""
    try:
        return [*map(_DECODE, lines)]
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def usual_record(line: bytes) -> Started | Ended | None:
    """Return the record of one line; None: ask the contract."""
    try:
        return _DECODE(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
