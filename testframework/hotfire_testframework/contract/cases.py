"""The case line `op.dtype:k=v,…,seed=n` of a kernel test: one spelling per case, parse ∘ print = identity."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hotfire_testframework.errors import IdentifierError

CaseValue = int | str

_WORD = re.compile(r"[a-z][a-z0-9_]*")
_TEXT = re.compile(r"[a-z0-9_]+")
_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_DIGITS = re.compile(r"-?[0-9]+")
_SEED_LIMIT = 1 << 64


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseLine:
    """One kernel case; `parameters` keep the order the operator declares and end with `seed`."""

    op: str
    dtype: str
    parameters: tuple[tuple[str, CaseValue], ...]

    def __post_init__(self) -> None:
        for field, word in (("op", self.op), ("dtype", self.dtype)):
            if not _WORD.fullmatch(word):
                raise IdentifierError(f"case line: {field} {word!r} must match [a-z][a-z0-9_]*")
        keys = [key for key, _ in self.parameters]
        if len(set(keys)) != len(keys):
            raise IdentifierError(f"case line {self}: a key appears twice")
        if not keys or keys[-1] != "seed":
            raise IdentifierError(f"case line {self}: the last key must be seed")
        if not 0 <= self.seed < _SEED_LIMIT:
            raise IdentifierError(f"case line {self}: seed must be an integer in 0..2^64-1")

    def __str__(self) -> str:
        return f"{self.op}.{self.dtype}:" + ",".join(
            f"{key}={value}" for key, value in self.parameters
        )

    def __getitem__(self, key: str) -> CaseValue:
        for name, value in self.parameters:
            if name == key:
                return value
        raise KeyError(key)

    @property
    def seed(self) -> int:
        """Seed of the Philox streams that make the inputs."""
        value = self.parameters[-1][1]
        return value if isinstance(value, int) else -1

    def integer(self, key: str) -> int:
        """Return a parameter that must be an integer."""
        value = self[key]
        if not isinstance(value, int):
            raise IdentifierError(f"case line {self}: {key}={value!r} is no integer")
        return value

    def text(self, key: str) -> str:
        """Return a parameter that must be a word."""
        value = self[key]
        if not isinstance(value, str):
            raise IdentifierError(f"case line {self}: {key}={value!r} is no word")
        return value

    @classmethod
    def parse(cls, text: str) -> CaseLine:
        """Parse a case line; any spelling other than the canonical one is refused."""
        head, colon, tail = text.partition(":")
        op, dot, dtype = head.partition(".")
        if not colon or not dot:
            raise IdentifierError(f"case line {text!r} is not op.dtype:k=v,…,seed=n")
        return cls(
            op=op,
            dtype=dtype,
            parameters=tuple(_parse_parameter(part, text) for part in tail.split(",")),
        )


def read_case_lines(lines: Iterable[str]) -> Iterator[CaseLine]:
    """Yield the cases of a case file: one per line, `#` starts a comment line, empty lines are skipped."""
    for line in lines:
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield CaseLine.parse(stripped)


def _parse_parameter(part: str, line: str) -> tuple[str, CaseValue]:
    key, equals, value = part.partition("=")
    if not equals or not _WORD.fullmatch(key):
        raise IdentifierError(f"case line {line!r}: {part!r} is not key=value")
    if _INTEGER.fullmatch(value):
        return key, int(value)
    if _DIGITS.fullmatch(value):
        raise IdentifierError(f"case line {line!r}: {key}={value!r} is not the canonical decimal")
    if not _TEXT.fullmatch(value):
        raise IdentifierError(f"case line {line!r}: {key}={value!r} must match [a-z0-9_]+")
    return key, value
