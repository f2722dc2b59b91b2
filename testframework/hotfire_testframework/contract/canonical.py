"""Canonical JSON (RFC 8785) and its sha256: equal values have equal bytes on every machine."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from hotfire_testframework.errors import ContractError

# I-JSON (RFC 7493, section 2.2): integers beyond this lose digits in readers that use doubles.
LARGEST_SAFE_INTEGER = 2**53 - 1


def canonical_json(value: object) -> bytes:
    """Return the RFC 8785 form of a JSON value as UTF-8 bytes."""
    try:
        if _is_plain(value):
            # What json writes in C is canonical already, ten times as fast.
            return _PLAIN_ENCODER.encode(value).encode("utf-8")
        return "".join(_parts(value)).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ContractError(f"canonical JSON: a string holds a lone surrogate: {error}") from error


def canonical_sha256(value: object) -> str:
    """Return the sha256 (hex) of the canonical form."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


_PLAIN_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _is_plain(value: object) -> bool:
    """Whether json itself writes RFC 8785: no doubles, and keys whose order is beyond doubt."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is dict:
        return all(
            type(key) is str and key.isascii() and _is_plain(inner)
            for key, inner in cast("dict[object, object]", value).items()
        )
    if kind is list or kind is tuple:
        return all(map(_is_plain, cast("list[object]", value)))
    return kind is int and abs(cast("int", value)) <= LARGEST_SAFE_INTEGER


def _parts(value: object) -> Iterator[str]:
    if value is None:
        yield "null"
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif isinstance(value, str):
        yield _string(value)
    elif isinstance(value, int):
        yield _integer(value)
    elif isinstance(value, float):
        yield _number(value)
    elif isinstance(value, Mapping):
        yield from _object(value)
    elif isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        yield from _array(value)
    else:
        raise ContractError(f"canonical JSON cannot hold {type(value).__name__}: {value!r}")


def _object(value: Mapping[object, object]) -> Iterator[str]:
    for key in value:
        if not isinstance(key, str):
            raise ContractError(f"canonical JSON: key {key!r} is no string")
    # RFC 8785, section 3.2.3: keys are ordered by their UTF-16 code units.
    keys = sorted(
        (str(key) for key in value), key=lambda key: key.encode("utf-16-be", "surrogatepass")
    )
    yield "{"
    for position, key in enumerate(keys):
        yield ("," if position else "") + _string(key) + ":"
        yield from _parts(value[key])
    yield "}"


def _array(value: Sequence[object]) -> Iterator[str]:
    yield "["
    for position, item in enumerate(value):
        if position:
            yield ","
        yield from _parts(item)
    yield "]"


def _string(value: str) -> str:
    # `str.__str__` strips the class of a str-Enum; json escapes exactly what RFC 8785 asks for.
    return json.dumps(str.__str__(value), ensure_ascii=False)


def _integer(value: int) -> str:
    if abs(value) > LARGEST_SAFE_INTEGER:
        raise ContractError(
            f"canonical JSON: integer {value} is beyond 2^53 - 1; write it as a string"
        )
    return str(int(value))


def _number(value: float) -> str:
    """Write a double as ECMAScript does (ECMA-262, Number::toString)."""
    if not math.isfinite(value):
        raise ContractError(f"canonical JSON cannot hold {value!r}; write it as a string")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    # The value is 0.DIGITS × 10^point.
    point = len(whole) + int(exponent or 0)
    digits = whole + fraction
    point -= len(digits) - len(digits.lstrip("0"))
    digits = digits.lstrip("0").rstrip("0")
    return sign + _place_point(digits, point)


def _place_point(digits: str, point: int) -> str:
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    exponent = f"e{point - 1:+d}"
    return digits[0] + ("." + digits[1:] if count > 1 else "") + exponent
