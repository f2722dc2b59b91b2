"""The JSON Schemas for editors: committed as they are generated, complete, and true."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotfire_infra.cli.main import main
from hotfire_infra.cli.verbs.schema import FORMATS, text

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "schema"


def without_description(node: object, path: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for name, below in node.get("properties", {}).items():
            if not below.get("description"):
                yield f"{path}.{name}"
        for name, below in {**node.get("properties", {}), **node.get("$defs", {})}.items():
            yield from without_description(below, f"{path}.{name}")


@pytest.mark.parametrize("name", FORMATS)
def test_the_committed_schema_is_the_generated_one(name: str) -> None:
    committed = (FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    assert committed == text(name), f"hotfire config schema {name} > docs/schema/{name}.schema.json"


@pytest.mark.parametrize("name", FORMATS)
def test_every_key_of_every_format_is_described(name: str) -> None:
    assert list(without_description(json.loads(text(name)))) == []


def test_a_key_without_description_is_found() -> None:
    planted = {"properties": {"a": {"description": "A."}, "b": {}}, "$defs": {"C": {}}}
    assert list(without_description(planted)) == [".b"]


def test_the_command_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema", "platforms"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Hotfire platform catalogue"


def test_an_unknown_format_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema", "pipelines"]) == 2
    assert "pipelines" in capsys.readouterr().err
