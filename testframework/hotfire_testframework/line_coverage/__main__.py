"""`python -m hotfire_testframework.line_coverage gcov|python …` writes a coverage body."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hotfire_testframework.errors import FrameworkError
from hotfire_testframework.line_coverage.bitmaps import FileLines, coverage_body, write_body
from hotfire_testframework.line_coverage.gcov import read_gcov
from hotfire_testframework.line_coverage.python_lines import read_python


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert, print one line, return 0; 2 if there is nothing to convert."""
    options = _parser().parse_args(arguments)
    try:
        files, tests = _read(options)
    except FrameworkError as error:
        print(f"line_coverage: {error}", file=sys.stderr)
        return 2
    if not files:
        print(f"line_coverage: nothing below {options.root} was measured", file=sys.stderr)
        return 2
    language = "c++" if options.tool == "gcov" else "python"
    write_body(coverage_body(options.suite, language, files, options.root, tests), options.out)
    executable = sum(len(file.executable) for file in files)
    hit = sum(len(file.hit & file.executable) for file in files)
    apart = "" if tests is None else f", told apart by {len(tests)} tests"
    share = f"{hit / executable:.1%}"
    print(f"{language}: {hit} of {executable} lines in {len(files)} files, {share}{apart}")
    return 0


def _read(options: argparse.Namespace) -> tuple[list[FileLines], tuple[str, ...] | None]:
    if options.tool == "gcov":
        return read_gcov(options.build, options.root, options.gcov), None
    return read_python(options.data, options.root, options.contexts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hotfire_testframework.line_coverage")
    tools = parser.add_subparsers(dest="tool", required=True)
    gcov = tools.add_parser("gcov", help="from the objects of an instrumented build")
    gcov.add_argument("--build", type=Path, required=True, help="the build tree, or a part of it")
    gcov.add_argument("--gcov", default="gcov", help="the gcov of the compiler that built it")
    python = tools.add_parser("python", help="from a data file of coverage.py")
    python.add_argument("--data", type=Path, required=True)
    python.add_argument("--contexts", type=Path, help="what HOTFIRE_CONTEXTS named, if anything")
    for tool in (gcov, python):
        tool.add_argument("--root", type=Path, required=True, help="paths are relative to it")
        tool.add_argument("--suite", required=True)
        tool.add_argument("--out", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())
