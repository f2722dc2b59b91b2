"""Turns what pydantic refuses into one error with file, line, column, value and remedy."""

import json
import types
from collections.abc import Mapping
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hotfire_pipelines.document import Document, Place
from hotfire_pipelines.errors import (
    DefinitionError,
    EmptyMatrixError,
    InvalidValueError,
    Location,
    UnknownNameError,
    suggest,
)

FileModel = TypeVar("FileModel", bound=BaseModel)

REMEDIES = {
    "string_type": "Write it in quotes: '{value}'.",
    "tuple_type": "Write a list: [{value}].",
    "dict_type": "Write `key: value` lines below it.",
    "model_type": "Write `key: value` lines below it.",
    "int_type": "Write a whole number without quotes.",
    "int_from_float": "Write a whole number.",
    "float_type": "Write a number without quotes.",
    "bool_type": "Write true or false.",
    "string_pattern_mismatch": "Use letters, digits, `_`, `-` and `.`, starting with a letter.",
}

WRITTEN = {"True": "true", "False": "false"}

PATTERN_REMEDIES = {
    "^[0-9a-f]{64}$": "Write the 64 hexadecimal digits in lower case.",
    "^[a-z][a-z0-9_]{0,31}$": "Use lower-case letters, digits and `_`, starting with a letter.",
    "^[A-Za-z_][A-Za-z0-9_]*$": "Use letters, digits and `_`, not starting with a digit.",
    "^[a-z0-9]([-a-z0-9.]{0,50}[a-z0-9])?$": "Use lower-case letters, digits, `-` and `.`.",
    "^[1-7]g\\.[1-9][0-9]{0,2}gb$": "Write it as the driver does: 1g.18gb.",
}


def validate(document: Document, model: type[FileModel]) -> FileModel:
    """Check a document against a schema; the first problem in file order is the error."""
    try:
        # JSON mode: a list may become a tuple and a string an enum member, and nothing else
        # is converted.
        return model.model_validate_json(json.dumps(document.value))
    except ValidationError as error:
        problems = [_explain(document, model, detail) for detail in _causes(error.errors())]
        first = min(problems, key=lambda problem: problem.location)
        raise first from error


def _causes(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without the missing keys of an object that has an unknown one: one typing slip is both."""
    misspelt = {item["loc"][:-1] for item in details if item["type"] == "extra_forbidden"}
    return [
        item for item in details if item["type"] != "missing" or item["loc"][:-1] not in misspelt
    ]


def _explain(document: Document, model: type[BaseModel], detail: ErrorDetails) -> DefinitionError:
    place = _real_place(document, detail["loc"])
    kind = detail["type"]
    written = document.written.get(place)
    value = json.dumps(detail["input"], ensure_ascii=False)
    if written is not None:
        value = repr(written) if isinstance(detail["input"], str) else written
    shown = value if len(value) <= 60 else value[:57] + "…"
    path = ".".join(str(part) for part in place) or "the file"
    if kind == "extra_forbidden":
        key = str(place[-1])
        known = known_keys(model, place[:-1])
        parent = ".".join(str(part) for part in place[:-1]) or "the file"
        return UnknownNameError(
            document.key(*place), f"unknown key {key!r} in {parent}", suggest(key, known)
        )
    if kind == "missing":
        missing = str(detail["loc"][-1])
        return InvalidValueError(
            document.key(*place[:-1]) if place[-1:] == (missing,) else document.key(*place),
            f"the key {missing!r} is missing in {path.removesuffix('.' + missing)}",
            f"Add `{missing}:`.",
        )
    if kind in ("enum", "literal_error"):
        return _not_allowed(document.at(*place), path, detail)
    if kind == "too_short" and detail["input"] == [] and "axes" in place:
        return EmptyMatrixError(document.at(*place), f"{path} is empty", "List at least one value.")
    if kind == "value_error":
        message = detail["msg"].removeprefix("Value error, ")
        return InvalidValueError(
            document.key(*place), f"{path}: {message}", "See docs/formats/pipeline.md."
        )
    remedy = REMEDIES.get(kind, "See docs/formats/pipeline.md.")
    remedy = PATTERN_REMEDIES.get(detail.get("ctx", {}).get("pattern", ""), remedy)
    if detail["input"] is None:
        return InvalidValueError(document.at(*place), f"{path} has no value", "Write one.")
    message = detail["msg"]
    return InvalidValueError(
        document.at(*place),
        f"{path}: {shown} is refused: {message[:1].lower()}{message[1:]}",
        remedy.replace("{value}", shown if written is None else written[:60]),
    )


def _not_allowed(where: Location, path: str, detail: ErrorDetails) -> DefinitionError:
    expected = str(detail.get("ctx", {}).get("expected", ""))
    known = [
        WRITTEN.get(word.strip(), word.strip().strip("'"))
        for word in expected.replace(" or ", ", ").split(",")
    ]
    value = detail["input"]
    written = repr(value) if isinstance(value, str) else json.dumps(value)
    problem = f"{path}: {written} is not one of {', '.join(known)}"
    if not isinstance(value, str):
        return InvalidValueError(where, problem, "Write one of them.")
    if value in known:
        return InvalidValueError(where, problem, "Write it without quotes.")
    return InvalidValueError(where, problem, suggest(value, known))


def _real_place(document: Document, location: tuple[int | str, ...]) -> Place:
    """Drop what pydantic adds to a location (`[key]`, union tags) and the file does not have."""
    place: Place = ()
    for part in location:
        candidate = (*place, part)
        if candidate in document.values or candidate in document.keys:
            place = candidate
    return place


def known_keys(model: type[BaseModel], place: Place) -> list[str]:
    """The keys that the schema allows at a place."""
    current: Any = model
    for part in place:
        current = _step(current, part)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return [field.alias or name for name, field in current.model_fields.items()]
    return []


def _step(annotation: Any, part: str | int) -> Any:
    annotation = _bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(str(part))
        return _bare(field.annotation) if field else None
    arguments = get_args(annotation)
    if get_origin(annotation) in (dict, Mapping):
        return _bare(arguments[1])
    if get_origin(annotation) is tuple:
        return _bare(arguments[0])
    return None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _bare(annotation: Any) -> Any:
    """Unwrap `X | None` and `Annotated[X, …]`."""
    while True:
        if hasattr(annotation, "__metadata__"):
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            kept = [_bare(item) for item in get_args(annotation) if item is not type(None)]
            # Of a number or an object, the object has keys.
            kept = [item for item in kept if _is_model(item)] or kept
            if len(kept) != 1:
                return annotation
            annotation = kept[0]
        else:
            return annotation
