"""A skipped test says why; nothing is left unfinished in silence."""

from __future__ import annotations

import ast
import re

UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
CODE = (".py", ".cpp", ".h", ".cu", ".cuh", ".groovy", ".js", ".sh", ".cmake", ".sql")
REASON_AT = {"skip": 0, "importorskip": None, "skipif": 1, "xfail": 1}


def reasonless_skips(name: str, text: str) -> list[str]:
    """Find `pytest.skip`, `mark.skip`, `mark.skipif` and `mark.xfail` without a reason."""
    tree = ast.parse(text)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in REASON_AT and id(node) not in called:
            if ast.unparse(node).startswith("pytest."):
                found.append(f"{name}:{node.lineno} {ast.unparse(node)}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            position = REASON_AT.get(node.func.attr)
            if position is None or not ast.unparse(node.func).startswith("pytest."):
                continue
            by_name = any(keyword.arg in {"reason", "msg"} for keyword in node.keywords)
            if not by_name and len(node.args) <= position:
                found.append(f"{name}:{node.lineno} {ast.unparse(node.func)}")
    return found


def test_every_skip_has_a_reason(texts: dict[str, str]) -> None:
    modules = {name: text for name, text in texts.items() if name.endswith(".py")}
    assert [line for name, text in modules.items() for line in reasonless_skips(name, text)] == []


def test_no_code_is_marked_unfinished(texts: dict[str, str]) -> None:
    found = [
        f"{name}:{number} {line.strip()}"
        for name, text in texts.items()
        if name.endswith(CODE) and "/vendor/" not in name
        for number, line in enumerate(text.splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert found == []


def test_planted_skips_without_reason_are_found() -> None:
    text = (
        "@pytest.mark.skip\ndef test_a(): ...\n"
        "@pytest.mark.skipif(True)\ndef test_b(): ...\n"
        "@pytest.mark.skipif(True, reason='no gpu')\ndef test_c(): pytest.skip()\n"
        "def test_d(): pytest.skip('no browser')\n"
    )
    assert reasonless_skips("t.py", text) == [
        "t.py:1 pytest.mark.skip",
        "t.py:3 pytest.mark.skipif",
        "t.py:6 pytest.skip",
    ]
