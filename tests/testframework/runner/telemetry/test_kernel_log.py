"""The kernel's log: Xids that speak against a device, those of a program, and killed processes."""

from __future__ import annotations

from pathlib import Path

from hotfire_testframework.contract.evidence import Witness
from hotfire_testframework.runner.telemetry.kernel_log import (
    XIDS,
    device_evidence,
    memory_evidence,
    parse_lines,
    pci_address,
    read_kernel_log,
)

LINES = tuple(
    parse_lines((Path(__file__).parent / "kernel.log").read_text(encoding="utf-8").splitlines())
)


def test_a_fault_of_the_device_is_told_from_a_fault_of_the_program():
    found = {(item.device, item.detail.split(" (")[0]): item for item in device_evidence(LINES)}

    assert found["pci:0000:5e:00", "Xid 79"].kind == Witness.DEVICE_LOST
    assert found["pci:0000:5e:00", "Xid 79"].failure_class == "infra-device"
    assert found["pci:0000:5e:00", "Xid 48"].is_hardware
    assert found["pci:0000:3b:00", "Xid 31"].failure_class == "product"
    assert not found["pci:0000:3b:00", "Xid 31"].is_hardware


def test_what_only_follows_an_earlier_error_is_left_out_and_repeats_count_once():
    details = [item.detail for item in device_evidence(LINES)]
    assert not any("Xid 45" in detail for detail in details)
    assert sum("Xid 79" in detail for detail in details) == 1


def test_an_unknown_xid_is_kept_and_does_not_convict_the_device():
    unknown = next(item for item in device_evidence(LINES) if "999" in item.detail)
    assert unknown.failure_class == "infra-device"
    assert unknown.confidence <= 0.5
    assert not unknown.is_hardware


def test_what_happened_before_the_attempt_is_none_of_its_evidence():
    assert not any("Xid 13" in item.detail for item in device_evidence(LINES, since=6000.0))
    assert any("Xid 13" in item.detail for item in device_evidence(LINES))


def test_the_machines_want_of_memory_is_told_from_the_groups_own_limit():
    ours = memory_evidence(LINES, pids=frozenset({18726, 555}))
    assert [item.kind for item in ours] == [Witness.OUT_OF_MEMORY, Witness.MEMORY_LIMIT]
    assert [item.failure_class.value for item in ours] == ["infra-node", "product"]
    others = memory_evidence(LINES, pids=frozenset({1}))
    assert [item.kind for item in others] == [Witness.OUT_OF_MEMORY]
    assert others[0].confidence < ours[0].confidence


def test_records_of_kmsg_are_read_like_lines_of_dmesg():
    text = "4,1234,6402318274,-;NVRM: Xid (PCI:0000:5e:00): 79, GPU has fallen off the bus."
    (line,) = parse_lines([text, " SUBSYSTEM=pci"])
    assert line.seconds == 6402.318274
    assert device_evidence([line])[0].kind == Witness.DEVICE_LOST


def test_a_log_that_may_not_be_read_is_an_empty_one(tmp_path):
    assert read_kernel_log(str(tmp_path / "none")) == ()


def test_a_log_is_read_from_its_device(tmp_path):
    path = tmp_path / "kmsg"
    path.write_text("6,1,1000000,-;NVRM: Xid (PCI:0000:01:00): 94, contained\n")
    assert read_kernel_log(str(path))[0].seconds == 1.0


def test_addresses_of_all_tools_are_one():
    assert pci_address("00000000:3B:00.0") == pci_address("0000:3b:00") == "0000:3b:00"
    assert pci_address("3b:00.0") == "0000:3b:00"


def test_no_xid_is_both_the_devices_and_the_programs():
    assert {witness for witness, _ in XIDS.values()} <= {
        Witness.XID,
        Witness.XID_OF_PROGRAM,
        Witness.DEVICE_LOST,
    }
