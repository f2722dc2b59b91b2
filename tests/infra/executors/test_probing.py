"""What a plan asks of a machine and what a machine answers: the two sides of one seam."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hotfire_infra.executors import probing
from hotfire_infra.executors.probing import Machine
from hotfire_infra.settings import inherited_environment
from hotfire_pipelines.catalogue import load_platforms
from hotfire_pipelines.freeze import freeze
from hotfire_pipelines.load import load_pipeline
from hotfire_pipelines.plan import Plan, Source

DEBIAN = {"os": "linux", "arch": "x86_64", "distribution": "debian-12"}
RHEL = {"os": "linux", "arch": "x86_64", "distribution": "rhel-9.4"}


@pytest.fixture(scope="module")
def nightly() -> Plan:
    repository = Path(__file__).parents[3]
    definitions = repository / "pipelines" / "definitions"
    return freeze(
        load_pipeline(definitions / "nightly.yaml"),
        load_platforms(definitions / "platforms.yaml"),
        Source(repository="hotfire", revision="0" * 40),
        inventory=lambda key: None,
        history=None,
        source_root=repository,
    )


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """A Debian machine on which every program and module is found, without a GPU."""
    monkeypatch.setattr(probing, "machine_facts", lambda: DEBIAN)
    monkeypatch.setattr(probing, "nvidia_devices", lambda: ())
    monkeypatch.setattr(probing.shutil, "which", lambda name, path=None: name)
    monkeypatch.setattr(probing, "_missing_modules", lambda names: iter(()))
    return Machine(path=os.defpath, cache=tmp_path)


def answers(plan: Plan, machine: Machine, task: str) -> dict[str, str | None]:
    return {c.platform: machine.missing(c.requires) for c in plan.cells if c.task == task}


def test_platforms_of_other_machines_are_refused_with_the_fact_that_differs(
    nightly: Plan, machine: Machine
) -> None:
    assert answers(nightly, machine, "kernels") == {
        "linux-x86_64": None,
        "l4t-aarch64": None,
        "windows-x86_64": None,
        "linux-x86_64-sm_90": "no NVIDIA device",
        "rhel-9": "needs distribution rhel-9, this machine has debian-12",
        "drive-agx-qnx": "needs os qnx, this machine has linux",
        "dgx-a100": "no NVIDIA device",
        "dgx-h100": "no NVIDIA device",
        "dgx-h200": "no NVIDIA device",
        "dgx-b200": "no NVIDIA device",
        "jetson-orin": "needs arch aarch64, this machine has x86_64",
        "jetson-thor": "needs arch aarch64, this machine has x86_64",
        "windows-rtx": "needs os windows, this machine has linux",
        "ubuntu-22.04": "needs distribution ubuntu-22.04, this machine has debian-12",
        "ubuntu-24.04": "needs distribution ubuntu-24.04, this machine has debian-12",
    }


def test_a_machine_that_only_looks_like_a_platform_is_not_the_platform(
    nightly: Plan, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "machine_facts", lambda: RHEL)
    refused = answers(nightly, machine, "kernels")["rhel-9"]
    assert refused == "reached by ssh or kubernetes, and this is the executor 'local'"
    by_ssh = Machine(path=os.defpath, cache=machine.cache, executor="ssh")
    assert answers(nightly, by_ssh, "kernels")["rhel-9"] is None


def test_what_is_built_for_a_platform_may_be_built_anywhere(
    nightly: Plan, machine: Machine, tmp_path: Path
) -> None:
    assert "qnx-sdp" in str(answers(nightly, machine, "build")["drive-agx-qnx"])
    (tmp_path / "qnx-sdp-7.1").mkdir()
    assert answers(nightly, machine, "build")["drive-agx-qnx"] is None


def test_a_runner_inherits_what_finds_programs_and_no_secret() -> None:
    given = {
        "PATH": "/bin",
        "HOTFIRE_CACHE": "/c",
        "HOTFIRE_TOKEN": "t",
        "CUDA_API_KEY": "k",
        "HOTFIRE_JIRA_PASSWORD": "p",
        "AWS_SECRET_ACCESS_KEY": "s",
    }
    assert inherited_environment(given) == {"PATH": "/bin", "HOTFIRE_CACHE": "/c"}
