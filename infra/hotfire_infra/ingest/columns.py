"""The text of a JSON column: msgspec writes it, five times as fast as the standard library."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

_ENCODE = msgspec.json.Encoder().encode


def json_text(value: Any) -> str:
    """Return JSON that both databases take; a figure that is none becomes its word, as in a stream."""
    try:
        text = _ENCODE(value).decode()
    except (OverflowError, UnicodeError):
        # An integer of more than 64 bits, half a character: the standard library escapes it.
        return json.dumps(_spelled(value))
    # msgspec writes null for infinity; whoever reads it must see what it was.
    return text if "null" not in text else json.dumps(_spelled(value))


def _spelled(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, dict):
        return {key: _spelled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_spelled(item) for item in value]
    return value
