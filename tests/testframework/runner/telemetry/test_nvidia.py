"""nvidia-smi: identity, counters, slices; and machines that have none of it."""

from __future__ import annotations

import stat
from pathlib import Path

from hotfire_testframework.contract.evidence import Witness
from hotfire_testframework.runner.telemetry import nvidia
from hotfire_testframework.runner.telemetry.kernel_log import device_evidence, parse_lines

FOLDER = Path(__file__).parent
XML = (FOLDER / "nvidia-smi-two-gpus.xml").read_text(encoding="utf-8")
GOOD = "GPU-11111111-2222-3333-4444-555555555555"
BAD = "GPU-66666666-7777-8888-9999-aaaaaaaaaaaa"
LIST = f"""\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: {GOOD})
GPU 1: NVIDIA H100 80GB HBM3 (UUID: {BAD})
  MIG 1g.10gb     Device  0: (UUID: MIG-aaaaaaaa-0000-0000-0000-000000000001)
  MIG 3g.40gb     Device  1: (UUID: MIG-aaaaaaaa-0000-0000-0000-000000000002)
"""


def program(folder: Path, body: str) -> str:
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_identity_and_counters_are_read_whatever_the_driver_calls_them():
    good, bad = nvidia.parse_query(XML)
    assert (good.uuid, good.pci, good.driver) == (GOOD, "0000:3b:00", "550.54.15")
    assert (good.uncorrectable, bad.uncorrectable) == (0, 3)
    assert (good.temperature_c, bad.throttling) == (34, ("hw_thermal_slowdown",))
    assert (good.is_remap_failed, bad.is_remap_failed) == (False, True)


def test_correctable_errors_and_those_of_earlier_years_speak_against_nobody():
    good, _ = nvidia.parse_query(XML)
    assert nvidia.health_evidence(nvidia.Report(gpus=(good,))) == []


def test_new_uncorrectable_errors_are_certain_and_old_ones_are_not():
    report = nvidia.Report(gpus=nvidia.parse_query(XML))
    new = nvidia.health_evidence(report, {GOOD: 0, BAD: 1})
    counted = next(item for item in new if "2 uncorrectable" in item.detail)
    assert (counted.device, counted.is_hardware) == (BAD, True)
    assert not any("uncorrectable" in i.detail for i in nvidia.health_evidence(report, {BAD: 3}))
    old = nvidia.health_evidence(report)
    assert not next(item for item in old if "3 uncorrectable" in item.detail).is_hardware


def test_slices_are_listed_below_their_gpu():
    slices = nvidia.parse_list(LIST)
    assert slices[GOOD] == ()
    assert [part.profile for part in slices[BAD]] == ["1g.10gb", "3g.40gb"]


def test_the_address_in_the_kernels_log_becomes_the_uuid():
    lines = parse_lines(["[ 5.0] NVRM: Xid (PCI:0000:5e:00): 79, GPU has fallen off the bus."])
    (item,) = nvidia.name_devices(device_evidence(lines), nvidia.parse_query(XML))
    assert item.device == BAD


def test_a_whole_look_asks_for_slices_only_where_there_are_some(tmp_path):
    (tmp_path / "q.xml").write_text(XML)
    (tmp_path / "l.txt").write_text(LIST)
    body = f'case "$1" in -L) cat {tmp_path}/l.txt;; *) cat {tmp_path}/q.xml;; esac'
    report = nvidia.look(program(tmp_path, body))
    assert [len(gpu.slices) for gpu in report.gpus] == [0, 2]
    assert report.trouble == ""


def test_no_tool_and_no_device_are_normal_answers(tmp_path):
    assert nvidia.look(str(tmp_path / "missing")) == nvidia.Report()
    none = program(tmp_path, "echo 'No devices were found'; exit 6")
    assert nvidia.health_evidence(nvidia.look(none)) == []


def test_a_lost_device_is_evidence(tmp_path):
    said = "Unable to determine the device handle for GPU0000:5E:00.0: GPU is lost. Reboot."
    report = nvidia.look(program(tmp_path, f"echo '{said}'; exit 15"))
    (item,) = nvidia.health_evidence(report)
    assert (item.kind, item.is_hardware) == (Witness.DEVICE_LOST, True)


def test_a_driver_that_hangs_is_weak_evidence_and_no_hang_of_ours(tmp_path, monkeypatch):
    monkeypatch.setattr(nvidia, "QUERY_SECONDS", 0.2)
    report = nvidia.look(program(tmp_path, "exec sleep 600"))
    (item,) = nvidia.health_evidence(report)
    assert "no answer" in item.detail
    assert not item.is_hardware


def test_output_that_is_cut_or_no_xml_names_no_device():
    assert nvidia.parse_query(XML[:500]) == ()
    assert nvidia.parse_query("<not-it/>") == ()
