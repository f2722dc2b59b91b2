"""The linters that have an opinion on every line: ruff and mypy, both without warnings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TYPED = [
    "benchmarks",
    "infra/setup/provision.py",
    "testframework/suites",
    "tests/conventions/conftest.py",
]


def tool(root: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name(name), *arguments], cwd=root, capture_output=True, text=True
    )


def test_ruff_finds_nothing(root: Path) -> None:
    done = tool(root, "ruff", "check", "--quiet", "--output-format", "concise", ".")
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_is_formatted(root: Path) -> None:
    done = tool(root, "ruff", "format", "--check", "--output-format", "concise", ".")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_package_is_strictly_typed(root: Path) -> None:
    done = tool(root, "mypy")
    assert done.returncode == 0, done.stdout + done.stderr


def test_scripts_outside_the_packages_are_strictly_typed(root: Path) -> None:
    done = tool(root, "mypy", *TYPED)
    assert done.returncode == 0, done.stdout + done.stderr


def test_planted_faults_are_found(root: Path, tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text("import os\n\n\ndef double(x):\n    return x*2\n", encoding="utf-8")
    config = str(root / "pyproject.toml")
    assert "F401" in tool(root, "ruff", "check", "--config", config, str(planted)).stdout
    assert tool(root, "ruff", "format", "--check", "--config", config, str(planted)).returncode == 1
    typed = tool(root, "mypy", "--cache-dir", str(tmp_path / "cache"), str(planted))
    assert "no-untyped-def" in typed.stdout
