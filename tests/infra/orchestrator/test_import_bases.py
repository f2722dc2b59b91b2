"""Imported results of a commit stand on its branch: baseline, gate and comparison know its merge base."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from hotfire_infra.cli.main import main

TIMES = [1.000, 1.001, 0.999]


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    argv = ["git", *who, *arguments]
    done = subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def report(seconds: float) -> str:
    one = {
        "name": "BM_decode", "run_name": "BM_decode", "run_type": "iteration", "iterations": 10,
        "repetitions": 1, "threads": 1, "real_time": seconds, "cpu_time": seconds, "time_unit": "s",
    }  # fmt: skip
    return json.dumps({"context": {"date": "2026-11-21"}, "benchmarks": [one]})


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Three commits of a branch main, each with an imported report; a change begins from the last."""
    monkeypatch.setenv("HOTFIRE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HOTFIRE_SERVER", raising=False)
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    monkeypatch.chdir(folder)
    (folder / ".gitignore").write_text("*.json\n")
    git(folder, "add", ".gitignore")
    for number, seconds in enumerate(TIMES, start=1):
        git(folder, "commit", "-q", "-m", f"Commit {number}", "--allow-empty")
        assert bring(seconds) == 0
    git(folder, "checkout", "-q", "-b", "change")
    git(folder, "commit", "-q", "-m", "The change", "--allow-empty")
    return folder


def bring(seconds: float, *arguments: str) -> int:
    Path("report.json").write_text(report(seconds), encoding="utf-8")
    return main(["import", "report.json", *arguments])


def test_an_imported_change_is_gated_against_the_imports_of_its_target_branch(checkout, capsys):
    assert bring(1.30) == 0, "without a gate nothing blocks"
    assert bring(1.3001, "--gate", "*=0.1") == 1
    assert "performance regressed: benchmark.wall_time of BM_decode" in capsys.readouterr().err
    assert bring(1.0005, "--gate", "benchmark.wall_time") == 0


def test_a_run_is_compared_with_the_one_on_its_merge_base(checkout, capsys):
    assert bring(1.30) == 0
    capsys.readouterr()
    assert main(["compare", "merge-base", "4", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["before"], found["after"]) == (3, 4)
    # Of a commit of the branch itself: the one before it.
    assert main(["compare", "merge-base", "3", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["before"] == 2
    assert main(["compare", "merge-base", "1"]) == 2
    assert "run or import one there" in capsys.readouterr().err


def test_what_is_said_of_revision_and_merge_base_counts_wherever_it_is_imported(checkout, capsys):
    first, tip = git(checkout, "rev-parse", "main~2"), git(checkout, "rev-parse", "change")
    git(checkout, "checkout", "-q", "main")
    assert bring(1.2, "--revision", "change", "--merge-base", "main~2") == 0
    capsys.readouterr()
    assert main(["show", "4", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["source"]["revision"] == tip
    assert main(["compare", "merge-base", "4", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["before"] == 1
    assert bring(1.21, "--revision", "f" * 40, "--merge-base", first) == 0
    assert bring(1.22, "--revision", "f" * 40, "--merge-base", "nowhere") == 2


def test_reports_beside_uncommitted_changes_are_no_points_of_the_branch(checkout, capsys):
    git(checkout, "checkout", "-q", "main")
    Path(".gitignore").write_text("*.json\n*.xml\n")
    assert bring(1.5) == 0
    assert "--revision says which commit" in capsys.readouterr().err
    assert main(["compare", "merge-base", "4"]) == 2


@pytest.mark.parametrize("gate", ["benchmark.wall_time=x", "benchmark.wall_time=1", "none.such"])
def test_a_gate_that_nobody_can_hold_is_refused(tmp_path, monkeypatch, gate):
    monkeypatch.setenv("HOTFIRE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HOTFIRE_SERVER", raising=False)
    monkeypatch.chdir(tmp_path)
    assert bring(1.0, "--gate", gate) == 2
