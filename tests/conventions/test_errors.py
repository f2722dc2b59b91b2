"""Every package has one tree of errors, rooted in its errors module."""

from __future__ import annotations

import ast
import builtins
from pathlib import Path

import pytest

PACKAGES = {
    "infra/hotfire_infra": "errors.py",
    "k8s/hotfire_k8s": "errors.py",
    "pipelines/hotfire_pipelines": "errors.py",
    "testframework/hotfire_testframework": "errors.py",
    "inference/python/aestus": "errors.py",
}
BUILTIN_ERRORS = {
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}


def bases_of(modules: dict[str, str]) -> dict[str, tuple[str, list[str]]]:
    """Map each class to its module and the last names of its bases."""
    return {
        node.name: (name, [ast.unparse(base).split(".")[-1] for base in node.bases])
        for name, text in modules.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef)
    }


def rootless_errors(modules: dict[str, str], errors_module: str) -> list[str]:
    """Find exception classes that stand directly on a builtin, outside the errors module."""
    found = []
    roots = []
    for name, (module, bases) in bases_of(modules).items():
        if not set(bases) & BUILTIN_ERRORS:
            continue
        own = [base for base in bases if base not in BUILTIN_ERRORS]
        if own:
            continue  # `class X(OurError, ValueError)` is in the tree.
        if module == errors_module:
            roots.append(name)
        else:
            found.append(f"{module}: {name}")
    if len(roots) != 1:
        found.append(f"{errors_module}: {len(roots)} base classes: {sorted(roots)}")
    return found


@pytest.mark.parametrize(("package", "errors_module"), PACKAGES.items())
def test_each_package_has_one_tree_of_errors(
    texts: dict[str, str], package: str, errors_module: str
) -> None:
    modules = {
        str(Path(name).relative_to(package)): text
        for name, text in texts.items()
        if name.startswith(f"{package}/") and name.endswith(".py")
    }
    assert rootless_errors(modules, errors_module) == []


def test_planted_second_trees_are_found() -> None:
    errors = "class HotfireError(Exception): ...\nclass Lost(HotfireError): ...\n"
    assert rootless_errors({"errors.py": errors}, "errors.py") == []
    planted = {"errors.py": errors, "a.py": "class Odd(ValueError): ...\n"}
    assert rootless_errors(planted, "errors.py") == ["a.py: Odd"]
    twice = errors + "class Other(RuntimeError): ...\n"
    assert len(rootless_errors({"errors.py": twice}, "errors.py")) == 1
