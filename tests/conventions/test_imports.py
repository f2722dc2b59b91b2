"""Imports go one way: the table of rooms and the layers inside infra."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE_ROOTS = ("infra", "pipelines", "testframework", "dashboards", "k8s")
# What travels to test machines must run on a bare interpreter.
STANDARD_LIBRARY_ONLY = (
    "testframework/hotfire_testframework/contract/",
    "testframework/hotfire_testframework/runner/",
)

# The contract raises errors of its package's one tree, so who calls it has to name them.
CONTRACT = ("hotfire_testframework.contract.", "hotfire_testframework.errors.")


def lint_imports(root: Path, search: list[Path]) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(entry) for entry in search)
    return subprocess.run(
        [
            Path(sys.executable).with_name("lint-imports"),
            "--config",
            "pyproject.toml",
            "--no-cache",
        ],
        cwd=root,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "120"},
        capture_output=True,
        text=True,
    )


def imported_modules(text: str) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def imports_beyond_the_contract(name: str, text: str) -> list[str]:
    """Pipelines may use the shared floor of the test framework and nothing else of it."""
    return [
        f"{name}:{line} {module}"
        for line, module in imported_modules(text)
        if module.split(".")[0] == "hotfire_testframework" and not f"{module}.".startswith(CONTRACT)
    ]


def imports_beyond_the_standard_library(name: str, text: str) -> list[str]:
    allowed = {*sys.stdlib_module_names, "hotfire_testframework"}
    return [
        f"{name}:{line} {module}"
        for line, module in imported_modules(text)
        if module.split(".")[0] not in allowed
    ]


def test_the_layers_hold(root: Path) -> None:
    done = lint_imports(root, [])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_pipelines_import_only_the_contract(texts: dict[str, str]) -> None:
    modules = {n: t for n, t in texts.items() if n.startswith("pipelines/") and n.endswith(".py")}
    assert [x for n, t in modules.items() for x in imports_beyond_the_contract(n, t)] == []


def test_contract_and_runner_need_only_the_standard_library(texts: dict[str, str]) -> None:
    modules = {n: t for n, t in texts.items() if n.startswith(STANDARD_LIBRARY_ONLY)}
    assert modules, "the runner and its contract have moved: this rule would hold of nothing"
    found = [
        x
        for n, t in modules.items()
        if n.endswith(".py")
        for x in imports_beyond_the_standard_library(n, t)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("testframework/hotfire_testframework/contract/ulid.py", "hotfire_infra.states"),
        ("pipelines/hotfire_pipelines/schema.py", "hotfire_infra.errors"),
        ("infra/hotfire_infra/states.py", "hotfire_infra.store"),
        ("infra/hotfire_infra/errors.py", "hotfire_dashboards"),
        ("infra/hotfire_infra/errors.py", "hotfire_k8s"),
    ],
)
def test_a_planted_upward_import_is_found(
    root: Path, tmp_path: Path, importer: str, imported: str
) -> None:
    for folder in SOURCE_ROOTS:
        shutil.copytree(root / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.js"))
    shutil.copy(root / "pyproject.toml", tmp_path)
    with (tmp_path / importer).open("a", encoding="utf-8") as module:
        module.write(f"\nimport {imported}\n")
    done = lint_imports(tmp_path, [tmp_path / folder for folder in SOURCE_ROOTS])
    assert done.returncode == 1, done.stdout + done.stderr
    assert imported.split(".")[0] in done.stdout


def test_planted_imports_of_the_runner_are_found() -> None:
    text = "from hotfire_testframework import runner\nimport hotfire_testframework.contract.ulid\n"
    assert imports_beyond_the_contract("m.py", text) == ["m.py:1 hotfire_testframework.runner"]
    assert imports_beyond_the_standard_library("m.py", "import json\nimport numpy\n") == [
        "m.py:2 numpy"
    ]


def import_graph(texts: dict[str, str]) -> dict[str, set[str]]:
    """Which module imports which, wherever the import stands; `texts` by module name."""
    graph: dict[str, set[str]] = {}
    for module, text in texts.items():
        named = {name for _, name in imported_modules(text)}
        found = {name if name in texts else name.rpartition(".")[0] for name in named}
        # A module may read a constant of the package that it is a part of.
        graph[module] = {
            name for name in found & texts.keys() if not f"{module}.".startswith(f"{name}.")
        }
    return graph


def circles(graph: dict[str, set[str]]) -> list[str]:
    """One line for each module that comes back to itself by its imports."""
    found = []
    for start in sorted(graph):
        seen, open_ = set(), list(graph[start])
        while open_:
            module = open_.pop()
            if module not in seen:
                seen.add(module)
                open_ += graph[module]
        if start in seen:
            found.append(start)
    return found


def test_no_modules_import_each_other_in_a_circle(root):
    """Nor late or for types only: what needs each other is one thing, or lacks a third."""
    texts = {
        ".".join(path.relative_to(root / folder).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path.read_text(encoding="utf-8")
        for folder in SOURCE_ROOTS
        for path in (root / folder).rglob("hotfire_*/**/*.py")
    }
    assert len(texts) > 300
    assert circles(import_graph(texts)) == []


def test_a_circle_is_found_wherever_the_import_stands():
    texts = {
        "a.one": "def late():\n    from a.two import x\n",
        "a.two": "from a import three\n",
        "a.three": "if TYPE_CHECKING:\n    from a.one import y\n",
        "a.four": "import a.one\n",
    }
    assert circles(import_graph(texts)) == ["a.one", "a.three", "a.two"]
