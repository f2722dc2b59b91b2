"""From the names of a report to the test identifier `module/scheme/name`.

The rules, by dialect (`docs/formats/import.md` has them for people):

- pytest: the class path is cut where its classes begin, so that the identifier is the one that
  Hotfire's own plugin gives: `tests.test_a.TestB` and `test_c[1]` → `tests.test_a/pytest/TestB::test_c[1]`.
- GoogleTest, CTest, nextest, JUnit: module is the class name (for CTest, whose class is the name,
  the suite), name is the name.
- Parameters that a report gives beside the name are kept outside of it. Those within the name stay:
  two cases of one test are two tests.
"""

from __future__ import annotations

import hashlib
import re

from hotfire_infra.ingest.formats.values import Dialect, ReportedTest
from hotfire_testframework.contract.identifiers import TestId, printable_name, pytest_test_id

MODULE_LIMIT = 200
DIGEST_SIGNS = 8
_SEPARATORS = re.compile(r"::|[/\\]+")
_OUTSIDE = re.compile(r"[^A-Za-z0-9_.\-]")
_CLASS = re.compile(r"[A-Z]")
_PARAMETERS = re.compile(r"\[(.*)\]$", re.DOTALL)


def test_id_of(test: ReportedTest, report: str) -> TestId:
    """Return the identifier of a reported test; `report` names the module where nothing else does."""
    if test.dialect is Dialect.PYTEST:
        return _pytest(test, report)
    if test.dialect is Dialect.CTEST:
        suite = test.suite if test.suite not in ("", "(empty)") else "ctest"
        return _join(suite, test.dialect, test.name)
    module = test.classname or test.suite or report
    return _join(module, test.dialect, test.name)


def parameters_of(test: ReportedTest) -> dict[str, str]:
    """Return the parameters as the third map beside variant and environment."""
    found = dict(test.params)
    if test.dialect is Dialect.PYTEST and not found:
        inside = _PARAMETERS.search(test.name)
        if inside:
            found["id"] = inside.group(1)[:1000]
    return found


def module_name(text: str) -> str:
    """Return text as a legal module.

    Slashes, backslashes and `::` become dots. Where anything else had to be replaced or cut, eight
    digits of the text's sha256 follow, so that two names never become one.
    """
    dotted = ".".join(part for part in _SEPARATORS.sub(".", text).split(".") if part)
    legal = _OUTSIDE.sub("_", dotted)
    if legal == dotted and 0 < len(legal) <= MODULE_LIMIT:
        return legal
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_SIGNS]
    return f"{legal[: MODULE_LIMIT - DIGEST_SIGNS - 1] or 'unnamed'}-{digest}"


def _join(module: str, dialect: Dialect, name: str) -> TestId:
    return TestId(
        module=module_name(module), scheme=_SCHEMES.get(dialect, dialect.value), name=_name(name)
    )


def _name(text: str) -> str:
    return printable_name(text) if text.strip() else "(unnamed)"


_SCHEMES = {Dialect.SUREFIRE: "junit"}
"""Surefire is one writer of JUnit's results among many: the same test from Gradle is the same test."""


def _pytest(test: ReportedTest, report: str) -> TestId:
    if not test.classname and ("::" in test.name or test.name.endswith(".py")):
        return pytest_test_id(test.name)
    path = test.file[:-3] if test.file.endswith(".py") else ""
    dotted = ".".join(part for part in _SEPARATORS.sub(".", path).split(".") if part)
    if dotted and (test.classname == dotted or test.classname.startswith(f"{dotted}.")):
        module, classes = dotted, test.classname[len(dotted) + 1 :].split(".")
    else:
        module, classes = _cut(test.classname or report)
    name = "::".join([part for part in classes if part] + [test.name])
    return TestId(module=module_name(module), scheme="pytest", name=_name(name))


def _cut(classname: str) -> tuple[str, list[str]]:
    """Cut a dotted path before its classes: pytest says no file, and classes begin with a capital."""
    parts = classname.split(".")
    for index in range(1, len(parts)):
        if _CLASS.match(parts[index]) and all(_CLASS.match(part) for part in parts[index:]):
            return ".".join(parts[:index]), parts[index:]
    return classname, []
