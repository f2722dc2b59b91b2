"""Dataclasses to JSON and back: strict, with errors that name the field and the value."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import json
import math
import types
import typing
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from hotfire_testframework.errors import ContractError, DecodeError

T = TypeVar("T")


def from_json(cls: type[T], value: object, field: str = "") -> T:
    """Build a dataclass from parsed JSON; a field may rename itself by `metadata={"json": name}`."""
    if not isinstance(value, Mapping):
        raise DecodeError(field, value, f"an object ({cls.__name__})")
    names = _fields_of(typing.cast("Any", cls))
    for key in value:
        if key not in names:
            near = difflib.get_close_matches(str(key), names, n=1)
            hint = (
                f"; did you mean {near[0]!r}?"
                if near
                else f"; known are {', '.join(sorted(names))}"
            )
            raise DecodeError(
                _join(field, str(key)), value[key], f"no such field in {cls.__name__}{hint}"
            )
    arguments: dict[str, Any] = {}
    for json_name, (name, kind, is_required) in names.items():
        if json_name in value:
            arguments[name] = _decode(kind, value[json_name], _join(field, json_name))
        elif is_required:
            raise DecodeError(
                _join(field, json_name), "nothing", f"a value: it is required in {cls.__name__}"
            )
    try:
        return cls(**arguments)
    except DecodeError as error:
        # Raised by __post_init__, which knows its own fields but not where the object stands.
        raise DecodeError(_join(field, error.field), error.value, error.expected) from error
    except (ContractError, ValueError) as error:
        raise DecodeError(field, value, str(error)) from error


def to_json(value: object) -> Any:
    """Return plain JSON values; fields at `None` are left out."""
    if type(value) in _SCALARS:
        return value
    cls: type = type(value)
    names = _names_of(cls)
    if names is not None:
        pairs = ((json_name, getattr(value, name)) for name, json_name in names)
        return {json_name: to_json(inner) for json_name, inner in pairs if inner is not None}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(inner) for inner in value]
    return value


_SCALARS = frozenset({str, int, float, bool, type(None)})


@cache
def _names_of(cls: type) -> tuple[tuple[str, str], ...] | None:
    """Return the fields of a dataclass with their names in JSON; none for any other class."""
    if not dataclasses.is_dataclass(cls):
        return None
    fields = dataclasses.fields(cls)
    return tuple((item.name, item.metadata.get("json", item.name)) for item in fields)


def parse_json_text(text: str | bytes, field: str = "") -> object:
    """Parse JSON, refusing what RFC 8259 does not know (NaN, Infinity) and doubled keys."""
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_refuse_doubles)
    except RecursionError as error:
        raise DecodeError(field, text[:40], "JSON that is not nested this deep") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise DecodeError(field, text[:80], f"JSON ({error})") from error


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def _refuse_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return result


def _join(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name


@cache
def _fields_of(cls: type) -> dict[str, tuple[str, Any, bool]]:
    if not dataclasses.is_dataclass(cls):
        raise TypeError(f"{cls.__name__} is no dataclass")
    hints = typing.get_type_hints(cls)
    result: dict[str, tuple[str, Any, bool]] = {}
    for item in dataclasses.fields(cls):
        is_required = (
            item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        )
        result[item.metadata.get("json", item.name)] = (item.name, hints[item.name], is_required)
    return result


def _decode(kind: Any, value: object, field: str) -> Any:
    while hasattr(kind, "__supertype__"):  # NewType
        kind = kind.__supertype__
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(typing.get_args(kind), value, field)
    if origin is tuple:
        return _decode_tuple(typing.get_args(kind), value, field)
    if origin is not None and issubclass(origin, Mapping):
        return _decode_map(typing.get_args(kind)[1], value, field)
    if dataclasses.is_dataclass(kind):
        return from_json(typing.cast("type", kind), value, field)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _decode_enum(kind, value, field)
    return _decode_scalar(kind, value, field)


def _decode_scalar(kind: Any, value: object, field: str) -> Any:
    if kind is Any or kind is object:
        return value
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise DecodeError(field, value, "a finite number")
        return float(value)
    if kind in (str, int, bool) and type(value) is kind:
        return value
    raise DecodeError(field, value, f"a value of type {getattr(kind, '__name__', kind)}")


def _decode_union(kinds: tuple[Any, ...], value: object, field: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    others = [kind for kind in kinds if kind is not type(None)]
    if len(others) == 1:
        return _decode(others[0], value, field)
    classes: list[Any] = [kind for kind in others if dataclasses.is_dataclass(kind)]
    if isinstance(value, Mapping) and classes:
        # The class that shares most names is the one that was meant: its complaint is the useful one.
        meant = max(classes, key=lambda kind: len(_fields_of(kind).keys() & value.keys()))
        return from_json(meant, value, field)
    for kind in others:
        with contextlib.suppress(DecodeError):
            return _decode(kind, value, field)
    names = " or ".join(getattr(kind, "__name__", str(kind)) for kind in others)
    raise DecodeError(field, value, names)


def _decode_tuple(kinds: tuple[Any, ...], value: object, field: str) -> Any:
    if not isinstance(value, list):
        raise DecodeError(field, value, "a list")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(
            _decode(kinds[0], item, f"{field}[{index}]") for index, item in enumerate(value)
        )
    if len(value) != len(kinds):
        raise DecodeError(field, value, f"a list of {len(kinds)} items")
    return tuple(
        _decode(kind, item, f"{field}[{index}]")
        for index, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def _decode_map(kind: Any, value: object, field: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise DecodeError(field, value, "an object")
    return {str(key): _decode(kind, item, _join(field, str(key))) for key, item in value.items()}


def _decode_enum(kind: type[Enum], value: object, field: str) -> Enum:
    try:
        return kind(value)
    except ValueError as error:
        raise DecodeError(
            field, value, f"one of {', '.join(str(item.value) for item in kind)}"
        ) from error
