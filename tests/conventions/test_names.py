"""Files are named after what they are about, and each source root holds one package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc"}
SOURCE_ROOTS = {
    "infra": "hotfire_infra",
    "pipelines": "hotfire_pipelines",
    "testframework": "hotfire_testframework",
    "dashboards": "hotfire_dashboards",
    "k8s": "hotfire_k8s",
}
# `import tests…` would work by chance of the working directory; so would these.
FOLDERS = {*SOURCE_ROOTS, "jenkins", "inference", "tests"}


def drawers(names: list[str]) -> list[str]:
    return [
        name
        for name in names
        if DRAWERS & {part.split(".")[0].lower() for part in Path(name).parts}
    ]


def folder_imports(name: str, text: str) -> list[str]:
    """Find imports of a top-level folder as if it were a package."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules = [node.module or ""]
        else:
            continue
        found += [
            f"{name}:{node.lineno} {module}"
            for module in modules
            if module.split(".")[0] in FOLDERS
        ]
    return found


def test_no_file_is_a_drawer(texts: dict[str, str]) -> None:
    assert drawers(list(texts)) == []


def test_no_folder_is_imported_as_a_package(texts: dict[str, str]) -> None:
    modules = {name: text for name, text in texts.items() if name.endswith(".py")}
    assert [line for name, text in modules.items() for line in folder_imports(name, text)] == []


@pytest.mark.parametrize(("folder", "package"), SOURCE_ROOTS.items())
def test_each_source_root_holds_exactly_one_typed_package(
    root: Path, folder: str, package: str
) -> None:
    packages = {path.parent.name for path in (root / folder).glob("*/__init__.py")}
    assert packages == {package}
    assert (root / folder / package / "py.typed").exists()
    assert not (root / folder / "__init__.py").exists()


def test_planted_drawers_are_found() -> None:
    assert drawers(["a/utils.py", "common/x.py", "a/miscellany.py"]) == [
        "a/utils.py",
        "common/x.py",
    ]


def test_planted_folder_imports_are_found() -> None:
    text = "import infra.hotfire_infra\nfrom tests.x import y\nimport hotfire_infra\n"
    assert folder_imports("m.py", text) == ["m.py:1 infra.hotfire_infra", "m.py:2 tests.x"]
