"""Executable and hit lines of one file, bound to the content of that file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLines:
    """Lines of one file, counted from 1."""

    path: str
    executable: frozenset[int]
    hit: frozenset[int]
    tests: frozenset[str] | None = None
    """Tests that ran a line of a function's body in it; None: not told apart by test."""
    shared: frozenset[int] = frozenset()
    """Lines of bodies that ran outside every test, or not for one test alone."""


def bitmap(lines: Iterable[int]) -> bytes:
    """Bit i of byte i // 8, least significant first, is line i + 1."""
    number = 0
    for line in lines:
        number |= 1 << (line - 1)
    return number.to_bytes((number.bit_length() + 7) // 8, "little")


def coverage_body(
    suite: str,
    language: str,
    files: Iterable[FileLines],
    root: Path,
    tests: Sequence[str] | None = None,
) -> dict[str, object]:
    """Return the body of a `coverage` record; paths are relative to `root`.

    `tests` are those with a context of their own: bit i of a file's `tests` is the one at i.
    """
    place = {test: number for number, test in enumerate(tests or (), start=1)}
    rows: list[Mapping[str, str]] = []
    for file in sorted(files, key=lambda file: file.path):
        content = (root / file.path).read_bytes()
        row = {
            "path": file.path,
            "sha256": hashlib.sha256(content).hexdigest(),
            "executable": bitmap(file.executable).hex(),
            "hit": bitmap(file.hit & file.executable).hex(),
        }
        if tests is not None and file.tests is not None:
            row["tests"] = bitmap(place[test] for test in file.tests).hex()
            row["shared"] = bitmap(file.shared).hex()
        rows.append(row)
    known = {} if tests is None else {"tests": list(tests)}
    return {"suite": suite, "language": language, "files": rows, **known}


def write_body(body: Mapping[str, object], target: Path) -> None:
    """Write one coverage body as JSON."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(body, sort_keys=True) + "\n", encoding="utf-8")
