"""Reads a data file of coverage.py."""

from __future__ import annotations

from pathlib import Path

from hotfire_testframework.errors import FrameworkError
from hotfire_testframework.line_coverage.bitmaps import FileLines


def read_python(data_file: Path, root: Path) -> list[FileLines]:
    """Return the lines of every measured file below `root`, those never imported included."""
    try:
        import coverage
    except ImportError as error:
        raise FrameworkError("coverage.py is not installed: pip install coverage") from error
    if not data_file.exists():
        raise FrameworkError(f"{data_file} does not exist: run the tests under coverage first")
    reader = coverage.Coverage(data_file=str(data_file))
    reader.load()
    root = root.resolve()
    files = []
    for measured in sorted(reader.get_data().measured_files()):
        path = Path(measured).resolve()
        if not path.is_relative_to(root) or not path.exists():
            continue
        _, executable, _, missing, _ = reader.analysis2(str(path))
        name = path.relative_to(root).as_posix()
        lines = frozenset(executable)
        files.append(FileLines(path=name, executable=lines, hit=lines - frozenset(missing)))
    return files
