"""An untrusted change is planned by the target branch, whatever it says of itself."""

from __future__ import annotations

import subprocess

import pytest

from hotfire_infra.client.catalogue import definitions_for, freeze_plan
from hotfire_infra.client.planning import Known
from hotfire_infra.errors import PlanRefusedError
from hotfire_infra.source.stamp import read_stamp

PIPELINE = """
schema: hotfire.dev/pipeline/1
name: gate
axes:
  platform: {values: [pc]}
tasks:
  suite:
    harness: command
    matrix: {platform: [pc]}
    command: [COMMAND]
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


def git(folder, *words):
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.invalid", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path):
    """A change that makes its own gate harmless, and wants a secret."""
    folder = tmp_path / "checkout"
    definitions = folder / "pipelines" / "definitions"
    definitions.mkdir(parents=True)
    (definitions / "platforms.yaml").write_text(PLATFORMS)
    gate = definitions / "gate.yaml"
    gate.write_text(PIPELINE.replace("COMMAND", "strict"))
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "the gate")
    git(folder, "checkout", "-q", "-b", "change")
    gate.write_text(PIPELINE.replace("COMMAND", "harmless") + "    secrets: [TOKEN]\n")
    git(folder, "commit", "-q", "-a", "-m", "the change")
    return folder


NOTHING_KNOWN = Known(
    coverage=lambda revisions, paths: (),
    contexts=lambda revisions, paths: (),
    samples=lambda pipeline: (),
    history=lambda pipeline: lambda cell, task, platform: None,
)


def planned(checkout, *, is_trusted, targets=("main",), name="gate"):
    with definitions_for(checkout, name, targets, is_trusted=is_trusted) as folder:
        stamp = read_stamp(checkout)
        return freeze_plan(
            lambda _: lambda _: None, checkout, name, stamp, 2, folder, knowledge=NOTHING_KNOWN
        )


def test_the_target_branch_says_what_an_untrusted_change_must_pass(checkout):
    trusted, untrusted = (planned(checkout, is_trusted=word) for word in (True, False))
    assert (trusted.tasks[0].spec.command, trusted.tasks[0].spec.secrets) == (
        ("harmless",),
        ("TOKEN",),
    )
    assert (untrusted.tasks[0].spec.command, untrusted.tasks[0].spec.secrets) == (("strict",), ())
    assert untrusted.source == trusted.source, "what is tested is the change"


def test_without_the_target_branch_nothing_is_planned(checkout):
    with pytest.raises(PlanRefusedError, match="none of origin/main"):
        planned(checkout, is_trusted=False, targets=("origin/main",))


def test_a_file_of_the_change_is_no_pipeline_for_it(checkout):
    path = checkout / "pipelines" / "definitions" / "gate.yaml"
    with pytest.raises(PlanRefusedError, match="is a file of the change"):
        planned(checkout, is_trusted=False, name=path)


WAIVERS = """
schema: hotfire.dev/waivers/1
waivers:
  - test: "SCOPE"
    owner: a
    bug: B-1
    reason: r
    signature: boom
    created: 2026-11-01
    expires: 2026-12-01
"""


def test_an_untrusted_change_waives_nothing_that_the_target_branch_does_not(checkout):
    definitions = checkout / "pipelines" / "definitions"
    gate, waivers = definitions / "gate.yaml", definitions / "waivers.yaml"
    git(checkout, "checkout", "-q", "main")
    gate.write_text(gate.read_text() + "waivers: waivers.yaml\n")
    waivers.write_text(WAIVERS.replace("SCOPE", "m/s/known"))
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "a waiver")
    git(checkout, "checkout", "-q", "-b", "sly")
    waivers.write_text(WAIVERS.replace("SCOPE", "*"))
    git(checkout, "commit", "-q", "-a", "-m", "waive everything")
    plans = [planned(checkout, is_trusted=word) for word in (True, False)]
    assert [plan.waivers[0]["test"] for plan in plans] == ["*", "m/s/known"]
    assert plans[0].waiver_file != plans[1].waiver_file
    assert plans[0].digest != plans[1].digest


def test_an_untrusted_change_is_tested_by_the_lists_of_the_target_branch(checkout):
    definitions = checkout / "pipelines" / "definitions"
    gate, tests = definitions / "gate.yaml", definitions / "lists" / "gate.yml"
    git(checkout, "checkout", "-q", "main")
    gate.write_text(
        PIPELINE.replace("harness: command", "harness: pytest").replace(
            "    command: [COMMAND]\n", "    paths: [.]\n    tests: {list: lists/gate.yml}\n"
        )
    )
    tests.parent.mkdir()
    tests.write_text("version: 1\ngate: [{tests: [unit, strict]}]\n")
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "a list")
    git(checkout, "checkout", "-q", "-b", "lax")
    tests.write_text("version: 1\ngate: [{tests: [unit]}]\n")
    git(checkout, "commit", "-q", "-a", "-m", "no strict tests")
    plans = [planned(checkout, is_trusted=word) for word in (True, False)]
    listed = [[test.test for test in plan.tasks[0].spec.tests] for plan in plans]
    assert listed == [["unit"], ["unit", "strict"]]
