"""JSON Schema of a file format, for editors: every key with its description."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def editor_schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    """Return the schema of a file.

    A key is described by the docstring below its field, else by the one of the model that it holds.
    """
    schema = model.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    for used in {model, *_models(model)}:
        of = schema if used is model else definitions.get(used.__name__)
        if of is not None:
            _describe(of, used, definitions)
    return {"$schema": DIALECT, **schema, "title": title}


def _describe(
    schema: dict[str, Any], model: type[BaseModel], definitions: Mapping[str, Any]
) -> None:
    told = _field_docstrings(model)
    for name, field in model.model_fields.items():
        described = schema["properties"][field.alias or name]
        text = told.get(name) or described.get("description")
        for reference in _references(described):
            text = text or definitions[reference].get("description")
        if text:
            described["description"] = " ".join(text.split())
        described.pop("title", None)


def _field_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Read the strings that stand below the fields of a model and of those that it extends."""
    found: dict[str, str] = {}
    for part in reversed(model.__mro__):
        if not issubclass(part, BaseModel) or part is BaseModel:
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(part))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, below in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
                and isinstance(below.value.value, str)
            ):
                found[field.target.id] = inspect.cleandoc(below.value.value)
    return found


def _references(node: object) -> Iterator[str]:
    match node:
        case {"$ref": str(reference)}:
            yield reference.rsplit("/", 1)[-1]
        case {"anyOf": list(choices)} | {"allOf": list(choices)}:
            for choice in choices:
                yield from _references(choice)


def _models(model: type[BaseModel], seen: frozenset[type] = frozenset()) -> set[type[BaseModel]]:
    """All models that occur in the fields of a model."""
    found: set[type[BaseModel]] = set()
    for field in model.model_fields.values():
        for one in _in_annotation(field.annotation):
            if one not in seen and one not in found:
                found |= {one} | _models(one, seen | found | {one})
    return found


def _in_annotation(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _in_annotation(argument)
