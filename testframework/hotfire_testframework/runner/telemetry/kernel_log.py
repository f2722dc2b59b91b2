"""The kernel's log: what it says of devices that failed and of processes killed for want of memory.

Not every user may read it; where it cannot be read there is no evidence from it, which is a normal answer.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hotfire_testframework.contract.evidence import Evidence, Witness
from hotfire_testframework.contract.failure import FailureClass

KMSG = "/dev/kmsg"
RECORD_BYTES = 8192
RECORDS_LIMIT = 20_000

# `prefix,sequence,microseconds,flags;text` of /dev/kmsg, `[seconds] text` of dmesg.
_KMSG = re.compile(r"^\d+,\d+,(\d+),[^;]*;(.*)$")
_DMESG = re.compile(r"^(?:<\d+>)?\[\s*(\d+\.\d+)\]\s?(.*)$")
_XID = re.compile(r"NVRM: Xid \(PCI:([0-9a-fA-F:.]+)\): (\d+)(?:, (.*))?$")
_PID = re.compile(r"\bpid='?(\d+)")
_KILLED = re.compile(
    r"(Out of memory|Memory cgroup out of memory): Killed process (\d+) \(([^)]*)\)"
)

XIDS: dict[int, tuple[Witness, str]] = {
    13: (Witness.XID_OF_PROGRAM, "graphics engine exception"),
    31: (Witness.XID_OF_PROGRAM, "memory page fault of the program"),
    43: (Witness.XID_OF_PROGRAM, "the program's channel was stopped"),
    45: (Witness.XID_OF_PROGRAM, "channels torn down after an earlier error"),
    48: (Witness.XID, "double-bit ECC error"),
    61: (Witness.XID, "internal micro-controller breakpoint"),
    62: (Witness.XID, "internal micro-controller halt"),
    63: (Witness.XID, "row remapping or page retirement recorded"),
    64: (Witness.XID, "row remapping or page retirement failed"),
    68: (Witness.XID_OF_PROGRAM, "video processor exception"),
    69: (Witness.XID_OF_PROGRAM, "graphics engine class error"),
    74: (Witness.XID, "NVLink error"),
    79: (Witness.DEVICE_LOST, "fallen off the bus"),
    92: (Witness.XID, "high rate of single-bit ECC errors"),
    94: (Witness.XID, "contained ECC error"),
    95: (Witness.XID, "uncontained ECC error"),
    109: (Witness.XID_OF_PROGRAM, "context switch timeout"),
    119: (Witness.XID, "GSP does not answer"),
    120: (Witness.XID, "GSP error"),
    140: (Witness.XID, "unrecovered ECC error"),
}
"""NVIDIA's codes that tell something; those a program can cause never speak against the device."""

CONSEQUENCES = frozenset({45})
"""What follows an earlier error and says nothing of its own."""
UNKNOWN_XID_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelLine:
    """One line; `seconds` counts from boot, like the monotonic clock."""

    seconds: float
    text: str


def read_kernel_log(path: str = KMSG) -> tuple[KernelLine, ...]:
    """Return what the ring buffer holds; nothing where it may not be read."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return ()
    try:
        return tuple(_records(handle))
    finally:
        os.close(handle)


def _records(handle: int) -> Iterator[KernelLine]:
    for _ in range(RECORDS_LIMIT):
        try:
            raw = os.read(handle, RECORD_BYTES)
        except BrokenPipeError:
            continue  # Overwritten while we read; the next read goes on behind the gap.
        except OSError:
            return  # EAGAIN: nothing more now.
        if not raw:
            return
        yield from parse_lines(raw.decode(errors="replace").splitlines())


def parse_lines(lines: Iterable[str]) -> Iterator[KernelLine]:
    """Read lines in the form of /dev/kmsg or of dmesg; others are passed over."""
    for line in lines:
        if found := _KMSG.match(line):
            yield KernelLine(seconds=int(found[1]) / 1e6, text=found[2])
        elif found := _DMESG.match(line):
            yield KernelLine(seconds=float(found[1]), text=found[2])


def device_evidence(lines: Iterable[KernelLine], since: float = 0.0) -> list[Evidence]:
    """Return what the driver said of devices since a time; `device` is `pci:<domain>:<bus>:<slot>`."""
    seen: dict[tuple[str, int], Evidence] = {}
    for line in lines:
        found = _XID.search(line.text) if line.seconds >= since else None
        if found is None or int(found[2]) in CONSEQUENCES:
            continue
        item = _of_xid(found[1], int(found[2]), found[3] or "")
        seen.setdefault((item.device, int(found[2])), item)
    return list(seen.values())


def _of_xid(address: str, code: int, rest: str) -> Evidence:
    known = XIDS.get(code)
    witness, meaning = known or (Witness.XID, "a code without an entry in the table")
    confidence = None if known else UNKNOWN_XID_CONFIDENCE
    if known is None:
        # An unknown code must not count as hardware for certain: newer drivers add softer ones.
        witness = Witness.XID_OF_PROGRAM
    detail = f"Xid {code} ({meaning})" + (f": {rest}" if rest else "")
    failure = FailureClass.INFRA_DEVICE if known is None else None
    return Evidence.of(
        witness,
        "kernel",
        detail,
        failure_class=failure,
        confidence=confidence,
        device=f"pci:{pci_address(address)}",
    )


def pci_address(text: str) -> str:
    """Return `domain:bus:slot` with a domain of four digits: tools write four or eight."""
    parts = text.lower().partition(".")[0].split(":")
    if len(parts) == 2:
        parts = ["0000", *parts]
    with contextlib.suppress(ValueError):
        parts[0] = f"{int(parts[0], 16):04x}"
    return ":".join(parts)


def memory_evidence(
    lines: Iterable[KernelLine], since: float = 0.0, pids: frozenset[int] = frozenset()
) -> list[Evidence]:
    """Return which processes were killed for want of memory: the machine's, or a limit of a group.

    A kill of a process that is not among `pids` says less: it may have been somebody else's.
    """
    result = []
    for line in lines:
        found = _KILLED.search(line.text) if line.seconds >= since else None
        if found is None:
            continue
        is_limit, is_ours = found[1].startswith("Memory cgroup"), int(found[2]) in pids
        witness = Witness.MEMORY_LIMIT if is_limit else Witness.OUT_OF_MEMORY
        whose = "" if is_ours else "another process, "
        detail = f"{found[1]}: killed {whose}{found[3]} (pid {found[2]})"
        if is_limit and not is_ours:
            continue  # A limit of somebody else's group is nothing of ours.
        result.append(Evidence.of(witness, "kernel", detail, confidence=None if is_ours else 0.6))
    return result
