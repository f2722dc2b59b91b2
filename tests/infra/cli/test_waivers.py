"""`hotfire waivers` as it is typed: what it prints and what the shell gets."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hotfire_infra.cli.main import main

TODAY = datetime.now(UTC).date()
PIPELINE = """
schema: hotfire.dev/pipeline/1
name: gate
waivers: waivers.yaml
axes:
  platform: {values: [pc]}
tasks:
  suite: {harness: command, matrix: {platform: [pc]}, command: ["true"]}
"""
PLATFORMS = """
schema: hotfire.dev/platforms/1
platforms:
  pc:
    dimensions: {os: linux, arch: x86_64, accelerator: none, toolchain: gcc-12}
    build: {}
    run: {}
    reach: [local]
"""


def waivers(test="tasks/command/suite", days=30):
    return f"""
schema: hotfire.dev/waivers/1
waivers:
  - test: {test}
    owner: a@example.org
    bug: HF-12
    reason: rounding
    signature: boom
    created: {TODAY + timedelta(days=days) - timedelta(days=60)}
    expires: {TODAY + timedelta(days=days)}
"""


@pytest.fixture(autouse=True)
def definitions(tmp_path, monkeypatch):
    folder = tmp_path / "checkout" / "pipelines" / "definitions"
    folder.mkdir(parents=True)
    for name, text in {"gate": PIPELINE, "platforms": PLATFORMS, "waivers": waivers()}.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    checkout = tmp_path / "checkout"
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.invalid", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *identity, *words], cwd=checkout, check=True, capture_output=True)
    monkeypatch.setenv("HOTFIRE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HOTFIRE_SERVER", raising=False)
    monkeypatch.chdir(checkout)
    return folder


@pytest.mark.parametrize("what", [[], ["gate"], ["pipelines/definitions/waivers.yaml"]])
def test_waivers_with_an_effect_exit_0(what, capsys):
    assert main(["waivers", "lint", *what]) == 0
    printed = capsys.readouterr()
    assert "waivers.yaml: 1 waiver, nothing to correct" in printed.err
    assert printed.out == ""


def test_a_waiver_that_matches_no_test_of_its_pipeline_exits_1(definitions, capsys):
    (definitions / "waivers.yaml").write_text(waivers("tasks/command/gone"), encoding="utf-8")
    assert main(["waivers", "lint", "gate", "-o", "json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["line"], found["blocks"]) == ("matches-nothing", 4, True)
    # Without its pipeline nobody knows which tests there are.
    assert main(["waivers", "lint", str(definitions / "waivers.yaml")]) == 0


def test_a_test_that_may_be_in_a_cell_never_run_is_not_called_gone(definitions, capsys):
    gtest = PIPELINE.replace("harness: command", "harness: gtest")
    (definitions / "gate.yaml").write_text(gtest, encoding="utf-8")
    (definitions / "waivers.yaml").write_text(waivers("m/gtest/any"), encoding="utf-8")
    assert main(["waivers", "lint", "gate"]) == 0


@pytest.mark.parametrize(("days", "code", "kind"), [(-1, 1, "expired"), (2, 0, "expires-soon")])
def test_only_what_has_no_effect_blocks(definitions, capsys, days, code, kind):
    (definitions / "waivers.yaml").write_text(waivers(days=days), encoding="utf-8")
    assert main(["waivers", "lint"]) == code
    assert kind in capsys.readouterr().out


@pytest.mark.parametrize("text", ["schema: [", "schema: hotfire.dev/waivers/1\nwaivers: [{}]\n"])
def test_a_file_that_cannot_be_read_exits_2(definitions, capsys, text):
    (definitions / "waivers.yaml").write_text(text, encoding="utf-8")
    for what in ([], ["gate"], [str(definitions / "waivers.yaml")]):
        assert main(["waivers", "lint", *what]) == 2
        assert "waivers.yaml:" in capsys.readouterr().err


def test_a_pipeline_without_waivers_is_told_what_to_write(definitions, capsys):
    bare = PIPELINE.replace("waivers: waivers.yaml\n", "")
    (definitions / "gate.yaml").write_text(bare, encoding="utf-8")
    assert main(["waivers", "lint", "gate"]) == 2
    assert "names no waiver file; add `waivers: FILE`" in capsys.readouterr().err


def test_an_imported_list_gives_findings_and_a_draft_that_waives_nothing_yet(capsys):
    Path("waives.txt").write_text("full:H2/a.py::t SKIP\n", encoding="utf-8")
    assert main(["waivers", "import", "waives.txt", "--platform", "H200"]) == 0
    printed = capsys.readouterr()
    assert "waives.txt:1: bare: 'a.py::t' is waived without a reason" in printed.err
    assert "waives.txt:1: unreachable: no platform is called 'H2'" in printed.err
    Path("draft.yaml").write_text(printed.out, encoding="utf-8")
    assert main(["waivers", "lint", "draft.yaml"]) == 2
    assert "waivers.0." in capsys.readouterr().err


def test_a_list_that_is_not_there_exits_2(capsys):
    assert main(["waivers", "import", "none.txt"]) == 2
    assert "none.txt:1: cannot be read" in capsys.readouterr().err


def test_a_list_in_text_is_linted_as_an_import_reads_it(tmp_path, capsys):
    path = tmp_path / "waives.txt"
    path.write_text("a.py::t SKIP (nvbugs/1)\nb.py::t SKIP\n")
    assert main(["waivers", "lint", str(path), "-o", "json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["line"], found["kind"]) == (2, "bare")
    path.write_text("a.py::t SKIP (nvbugs/1)\n")
    assert main(["waivers", "lint", str(path)]) == 0
    assert main(["waivers", "lint", str(tmp_path / "none.txt")]) == 2
    assert "hotfire waivers --help" in capsys.readouterr().err
