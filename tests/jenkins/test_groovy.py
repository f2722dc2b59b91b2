"""The shared library's own tests and lint, by Maven, as a Jenkins engineer would call them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

JENKINS = Path(__file__).resolve().parents[2] / "jenkins"
STEP_LINES = 40

needs_maven = pytest.mark.skipif(
    not (shutil.which("mvn") and shutil.which("java")),
    reason="Maven or Java is absent: `make test` installs both when run as root",
)


def maven(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask the local repository first: after one run with a network none is needed any more."""
    command = ["mvn", "--batch-mode", "--no-transfer-progress", *arguments]
    offline = subprocess.run(
        [*command, "--offline"], cwd=folder, capture_output=True, text=True, timeout=600
    )
    if "in offline mode" not in offline.stdout:
        return offline
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A copy beside the real `.venv`, so that a planted fault spoils nobody's checkout."""
    shutil.copytree(JENKINS, tmp_path / "jenkins", ignore=shutil.ignore_patterns("target"))
    (tmp_path / ".venv").symlink_to(JENKINS.parent / ".venv")
    return tmp_path / "jenkins"


@needs_maven
def test_the_library_passes_its_tests_and_its_lint(library: Path) -> None:
    done = maven(library, "verify")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    counts = re.findall(r"Tests run: (\d+), Failures: 0, Errors: 0, Skipped: (\d+)", done.stdout)
    assert counts, done.stdout[-2000:]
    assert int(counts[-1][0]) >= 12
    assert int(counts[-1][1]) == 0
    assert "CodeNarc completed: (p1=0; p2=0; p3=0)" in done.stdout


@needs_maven
def test_a_step_that_hides_red_tests_is_found(library: Path) -> None:
    report = library / "src/dev/hotfire/RunReport.groovy"
    planted = report.read_text(encoding="utf-8").replace("1: 'UNSTABLE'", "1: 'SUCCESS'")
    report.write_text(planted, encoding="utf-8")
    done = maven(library, "test")
    assert done.returncode != 0
    assert "expected:<[UNSTABLE]> but was:<[SUCCESS]>" in done.stdout


def test_the_step_stays_a_thin_client() -> None:
    step = (JENKINS / "vars/hotfire.groovy").read_text(encoding="utf-8")
    assert step.count("\n") <= STEP_LINES
    assert step.count("sh(") == 1


def test_the_help_names_every_argument() -> None:
    report = (JENKINS / "src/dev/hotfire/RunReport.groovy").read_text(encoding="utf-8")
    listed = re.search(r"ARGUMENTS = \[(.*?)\]", report)
    assert listed is not None
    arguments = re.findall(r"'(\w+)'", listed[1])
    text = (JENKINS / "vars/hotfire.txt").read_text(encoding="utf-8")
    assert [name for name in arguments if f"  {name} " not in text] == []


def test_the_build_names_no_repository_address() -> None:
    pom = (JENKINS / "pom.xml").read_text(encoding="utf-8")
    assert "<repositor" not in pom
    assert "<pluginRepositor" not in pom
