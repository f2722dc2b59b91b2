"""NVIDIA devices by `nvidia-smi`: identity, health counters, MIG slices. No device is a normal answer."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from xml.etree import ElementTree

from hotfire_testframework.contract.evidence import Evidence, Witness
from hotfire_testframework.runner.telemetry.kernel_log import pci_address

QUERY_SECONDS = 20.0
"""A driver that hangs must not hang us; that it hangs is evidence too."""
OUTPUT_LIMIT = 16 << 20

# `GPU 0: NVIDIA H100 (UUID: GPU-…)`, below it `  MIG 1g.10gb  Device 0: (UUID: MIG-…)`.
_LISTED = re.compile(r"^(\s*)(GPU|MIG)\s+(.*?)\s*\(UUID:\s*([^)]+)\)\s*$")
_LOST = re.compile(r"GPU is lost|fallen off the bus|Unable to determine the device handle", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One MIG slice."""

    uuid: str
    profile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU as the driver reports it; counts are since the driver was loaded."""

    uuid: str
    name: str
    pci: str
    """`domain:bus:slot`, as the kernel's log names it."""
    driver: str
    uncorrectable: int = 0
    is_remap_failed: bool = False
    is_remap_pending: bool = False
    is_reset_required: bool = False
    throttling: tuple[str, ...] = ()
    temperature_c: int | None = None
    slices: tuple[Slice, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What nvidia-smi said; `trouble` is why it said nothing, empty where there is no tool or device."""

    gpus: tuple[Gpu, ...] = ()
    trouble: str = ""
    is_lost: bool = False
    """A device was there for the driver and does not answer any more."""


def look(program: str = "nvidia-smi") -> Report:
    """Ask the driver; an empty report where there is none."""
    code, text = _ask([program, "-q", "-x"])
    if code is None:
        return Report(trouble=text)
    is_lost = bool(_LOST.search(text))
    gpus = parse_query(text)
    if not gpus:
        return Report(trouble=text.strip()[:300] if is_lost else "", is_lost=is_lost)
    if any(gpu.facts.get("mig") for gpu in gpus):
        _, listed = _ask([program, "-L"])
        slices = parse_list(listed or "")
        gpus = tuple(replace(gpu, slices=slices.get(gpu.uuid, ())) for gpu in gpus)
    return Report(gpus=gpus, is_lost=is_lost, trouble="a device is lost" if is_lost else "")


def _ask(argv: Sequence[str]) -> tuple[int | None, str]:
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=QUERY_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return None, ""
    except subprocess.TimeoutExpired:
        return None, f"{argv[0]} gave no answer in {QUERY_SECONDS:g} s"
    except OSError as error:
        return None, f"{argv[0]} cannot be started: {error}"
    return done.returncode, done.stdout[:OUTPUT_LIMIT].decode(errors="replace")


def parse_query(text: str) -> tuple[Gpu, ...]:
    """Read `nvidia-smi -q -x` of any version; what a version does not report counts as fine."""
    start = text.find("<nvidia_smi_log")
    try:
        root = ElementTree.fromstring(text[start:] if start >= 0 else text)
    except ElementTree.ParseError:
        return ()
    driver = root.findtext("driver_version", "unknown").strip()
    return tuple(_gpu(node, driver) for node in root.iterfind("gpu"))


def _gpu(node: ElementTree.Element, driver: str) -> Gpu:
    volatile = node.find("ecc_errors/volatile")
    counters = () if volatile is None else volatile.iter()
    reasons = next((node.iterfind("clocks_event_reasons/*")), None)
    prefix = "clocks_event_reasons" if reasons is not None else "clocks_throttle_reasons"
    return Gpu(
        uuid=node.findtext("uuid", "").strip(),
        name=node.findtext("product_name", "unknown").strip(),
        pci=pci_address(node.get("id", "")),
        driver=driver,
        uncorrectable=sum(_number(item.text) for item in counters if _is_uncorrectable(item.tag)),
        is_remap_failed=_says_yes(node, "remapped_rows/remapped_row_failure"),
        is_remap_pending=_says_yes(node, "remapped_rows/remapped_row_pending")
        or _says_yes(node, "retired_pages/pending_retirement"),
        is_reset_required=_says_yes(node, "gpu_reset_status/reset_required"),
        throttling=tuple(
            item.tag.removeprefix("clocks_event_reason_").removeprefix("clocks_throttle_reason_")
            for item in node.iterfind(f"{prefix}/*")
            if (item.text or "").strip() == "Active" and "hw" in item.tag
        ),
        temperature_c=_reading(node.findtext("temperature/gpu_temp")),
        facts={
            "vbios": node.findtext("vbios_version", "").strip(),
            "serial": node.findtext("serial", "").strip(),
            "memory": node.findtext("fb_memory_usage/total", "").strip(),
            "mig": "MIG" if _says(node, "mig_mode/current_mig", "Enabled") else "",
        },
    )


def _is_uncorrectable(tag: str) -> bool:
    return "uncorrectable" in tag or tag in ("double_bit_total",)


def _number(text: str | None) -> int:
    return _reading(text) or 0


def _reading(text: str | None) -> int | None:
    """Return the leading integer of `67.03 W`; None for N/A."""
    found = re.match(r"\s*(\d+)", text or "")
    return int(found[1]) if found else None


def _says(node: ElementTree.Element, path: str, word: str) -> bool:
    return node.findtext(path, "").strip() == word


def _says_yes(node: ElementTree.Element, path: str) -> bool:
    return _says(node, path, "Yes")


def parse_list(text: str) -> dict[str, tuple[Slice, ...]]:
    """Read `nvidia-smi -L`: the MIG slices of each GPU by its UUID."""
    result: dict[str, tuple[Slice, ...]] = {}
    owner = ""
    for line in text.splitlines():
        found = _LISTED.match(line)
        if found is None:
            continue
        if found[2] == "GPU":
            owner = found[4].strip()
            result.setdefault(owner, ())
        elif owner:
            profile = found[3].partition(" ")[0]
            result[owner] += (Slice(uuid=found[4].strip(), profile=profile),)
    return result


def health_evidence(
    report: Report, uncorrectable_before: Mapping[str, int] | None = None
) -> list[Evidence]:
    """Return what the counters say against devices.

    `uncorrectable_before`: counts by UUID at the attempt's start; without it a count that is not zero
    is older than the attempt for all we know, and says less.
    """
    result = []
    if report.is_lost:
        result.append(Evidence.of(Witness.DEVICE_LOST, "driver", report.trouble))
    elif report.trouble:
        result.append(Evidence.of(Witness.DEVICE_LOST, "driver", report.trouble, confidence=0.5))
    for gpu in report.gpus:
        before = None if uncorrectable_before is None else uncorrectable_before.get(gpu.uuid, 0)
        new = gpu.uncorrectable - (before or 0)
        if new > 0:
            since = "during the attempt" if before is not None else "since the driver was loaded"
            text = f"{new} uncorrectable memory errors {since}"
            sure = None if before is not None else 0.6
            result.append(_against(gpu, Witness.ECC, text, sure))
        if gpu.is_remap_failed:
            result.append(_against(gpu, Witness.ECC, "remapping of a memory row failed", None))
        if gpu.is_remap_pending:
            text = "a memory row or page waits for a reset to be remapped"
            result.append(_against(gpu, Witness.ECC, text, 0.6))
        if gpu.is_reset_required:
            text = "the driver asks for a reset"
            result.append(_against(gpu, Witness.DEVICE_LOST, text, 0.7))
    return result


def _against(gpu: Gpu, kind: Witness, text: str, confidence: float | None) -> Evidence:
    return Evidence.of(kind, "driver", text, confidence=confidence, device=gpu.uuid)


def name_devices(items: Iterable[Evidence], gpus: Iterable[Gpu]) -> list[Evidence]:
    """Put the UUID in place of the PCI address by which the kernel's log names a device."""
    by_address = {f"pci:{gpu.pci}": gpu.uuid for gpu in gpus}
    return [replace(item, device=by_address.get(item.device, item.device)) for item in items]
