"""The devices of this machine: with nvidia-smi, with slices, and without any of it."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from hotfire_infra.executors import local_devices
from hotfire_infra.executors.fake import FakeExecutor, fake_devices
from hotfire_infra.executors.local_devices import (
    device_environment,
    machine_identity,
    post_mortem,
    report_devices,
)
from hotfire_infra.executors.processes import identify
from hotfire_testframework.contract.evidence import Witness
from hotfire_testframework.runner.telemetry.kernel_log import KernelLine

SAMPLE = Path(__file__).parents[2] / "testframework/runner/telemetry/nvidia-smi-two-gpus.xml"
GOOD = "GPU-11111111-2222-3333-4444-555555555555"
BAD = "GPU-66666666-7777-8888-9999-aaaaaaaaaaaa"


@pytest.fixture
def with_nvidia(tmp_path, monkeypatch):
    """A machine whose nvidia-smi answers like a real one with two GPUs, the second one sliced."""
    slices = (
        f"GPU 0: NVIDIA H100 80GB HBM3 (UUID: {GOOD})\n"
        f"GPU 1: NVIDIA H100 80GB HBM3 (UUID: {BAD})\n"
        "  MIG 1g.10gb     Device  0: (UUID: MIG-0001)\n"
        "  MIG 3g.40gb     Device  1: (UUID: MIG-0002)\n"
    )
    (tmp_path / "list").write_text(slices)
    (tmp_path / "caps").write_text(f"{GOOD}, 9.0\n{BAD}, 9.0\n")
    cat = shutil.which("cat")
    script = (
        f'#!/bin/sh\ncase "$1" in -q) {cat} {SAMPLE};; -L) {cat} {tmp_path}/list;; '
        f"*) {cat} {tmp_path}/caps;; esac\n"
    )
    program = tmp_path / "nvidia-smi"
    program.write_text(script)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


def test_a_machine_without_gpus_is_one_device_that_all_share(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    (machine,) = report_devices()
    assert machine.identity == machine_identity()
    assert machine.identity.startswith("machine:")
    assert machine.is_shared


def test_the_machines_identity_stays_and_does_not_give_its_name_away():
    local_devices.machine_identity.cache_clear()
    assert machine_identity() == machine_identity()
    assert os.uname().nodename not in machine_identity()


def test_gpus_are_devices_by_uuid_and_slices_stand_for_theirs(with_nvidia):
    found = {report.identity: report for report in report_devices()}
    assert set(found) - {machine_identity()} == {GOOD, "MIG-0001", "MIG-0002"}
    assert found[GOOD].facts["capability"] == "sm_90"
    assert found[GOOD].facts["driver"] == "550.54.15"
    assert found["MIG-0002"].kind == "NVIDIA H100 80GB HBM3 3g.40gb"
    assert found["MIG-0002"].facts["gpu"] == BAD
    assert not found[GOOD].is_shared


def test_what_the_counters_say_is_evidence_against_every_slice_of_the_gpu(with_nvidia):
    found = {report.identity: report for report in report_devices()}
    assert found[GOOD].evidence == ()
    kinds = {item.kind for item in found["MIG-0001"].evidence}
    assert Witness.ECC in kinds
    assert found["MIG-0001"].evidence == found["MIG-0002"].evidence


def test_an_attempt_sees_only_its_device():
    assert device_environment("") == {}
    assert device_environment("machine:1") == {"HOTFIRE_DEVICE": "machine:1"}
    gpu = device_environment(GOOD)
    assert gpu["CUDA_VISIBLE_DEVICES"] == gpu["HOTFIRE_DEVICE"] == GOOD


def test_a_runner_killed_for_want_of_memory_is_found_in_the_kernels_log(monkeypatch):
    me = identify(os.getpid())
    killed = f"Out of memory: Killed process {me.pid} (python) total-vm:1kB, anon-rss:1kB"
    lines = (KernelLine(seconds=me.start_time / os.sysconf("SC_CLK_TCK") + 1, text=killed),)
    monkeypatch.setattr(local_devices, "read_kernel_log", lambda: lines)
    (found,) = post_mortem(me)
    assert found.kind == Witness.OUT_OF_MEMORY
    monkeypatch.setattr(local_devices, "read_kernel_log", lambda: ())
    assert post_mortem(me) == ()


def test_the_fake_has_the_devices_that_a_test_puts_in(tmp_path):
    executor = FakeExecutor(tmp_path, devices=fake_devices(2))
    assert [report.identity for report in executor.devices()] == ["GPU-0", "GPU-1"]
    assert FakeExecutor(tmp_path).devices() == ()
