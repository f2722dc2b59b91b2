"""Reports as JSON and back, unchanged: what the service sends and a client far away prints.

The types are those of `analysis.report` and `analysis.history`, so that a field added there travels.
"""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any

from pydantic import TypeAdapter


def to_plain(value: Any) -> Any:
    """Return JSON values; figures that JSON has not become texts, which `from_plain` reads."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_plain(item) for item in value]
    return value


def encode(value: Any) -> bytes:
    """Return a report as JSON."""
    return json.dumps(to_plain(value), ensure_ascii=False, allow_nan=False).encode()


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def decode(kind: Any, content: bytes) -> Any:
    """Return a report of a type from its JSON; ValueError where it does not fit."""
    return _adapter(kind).validate_json(content)


def from_plain(kind: Any, value: Any) -> Any:
    """Return a value of a type from JSON values; ValueError where they do not fit."""
    return _adapter(kind).validate_python(value)
