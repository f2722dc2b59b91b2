"""Asks gcov what the instrumented objects of a build tree executed."""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hotfire_testframework.errors import FrameworkError
from hotfire_testframework.line_coverage.bitmaps import FileLines

# A command line holds about 2 MB; a path has some hundred bytes.
FILES_PER_CALL = 200


def read_gcov(build: Path, root: Path, gcov: str = "gcov") -> list[FileLines]:
    """Return the lines of every source below `root` that the objects below `build` were made of.

    Notes (`.gcno`) are asked for, not counts (`.gcda`): an object that never ran counts with
    no line hit instead of vanishing.
    """
    notes = sorted(build.resolve().rglob("*.gcno"))
    if not notes:
        raise FrameworkError(f"no .gcno below {build}: build it with coverage first")
    reports: list[Mapping[str, Any]] = []
    for start in range(0, len(notes), FILES_PER_CALL):
        reports.extend(_ask(gcov, notes[start : start + FILES_PER_CALL], build))
    return fold(reports, root)


def fold(reports: Iterable[Mapping[str, Any]], root: Path) -> list[FileLines]:
    """Join the reports of all objects: a line is hit if any object hit it."""
    root = root.resolve()
    executable: dict[str, set[int]] = defaultdict(set)
    hit: dict[str, set[int]] = defaultdict(set)
    for report in reports:
        folder = Path(report["current_working_directory"])
        for file in report["files"]:
            path = (folder / file["file"]).resolve()
            if not path.is_relative_to(root):
                continue
            name = path.relative_to(root).as_posix()
            for line in file["lines"]:
                executable[name].add(line["line_number"])
                if line["count"] > 0:
                    hit[name].add(line["line_number"])
    return [
        FileLines(path=name, executable=frozenset(lines), hit=frozenset(hit[name]))
        for name, lines in executable.items()
    ]


def _ask(gcov: str, notes: list[Path], build: Path) -> Iterator[Mapping[str, Any]]:
    argv = [gcov, "--json-format", "--stdout", *map(str, notes)]
    try:
        done = subprocess.run(argv, cwd=build, capture_output=True, check=False)
    except OSError as error:
        raise FrameworkError(f"{gcov!r} cannot be started: {error.strerror}") from error
    if done.returncode != 0:
        raise FrameworkError(f"gcov ended with {done.returncode}: {done.stderr.decode()[-400:]}")
    for line in done.stdout.splitlines():
        if line.strip():
            yield json.loads(line)
