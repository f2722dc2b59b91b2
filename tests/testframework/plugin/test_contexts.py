"""coverage.py is told which test runs; what is not certainly one test's own is said beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hotfire_testframework.line_coverage.__main__ import main
from hotfire_testframework.line_coverage.bodies import bodies_of, changed_bodies

OPS = """\
import functools

SCALE = 2

def twice(x):
    return SCALE * x

def thrice(x):
    return 3 * x

@functools.cache
def slow(x):
    return thrice(x)

def for_all():
    return 1

class Box:
    def get(self):
        return 7
"""
LATE = """\
from ops import thrice

TABLE = thrice(1)

def read():
    return TABLE
"""
TESTS = """\
    import ops
    import pytest

    @pytest.fixture(scope="module")
    def wide():
        return ops.for_all()

    @pytest.fixture
    def own():
        return ops.twice(1)

    def test_twice(own): assert own == 2
    def test_slow(): assert ops.slow(1) == 3
    def test_slow_again(): assert ops.slow(1) == 3
    def test_wide(wide): assert wide == 1
    def test_box(): assert ops.Box().get() == 7
    def test_nothing(): pass
    def test_skipped(): pytest.skip("not here")
    def test_late():
        import late
        assert late.read() == 3
"""


def measure(suite: Any, *, contexts: str | None = "contexts.json") -> dict[str, Any]:
    """Run the suite under coverage.py and convert what it measured."""
    (suite.folder / "ops.py").write_text(OPS)
    (suite.folder / "late.py").write_text(LATE)
    suite.write(TESTS)
    doubts = suite.folder / "contexts.json"
    run = [sys.executable, "-m", "coverage", "run", "--data-file=data", "--source=."]
    environment = {"HOTFIRE_CONTEXTS": str(doubts)} if contexts else {}
    done = subprocess.run(
        [*run, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0"],
        cwd=suite.folder, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": ":".join([str(suite.folder), *sys.path]), "PATH": "/usr/bin:/bin",
             **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    out = suite.folder / "out.json"
    given = ["--data", str(suite.folder / "data"), "--root", str(suite.folder)]
    given += ["--suite", "s", "--out", str(out), "--contexts", str(doubts)]
    assert main(["python", *given]) == 0
    body: dict[str, Any] = json.loads(out.read_text())
    return body


def bits(hexadecimal: str) -> list[int]:
    number = int.from_bytes(bytes.fromhex(hexadecimal), "little")
    return [at for at in range(number.bit_length()) if number >> at & 1]


def test_every_test_has_the_files_whose_functions_it_ran(suite: Any) -> None:
    body = measure(suite)
    names = [test.rpartition("/")[2] for test in body["tests"]]
    assert set(names) == {
        "test_twice", "test_slow", "test_slow_again", "test_wide", "test_box", "test_nothing",
        "test_late",
    }, "what was skipped is not known"  # fmt: skip
    [ops] = [file for file in body["files"] if file["path"] == "ops.py"]
    ran = {names[at] for at in bits(ops["tests"])}
    assert ran == {"test_twice", "test_slow", "test_slow_again", "test_box", "test_late"}
    [own] = [file for file in body["files"] if file["path"] == "test_it.py"]
    assert {names[at] for at in bits(own["tests"])} == set(names)


def test_lines_of_wide_fixtures_and_late_imports_are_for_no_test_alone(suite: Any) -> None:
    body = measure(suite)
    [ops] = [file for file in body["files"] if file["path"] == "ops.py"]
    source = OPS.splitlines()
    shared = {source[line].strip() for line in bits(ops["shared"])}
    assert shared == {"return 1", "return 3 * x"}


def test_without_the_plugins_file_tests_are_not_told_apart(suite: Any) -> None:
    body = measure(suite, contexts=None)
    assert "tests" not in body
    assert all("tests" not in file for file in body["files"])


def test_the_plugin_does_nothing_where_nothing_is_measured(suite: Any) -> None:
    suite.write("def test_a(): pass\n")
    path = suite.folder / "contexts.json"
    assert suite.run("-n", "0", HOTFIRE_CONTEXTS=str(path)).code == 0
    assert not path.exists()


def test_a_broken_file_of_the_plugin_is_an_error(
    suite: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measure(suite)
    (suite.folder / "contexts.json").write_text("[1")
    given = ["--data", str(suite.folder / "data"), "--root", str(suite.folder), "--suite", "s"]
    given += ["--out", str(tmp_path / "x"), "--contexts", str(suite.folder / "contexts.json")]
    assert main(["python", *given]) == 2
    assert "is not what the plugin writes" in capsys.readouterr().err


def changed(old: str, new: str) -> tuple[tuple[int, int], ...] | None:
    return changed_bodies(OPS.replace(old, old).encode(), OPS.replace(old, new).encode())


@pytest.mark.parametrize(
    ("old", "new", "spans"),
    [
        ("return 3 * x", "return x + x + x", ((9, 9),)),
        ("return 7", "y = 8\n        return y", ((20, 20),)),
        ("return 3 * x", "return 3 * x  # faster", ()),
        ("SCALE = 2\n", "SCALE = 2\n\n\n# a remark\n", ()),
        ("SCALE = 2", "SCALE = 3", None),
        ("return 3 * x", "return 3 * x\n\nSCALE = 9", None),
        ("def thrice(x)", "def thrice(x=1)", None),
        ("@functools.cache\n", "", None),
        ("class Box:", "class Box(dict):", None),
        ("return 7", "return 7\n\n    def more(self): ...", None),
        ("return 7", "return (", None),
    ],
)
def test_only_bodies_may_differ_if_a_change_is_to_be_known(
    old: str, new: str, spans: tuple[tuple[int, int], ...] | None
) -> None:
    assert changed(old, new) == spans


def test_a_nested_function_is_part_of_the_outer_one_and_one_under_a_condition_counts() -> None:
    source = b"if 1:\n    def f():\n        def g():\n            return 1\n        return g\n"
    found = bodies_of(source)
    assert found is not None
    assert found.spans == ((3, 5),)
    assert changed_bodies(source, source.replace(b"return 1", b"return 2")) == ((3, 5),)
    assert bodies_of(b"\0") is None
