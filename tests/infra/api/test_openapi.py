"""The OpenAPI document is part of the product: a route that lacks a part of it fails here."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from hotfire_infra.analysis import history
from hotfire_infra.analysis.report import RunReport
from hotfire_infra.api import documents, history_examples, operation_documents
from hotfire_infra.api.app import create_app
from hotfire_infra.api.openapi import operations
from hotfire_infra.store.queries_measurements import MeasurementRow


class NoReports:
    def runs(self, limit):
        return ()


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return create_app(NoReports()).openapi()


def resolve(whole, schema):
    while "$ref" in schema:
        schema = whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def has_example(whole, media):
    if "example" in media or "examples" in media:
        return True
    schema = resolve(whole, media["schema"])
    if schema.get("type") == "array":
        return bool(resolve(whole, schema["items"]).get("examples"))
    return bool(schema.get("examples"))


def lacking(whole, path, method, operation):
    """Name everything that an operation lacks."""
    for name in ("summary", "description", "tags", "operationId", "security"):
        if not operation.get(name):
            yield name
    for one in operation.get("parameters", ()):
        yield from lacking_of_parameter(one)
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        if not has_example(whole, media):
            yield f"example of the body as {kind}"
    responses = operation["responses"]
    for status in ("401", "403", "422", "429", "503"):
        if status not in responses:
            yield f"response {status}"
    if not any(status.startswith("2") for status in responses):
        yield "a good response"
    for status, response in responses.items():
        is_empty = status in ("204", "416") or method == "head"
        yield from lacking_of_response(whole, status, response, is_empty=is_empty)


def lacking_of_parameter(one):
    schema = one["schema"]
    is_shown = "example" in one or "examples" in one or "examples" in schema
    if not (one.get("description") or schema.get("description")):
        yield f"description of {one['name']}"
    if not (is_shown or "enum" in schema or "default" in schema):
        yield f"example of {one['name']}"


def lacking_of_response(whole, status, response, *, is_empty):
    if not response.get("description"):
        yield f"description of {status}"
    if not is_empty and not response.get("content"):
        yield f"content of {status}"
    for kind, media in response.get("content", {}).items():
        if not has_example(whole, media):
            yield f"example of {status} as {kind}"


def test_every_operation_is_described_whole(whole):
    found = {
        f"{method.upper()} {path}": sorted(lacking(whole, path, method, operation))
        for path, method, operation in operations(whole)
    }
    assert {name: lacks for name, lacks in found.items() if lacks} == {}
    assert len(found) > 35


def test_a_route_without_its_parts_would_be_found(whole):
    bare = {"responses": {"200": {"description": "", "content": {"a/b": {"schema": {}}}}}}
    lacks = set(lacking(whole, "/x", "get", bare))
    assert {"summary", "security", "response 401", "example of 200 as a/b"} <= lacks


def test_operation_ids_differ(whole):
    names = [operation["operationId"] for _, _, operation in operations(whole)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "model",
    [
        one
        for module in (documents, operation_documents)
        for one in vars(module).values()
        if isinstance(one, type) and "model_config" in vars(one)
        and isinstance(one.model_config.get("json_schema_extra"), dict)
    ],
    ids=lambda model: model.__name__,
)  # fmt: skip
def test_examples_of_models_fit_their_model(model):
    examples = model.model_config["json_schema_extra"]["examples"]
    assert examples
    for example in examples:
        model.model_validate(example)


@pytest.mark.parametrize(
    ("kind", "example"),
    [
        (RunReport, history_examples.REPORT_EXAMPLE),
        (history.TestHistory, history_examples.TEST_HISTORY_EXAMPLE),
        (history.SeriesHistory, history_examples.SERIES_EXAMPLE),
        (MeasurementRow, operation_documents.MEASUREMENT_EXAMPLE),
    ],
)
def test_examples_of_reports_fit_their_type(kind, example):
    assert TypeAdapter(kind).validate_python(example)
