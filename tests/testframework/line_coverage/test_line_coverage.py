"""What gcov and coverage.py measured becomes bitmaps bound to the content of each file."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hotfire_testframework.line_coverage.__main__ import main
from hotfire_testframework.line_coverage.bitmaps import bitmap
from hotfire_testframework.line_coverage.gcov import fold

SOURCE = """\
int used(int x) {
  if (x) {
    return 1;
  }
  return 2;
}
int main() { return used(1) - 1; }
"""


def lines(hex_text: str) -> list[int]:
    number = int.from_bytes(bytes.fromhex(hex_text), "little")
    return [line + 1 for line in range(number.bit_length()) if number >> line & 1]


@pytest.mark.parametrize(
    ("given", "expected"), [([], b""), ([1], b"\x01"), ([8, 9], b"\x80\x01"), ([2, 4], b"\x0a")]
)
def test_bit_zero_of_byte_zero_is_line_one(given: list[int], expected: bytes) -> None:
    assert bitmap(given) == expected


def test_a_line_is_hit_if_any_object_hit_it(tmp_path: Path) -> None:
    def report(count: int) -> dict[str, object]:
        rows = [{"line_number": 3, "count": count}, {"line_number": 4, "count": 0}]
        return {
            "current_working_directory": str(tmp_path),
            "files": [{"file": "a.h", "lines": rows}, {"file": "/usr/include/b.h", "lines": rows}],
        }

    [file] = fold([report(0), report(2)], tmp_path)
    assert (file.path, file.executable, file.hit) == ("a.h", {3, 4}, {3})


@pytest.mark.parametrize(("is_run", "hit"), [(True, [1, 2, 3, 7]), (False, [])])
def test_gcov_of_a_real_build_is_read_even_if_it_never_ran(
    tmp_path: Path, is_run: bool, hit: list[int]
) -> None:
    assert shutil.which("g++"), "make setup installs g++"
    (tmp_path / "src").mkdir()
    source = tmp_path / "src" / "a.cpp"
    source.write_text(SOURCE)
    build = tmp_path / "build"
    build.mkdir()
    subprocess.run(["g++", "--coverage", "-O0", str(source), "-o", "a"], cwd=build, check=True)
    if is_run:
        subprocess.run([build / "a"], check=True)
    out = tmp_path / "x.hotfire-coverage.json"
    arguments = ["--build", str(build), "--root", str(tmp_path), "--suite", "unit"]
    assert main(["gcov", *arguments, "--out", str(out)]) == 0
    body = json.loads(out.read_text())
    [file] = body["files"]
    assert (body["suite"], body["language"], file["path"]) == ("unit", "c++", "src/a.cpp")
    assert file["sha256"] == hashlib.sha256(SOURCE.encode()).hexdigest()
    assert lines(file["executable"]) == [1, 2, 3, 5, 7]
    assert lines(file["hit"]) == hit


def test_coverage_py_data_is_read(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def f(x):\n    if x:\n        return 1\n    return 2\nf(1)\n")
    data = tmp_path / "data"
    run = [sys.executable, "-m", "coverage", "run", f"--data-file={data}", f"--source={tmp_path}"]
    (tmp_path / "never.py").write_text("x = 1\n")
    subprocess.run([*run, "m.py"], cwd=tmp_path, check=True)
    out = tmp_path / "out.json"
    arguments = ["--data", str(data), "--root", str(tmp_path), "--suite", "s", "--out", str(out)]
    assert main(["python", *arguments]) == 0
    files = {file["path"]: file for file in json.loads(out.read_text())["files"]}
    assert lines(files["m.py"]["executable"]) == [1, 2, 3, 4, 5]
    assert lines(files["m.py"]["hit"]) == [1, 2, 3, 5]
    assert lines(files["never.py"]["hit"]) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gcov", "--build", "{tmp}"], "build it with coverage first"),
        (["python", "--data", "{tmp}/none"], "does not exist"),
    ],
)
def test_nothing_measured_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    given = [argument.replace("{tmp}", str(tmp_path)) for argument in arguments]
    rest = ["--root", str(tmp_path), "--suite", "s", "--out", str(tmp_path / "out.json")]
    assert main([*given, *rest]) == 2
    assert words in capsys.readouterr().err
