"""The devices of this machine: itself, each GPU by its UUID, each MIG slice; and what killed a runner."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from hotfire_infra.executors.processes import ProcessIdentity
from hotfire_infra.executors.protocol import DeviceReport
from hotfire_testframework.contract.evidence import Evidence
from hotfire_testframework.runner.telemetry import nvidia
from hotfire_testframework.runner.telemetry.closing import DEVICE_VARIABLE
from hotfire_testframework.runner.telemetry.kernel_log import memory_evidence, read_kernel_log

MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
IDENTITY_SIGNS = 16
QUERY_SECONDS = 20.0
_CAPABILITIES = ("nvidia-smi", "--query-gpu=uuid,compute_cap", "--format=csv,noheader")


def report_devices() -> tuple[DeviceReport, ...]:
    """Look at this machine now; without NVIDIA devices it is the one device itself."""
    machine = DeviceReport(
        identity=machine_identity(),
        kind=_processor(),
        facts={"os": platform.system().lower(), "arch": platform.machine()},
        is_shared=True,
    )
    report = nvidia.look()
    if not report.gpus:
        return (machine,)
    capabilities = _capabilities()
    against = nvidia.health_evidence(report)
    found = [machine]
    for gpu in report.gpus:
        facts = {
            **{name: value for name, value in gpu.facts.items() if value and name != "mig"},
            "vendor": "nvidia",
            "capability": capabilities.get(gpu.uuid, ""),
            "driver": gpu.driver,
            "pci": gpu.pci,
        }
        evidence = tuple(item for item in against if item.device == gpu.uuid)
        parts = [(part.uuid, f"{gpu.name} {part.profile}") for part in gpu.slices]
        # A slice is what is scheduled; its GPU as a whole is not beside it.
        for identity, kind in parts or [(gpu.uuid, gpu.name)]:
            whole = {**facts, "gpu": gpu.uuid} if parts else facts
            found.append(DeviceReport(identity=identity, kind=kind, facts=whole, evidence=evidence))
    return tuple(found)


@cache
def machine_identity() -> str:
    """Return a name of this machine that survives reboots and says nothing of it to strangers."""
    for path in MACHINE_IDS:
        try:
            text = path.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text:
            return f"machine:{_short(text)}"
    return f"machine:{_short(socket.gethostname())}"


def _short(text: str) -> str:
    return hashlib.sha256(f"hotfire:{text}".encode()).hexdigest()[:IDENTITY_SIGNS]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _capabilities() -> Mapping[str, str]:
    """Return `sm_90` by UUID, as tasks ask for it."""
    try:
        done = subprocess.run(
            _CAPABILITIES,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=QUERY_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    rows = [line.partition(",") for line in done.stdout.splitlines()]
    return {uuid.strip(): f"sm_{number.strip().replace('.', '')}" for uuid, _, number in rows}


def device_environment(device: str) -> dict[str, str]:
    """Return what confines an attempt to its device; nothing for the machine itself."""
    if not device:
        return {}
    named = {DEVICE_VARIABLE: device}
    if device.startswith(("GPU-", "MIG-")):
        named |= {"CUDA_VISIBLE_DEVICES": device, "NVIDIA_VISIBLE_DEVICES": device}
    return named


def post_mortem(identity: ProcessIdentity) -> tuple[Evidence, ...]:
    """Say what the kernel's log knows of a runner that left no word: whether memory was the reason."""
    if identity.pid <= 0:
        return ()
    since = identity.start_time / os.sysconf("SC_CLK_TCK")
    return tuple(memory_evidence(read_kernel_log(), since, frozenset({identity.pid})))
