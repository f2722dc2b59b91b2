"""The zipapp: same bytes every time, only contract and runner, runs on a bare interpreter."""

from __future__ import annotations

import ast
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import hotfire_testframework
from hotfire_testframework.runner import bundle

ROOT = Path(hotfire_testframework.__file__).parent
# Modules of the standard library that came after 3.10.
TOO_NEW = {"tomllib"}


def test_two_bundles_are_equal_and_the_printed_digest_is_theirs(tmp_path, capsys):
    assert bundle.main([str(tmp_path / "a.pyz")]) == 0
    first = capsys.readouterr().out.split()
    bundle.main([str(tmp_path / "b.pyz")])

    data = (tmp_path / "a.pyz").read_bytes()
    assert data == (tmp_path / "b.pyz").read_bytes()
    assert first == [str(tmp_path / "a.pyz"), hashlib.sha256(data).hexdigest()]
    assert bundle.bundle_sha256() == first[1]


def test_only_contract_and_runner_are_inside(tmp_path):
    bundle.main([str(tmp_path / "r.pyz")])
    names = zipfile.ZipFile(tmp_path / "r.pyz").namelist()

    parts = {name.split("/")[1] for name in names if "/" in name}
    assert parts == {"__init__.py", "errors.py", "contract", "runner"}


def test_the_bundle_runs_an_attempt_without_anything_installed(stand, tmp_path):
    bundle.main([str(tmp_path / "r.pyz")])
    directory = stand.make({"harness": "command", "command": ["true"]})
    done = subprocess.run(
        [sys.executable, "-I", "-S", tmp_path / "r.pyz", directory],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stderr
    assert (directory / "exit").read_text() == "0\n"


def test_contract_and_runner_import_only_the_standard_library_of_3_10():
    allowed = (sys.stdlib_module_names | {"hotfire_testframework"}) - TOO_NEW
    for part in ("contract", "runner"):
        for path in (ROOT / part).rglob("*.py"):
            tree = ast.parse(path.read_text(), feature_version=(3, 10))
            for node in ast.walk(tree):
                names = [item.name for item in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert {name.split(".")[0] for name in names} <= allowed, path
