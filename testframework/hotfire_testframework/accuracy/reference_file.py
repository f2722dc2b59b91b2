"""Reads a YAML file of reference accuracies and remembers the line of every entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from hotfire_testframework.numerics.errors import ReferenceFileError

_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One entry as written: its first line, and its keys."""

    line: int
    values: Mapping[str, Any]


def read_models(file: str) -> tuple[dict[str, tuple[Written, ...]], tuple[str, ...]]:
    """Return model → entries, and a sentence for each model that is written twice.

    A model's entries are a list of mappings; a single mapping (an acceptance length) is a list of
    one. Raises `ReferenceFileError` with file, line and value.
    """
    root = _compose(file)
    models: dict[str, tuple[Written, ...]] = {}
    repeated: list[str] = []
    lines: dict[str, int] = {}
    if root is None:
        return models, ()
    for key, value in _pairs(file, root, "a mapping of model names"):
        name = str(_scalar(file, key))
        if name in models:
            # The loader that these files are written for keeps the later one, silently.
            repeated.append(
                f"{file}:{_line(key)}: {name} is written twice, line {lines[name]} does not count"
            )
        lines[name] = _line(key)
        models[name] = _entries(file, name, value)
    return models, tuple(repeated)


def _compose(file: str) -> Node | None:
    loader = YAML(typ="safe", pure=True)
    try:
        return loader.compose(Path(file).read_text("utf-8"))  # type: ignore[no-any-return]
    except OSError as error:
        raise ReferenceFileError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ReferenceFileError(f"{file}: byte {error.start} is not UTF-8") from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ReferenceFileError(f"{file}:{line}: broken YAML: {error.problem}") from error
    except YAMLError as error:
        raise ReferenceFileError(f"{file}: broken YAML: {error}") from error


def _entries(file: str, model: str, node: Node) -> tuple[Written, ...]:
    if isinstance(node, MappingNode):
        return (_entry(file, node),)
    if isinstance(node, ScalarNode) and _scalar(file, node) is None:
        return ()
    if not isinstance(node, SequenceNode):
        raise ReferenceFileError(
            f"{file}:{_line(node)}: {model}: {_shown(node)}, expected a list of entries"
        )
    return tuple(_entry(file, item) for item in node.value)


def _entry(file: str, node: Node) -> Written:
    pairs = _pairs(file, node, "an entry with keys like `quant_algo` and `accuracy`")
    return Written(
        line=_line(node),
        values={str(_scalar(file, key)): _scalar(file, value) for key, value in pairs},
    )


def _pairs(file: str, node: Node, expected: str) -> list[tuple[Node, Node]]:
    if not isinstance(node, MappingNode):
        raise ReferenceFileError(f"{file}:{_line(node)}: {_shown(node)}, expected {expected}")
    return list(node.value)


def _scalar(file: str, node: Node) -> Any:
    """A plain scalar as text, number, truth or None; quoted ones are text."""
    if not isinstance(node, ScalarNode):
        raise ReferenceFileError(f"{file}:{_line(node)}: {_shown(node)}, expected one value")
    text = str(node.value)
    if node.style in {"'", '"', "|", ">"}:
        return text
    if text in {"", "~"} or text.lower() == "null":
        return None
    if text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    return _number(text)


def _number(text: str) -> Any:
    # `1_000`, `nan` and `inf` are numbers to Python, and words in these files.
    if (not text[-1].isdigit() and not text.endswith(".")) or "_" in text:
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _shown(node: Node) -> str:
    if isinstance(node, MappingNode):
        return "a mapping"
    return "a list" if isinstance(node, SequenceNode) else repr(node.value)
