"""Variant: the planned axes of a result, and the hash that joins history, flakes and series."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import NewType

from hotfire_testframework.errors import IdentifierError

VariantHash = NewType("VariantHash", str)

EXECUTIONS = ("native", "emulated")
_KEY = re.compile(r"[a-z][a-z0-9_]*")
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


class Variant(Mapping[str, str]):
    """An immutable map of planned axes; `execution` is mandatory, an axis at its default is left out by the planner."""

    __slots__ = ("_axes", "_hash")

    def __init__(self, axes: Mapping[str, str]) -> None:
        self._axes = dict(sorted(axes.items()))
        for key, value in self._axes.items():
            _check_axis(key, value)
        if self._axes.get("execution") not in EXECUTIONS:
            raise IdentifierError(
                f"variant {self._axes!r}: execution must be one of {', '.join(EXECUTIONS)}"
            )
        self._hash = variant_hash(self._axes)

    @property
    def hash(self) -> VariantHash:
        """sha256 (hex) of the sorted `k:v` lines."""
        return self._hash

    def __getitem__(self, key: str) -> str:
        return self._axes[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._axes)

    def __len__(self) -> int:
        return len(self._axes)

    def __hash__(self) -> int:
        return hash(self._hash)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Variant) and other._hash == self._hash

    def __repr__(self) -> str:
        return f"Variant({self._axes!r})"


def variant_hash(axes: Mapping[str, str]) -> VariantHash:
    """Return sha256 hex over the sorted `k:v\\n` lines in UTF-8."""
    lines = sorted(f"{key}:{value}\n".encode() for key, value in axes.items())
    return VariantHash(hashlib.sha256(b"".join(lines)).hexdigest())


def _check_axis(key: str, value: str) -> None:
    if not _KEY.fullmatch(key):
        raise IdentifierError(f"variant: axis {key!r} must match [a-z][a-z0-9_]*")
    if not value or _CONTROL.search(value):
        raise IdentifierError(
            f"variant: axis {key} has the value {value!r}; it must be a non-empty string without control characters"
        )
