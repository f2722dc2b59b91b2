"""Whoever plans learns which accuracy gates cannot see what they forbid, and where they stand."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hotfire_infra.analysis.accuracy.linting import TaskFacts
from hotfire_infra.api.routers import planning as route
from hotfire_infra.cli.main import main
from hotfire_infra.client import catalogue
from hotfire_infra.errors import PlanRefusedError
from hotfire_pipelines.plan import Plan

IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
PLATFORMS = """
schema: hotfire.dev/platforms/1
platforms:
  here: {dimensions: {os: linux}, reach: [local]}
"""
PIPELINE = """schema: hotfire.dev/pipeline/1
name: graded
axes:
  platform: {values: [here]}
accuracy:
  gsm8k: {tolerance: 0.01, items: 4000}
  mmlu: {tolerance: 0.01, items: 900, blind: warning}
tasks:
  grade: {harness: command, command: ["true"], matrix: {platform: [here]}}
"""
NOISY = TaskFacts(task="gsm8k", items=4000, pairs=8000, discordant=400, runs=2)
WHERE = "pipelines/definitions/graded.yaml"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "library"
    definitions = root / "pipelines" / "definitions"
    definitions.mkdir(parents=True)
    (definitions / "platforms.yaml").write_text(PLATFORMS)
    (definitions / "graded.yaml").write_text(PIPELINE)
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "First"]):
        subprocess.run(["git", *IDENTITY, *arguments], cwd=root, check=True)
    monkeypatch.chdir(root)
    return root


def test_a_plan_names_blind_gates_with_their_line_and_makes_no_run(clients, monkeypatch):
    planner, _ = clients
    bare = planner.plan("graded")
    assert [(one.task, one.is_error) for one in bare.blind_gates] == [("mmlu", False)]
    assert planner.start_run(bare).number == 1, "a warning runs"
    for module in (catalogue, route):
        monkeypatch.setattr(module, "facts_of_pipeline", lambda *_: (NOISY,))
    plan = planner.plan("graded")
    error, warning = plan.blind_gates
    assert (error.task, error.place, error.is_error) == ("gsm8k", f"{WHERE}:6:3", True)
    assert "at 5.01 % discordance (measured: 400 of 8,000 pairs)" in error.fault
    assert (warning.task, warning.place, warning.is_error) == ("mmlu", f"{WHERE}:7:3", False)
    assert plan.digest == bare.digest, "what runs measured is no part of a plan"
    assert Plan.from_json(plan.to_json()) == plan


def test_the_command_prints_the_plan_and_ends_with_2(checkout, monkeypatch, capsys):
    monkeypatch.setenv("HOTFIRE_HOME", str(checkout.parent / "home"))
    monkeypatch.delenv("HOTFIRE_SERVER", raising=False)
    assert main(["plan", "graded"]) == 0
    assert f"warning: {WHERE}:7:3: gate mmlu: tolerates 1 point" in capsys.readouterr().err
    file = checkout / WHERE
    file.write_text(file.read_text().replace("items: 4000", "items: 40"))
    assert main(["plan", "graded", "-o", "json"]) == 2
    said = capsys.readouterr()
    assert f"error: {WHERE}:6:3: gate gsm8k: tolerates 1 point, but 40 items" in said.err
    assert [one["task"] for one in Plan.from_json(said.out).to_dict()["blind_gates"]] == [
        "gsm8k", "mmlu",
    ]  # fmt: skip
    assert main(["run", "graded"]) == PlanRefusedError.exit_code
    assert f"{WHERE}:6:3: gate gsm8k: tolerates 1 point" in capsys.readouterr().err
