"""Reads a data file of coverage.py, and which of its lines each test ran."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hotfire_testframework.errors import FrameworkError
from hotfire_testframework.line_coverage.bitmaps import FileLines
from hotfire_testframework.line_coverage.bodies import bodies_of

_IMPORTED = "imported"
"""Of the plugin's file: what this test ran may serve others too."""


def read_python(
    data_file: Path, root: Path, contexts: Path | None = None
) -> tuple[list[FileLines], tuple[str, ...] | None]:
    """Return the lines of every measured file below `root`, those never imported included.

    `contexts` is what the pytest plugin wrote beside the data: with it, and if the plugin did, also
    the tests that have a context of their own.
    """
    try:
        import coverage
    except ImportError as error:
        raise FrameworkError("coverage.py is not installed: pip install coverage") from error
    if not data_file.exists():
        raise FrameworkError(f"{data_file} does not exist: run the tests under coverage first")
    reader = coverage.Coverage(data_file=str(data_file))
    reader.load()
    root = root.resolve()
    doubts = _read_doubts(contexts)
    tests: frozenset[str] | None = None
    if doubts is not None:
        # A context that recorded no line is no knowledge, nor is one of other lines every time.
        tests = frozenset(reader.get_data().measured_contexts()) - {""}
        tests -= {test for test, why in doubts.items() if why != _IMPORTED}
    files = []
    for measured in sorted(reader.get_data().measured_files()):
        path = Path(measured).resolve()
        if not path.is_relative_to(root) or not path.exists():
            continue
        _, executable, _, missing, _ = reader.analysis2(str(path))
        name = path.relative_to(root).as_posix()
        lines = frozenset(executable)
        file = FileLines(path=name, executable=lines, hit=lines - frozenset(missing))
        if doubts is not None and tests is not None:
            by_line = reader.get_data().contexts_by_lineno(measured)
            file = _by_test(file, path.read_bytes(), by_line, tests, doubts)
        files.append(file)
    return files, None if tests is None else tuple(sorted(tests))


def _by_test(
    file: FileLines,
    source: bytes,
    by_line: Mapping[int, list[str]],
    tests: frozenset[str],
    doubts: Mapping[str, str],
) -> FileLines:
    bodies = bodies_of(source)
    if bodies is None:
        return file
    found: set[str] = set()
    shared: set[int] = set()
    for first, last in bodies.spans:
        for line in range(first, last + 1):
            ran = by_line.get(line, ())
            found.update(ran)
            if any(not one or doubts.get(one) == _IMPORTED for one in ran):
                shared.add(line)
    return replace(file, tests=tests & found, shared=frozenset(shared))


def _read_doubts(path: Path | None) -> dict[str, str] | None:
    """Return why the lines of some tests are not theirs alone; None where nobody wrote it."""
    if path is None or not path.exists():
        return None
    try:
        value: Any = json.loads(path.read_text(encoding="utf-8"))
        return {str(test): str(why) for test, why in value.items()}
    except (ValueError, AttributeError) as error:
        raise FrameworkError(f"{path} is not what the plugin writes: {error}") from error
