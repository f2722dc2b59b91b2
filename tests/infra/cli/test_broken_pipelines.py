"""A broken pipeline ends the command with exit code 2 and its one message, whatever is broken."""

from pathlib import Path

import pytest

from hotfire_infra.cli.main import main

FOLDER = Path(__file__).resolve().parents[2] / "pipelines" / "broken"
# Every broken file is checked where it is planned; here, one of each sort through the command.
SAMPLES = ("yaml-quote-open", "key-unknown", "task-cycle", "cap-exceeded", "always-forbidden",
           "forbid-unknown-value", "require-always-holds", "include-circle")  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_a_broken_pipeline_is_exit_code_2_and_one_message(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOTFIRE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(FOLDER)
    assert main(["plan", f"{name}.yaml"]) == 2
    said = capsys.readouterr().err.splitlines()
    expected = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n")
    assert said[0] == f"error: {expected}"
