"""What an attempt that failed can still learn of its machine: the driver's counters, the kernel's log."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from hotfire_testframework.contract.evidence import Evidence
from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.runner.telemetry import nvidia
from hotfire_testframework.runner.telemetry.kernel_log import (
    device_evidence,
    memory_evidence,
    read_kernel_log,
)

DEVICE_VARIABLE = "HOTFIRE_DEVICE"
"""Identity of the device that the attempt was given; set by the executor."""
CLOCK_MARGIN_SECONDS = 2.0
"""The kernel stamps its log by a clock that drifts a little from the monotonic one."""
_KILLS = frozenset({RunnerExit.LAUNCHER_DIED, RunnerExit.SMOKE_TEST})


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The state at the attempt's start; without a device there is nothing to count."""

    began: float
    device: str = ""
    uncorrectable: Mapping[str, int] | None = field(default=None)


def take_baseline(environ: Mapping[str, str] = os.environ) -> Baseline:
    """Note the counters of the device that this attempt was given; asks the driver only then."""
    device = environ.get(DEVICE_VARIABLE, "")
    if not device.startswith(("GPU-", "MIG-")) or shutil.which("nvidia-smi") is None:
        return Baseline(began=time.monotonic(), device=device)
    counts = {gpu.uuid: gpu.uncorrectable for gpu in nvidia.look().gpus}
    return Baseline(began=time.monotonic(), device=device, uncorrectable=counts)


def closing_evidence(baseline: Baseline, exit_code: int) -> list[Evidence]:
    """Return what speaks against machine and device since the start; nothing for an attempt that passed."""
    if exit_code in (RunnerExit.PASSED, RunnerExit.NOTHING_COLLECTED, RunnerExit.TERMINATED):
        return []
    since = baseline.began - CLOCK_MARGIN_SECONDS
    lines = read_kernel_log()
    found = device_evidence(lines, since)
    if shutil.which("nvidia-smi") is not None:
        report = nvidia.look()
        found = nvidia.name_devices(found, report.gpus)
        found += nvidia.health_evidence(report, baseline.uncorrectable)
        found = _of_device(found, baseline.device, report)
    if exit_code in _KILLS:
        found += memory_evidence(lines, since)
    return found


def _of_device(items: list[Evidence], device: str, report: nvidia.Report) -> list[Evidence]:
    """Leave out what speaks against other devices of the machine: they are not ours."""
    if not device:
        return items
    owner = next(
        (gpu.uuid for gpu in report.gpus for part in gpu.slices if part.uuid == device), device
    )
    return [item for item in items if item.device in ("", device, owner)]
