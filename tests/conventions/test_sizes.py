"""No file that nobody can hold: 500 lines a module, 60 lines a function."""

from __future__ import annotations

import ast
from pathlib import Path

MODULE_LINES = 500
FUNCTION_LINES = 60
SOURCES = {".py", ".groovy", ".cpp", ".cc", ".h", ".hpp", ".cu", ".cuh", ".js", ".css", ".sh"}
# Files of others, kept as they are and pinned by their hash.
VENDORED = ("/vendor/", "/third_party/")


def long_modules(texts: dict[str, str]) -> list[str]:
    return [
        f"{name}: {lines} lines"
        for name, text in texts.items()
        if Path(name).suffix in SOURCES
        and not any(part in f"/{name}" for part in VENDORED)
        and (lines := text.count("\n")) > MODULE_LINES
    ]


def long_functions(name: str, text: str) -> list[str]:
    return [
        f"{name}:{node.lineno} {node.name}: {lines} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]


def test_no_module_is_longer_than_500_lines(texts: dict[str, str]) -> None:
    assert long_modules(texts) == []


def test_no_function_is_longer_than_60_lines(texts: dict[str, str]) -> None:
    found = [
        line
        for name, text in texts.items()
        if name.endswith(".py")
        for line in long_functions(name, text)
    ]
    assert found == []


def test_a_planted_long_kernel_is_found() -> None:
    assert long_modules({"a/b.cu": "\n" * 501, "a/c.cu": "\n" * 500}) == ["a/b.cu: 501 lines"]
    assert long_modules({"dashboards/vendor/u.js": "\n" * 900}) == []


def test_a_planted_long_function_is_found() -> None:
    text = "def f():\n" + "    x = 1\n" * 60
    assert long_functions("m.py", text) == ["m.py:1 f: 61 lines"]
    assert long_functions("m.py", "def f():\n" + "    x = 1\n" * 59) == []
