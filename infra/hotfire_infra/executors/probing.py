"""What this machine offers: facts, programs, devices; and what it lacks, in words for people."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hotfire_infra.executors.protocol import Probe

PROBE_SECONDS = 20
OBSERVE_SECONDS = 60
"""Every tool is asked for its version: on a busy machine each takes its time."""
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}

# Asks the driver itself, in a process of its own: cuInit may hang or crash with a broken driver.
_ASK_DRIVER = """
import ctypes
cuda = ctypes.CDLL("libcuda.so.1")
assert cuda.cuInit(0) == 0
count, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
assert cuda.cuDeviceGetCount(ctypes.byref(count)) == 0
for index in range(count.value):
    assert cuda.cuDeviceGetAttribute(ctypes.byref(major), 75, index) == 0
    assert cuda.cuDeviceGetAttribute(ctypes.byref(minor), 76, index) == 0
    print(f"{major.value}.{minor.value}")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine at hand; `path` is where programs are looked for."""

    path: str
    cache: Path
    executor: str = "local"

    def missing(self, requires: Mapping[str, Any]) -> str | None:
        """Return the first thing that is required and not here, as a sentence."""
        checks = (
            _missing_facts(requires.get("facts", {})),
            self._missing_executables(requires.get("executables", ())),
            _missing_devices(requires.get("devices", ())),
            _missing_modules(requires.get("python_modules", ())),
            self._missing_toolchains(requires.get("toolchains", ())),
            self._missing_reach(requires.get("reach", ())),
        )
        return next((reason for check in checks for reason in check), None)

    def _missing_executables(self, names: Sequence[str]) -> Iterator[str]:
        for name in names:
            if shutil.which(name, path=self.path) is None:
                where = "" if name.startswith("/") else " on PATH"
                yield f"no {name}{where}; `make setup` as root installs what is missing"

    def _missing_toolchains(self, names: Sequence[str]) -> Iterator[str]:
        for name in names:
            if not (self.cache / name).exists():
                yield f"no toolchain {name} under {self.cache}; `make setup` installs what it can"

    def _missing_reach(self, names: Sequence[str]) -> Iterator[str]:
        # A machine that happens to look like the platform is not the platform.
        if names and self.executor not in names:
            yield f"reached by {' or '.join(names)}, and this is the executor {self.executor!r}"


def _missing_facts(wanted: Mapping[str, str]) -> Iterator[str]:
    facts = machine_facts()
    for name, value in wanted.items():
        found = facts.get(name, "unknown")
        # `rhel-9` asks for any 9.x.
        if found != value and not (name == "distribution" and found.startswith(f"{value}.")):
            yield f"needs {name} {value}, this machine has {found}"


def _missing_devices(wanted: Sequence[str]) -> Iterator[str]:
    for device in wanted:
        vendor, _, kind = device.partition(":")
        if vendor != "nvidia":
            yield f"needs the device {device}, and only NVIDIA devices can be looked for here"
        elif not nvidia_devices():
            yield "no NVIDIA device"
        elif kind and kind not in nvidia_devices():
            yield f"no NVIDIA device of kind {kind} (found {', '.join(nvidia_devices())})"


def _missing_modules(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        if not _has_module(name):
            yield f"no Python module {name}; `make setup` installs it"


def _has_module(name: str) -> bool:
    """Whether a module can be found; nothing is imported, not even the package around it."""
    folders: Sequence[str] | None = None
    whole = ""
    for part in name.split("."):
        whole = f"{whole}.{part}" if whole else part
        specs = (finder.find_spec(whole, folders) for finder in sys.meta_path)
        found = next((spec for spec in specs if spec is not None), None)
        if found is None:
            return False
        folders = found.submodule_search_locations or ()
    return True


@cache
def machine_facts() -> Mapping[str, str]:
    """Return the dimensions of this machine by which plans ask for one."""
    machine = platform.machine().lower()
    return {
        "os": platform.system().lower(),
        "arch": _ARCHITECTURES.get(machine, machine),
        "distribution": _distribution(),
    }


def _distribution() -> str:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return "unknown"
    return f"{release.get('ID', 'unknown')}-{release.get('VERSION_ID', 'unknown')}"


@cache
def nvidia_devices() -> tuple[str, ...]:
    """Return the kinds (`sm_90`) of the NVIDIA devices here, by nvidia-smi, else by the driver."""
    smi = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    for argv in (smi, [sys.executable, "-I", "-c", _ASK_DRIVER]):
        kinds = [f"sm_{line.replace('.', '')}" for line in _lines_of(argv)]
        if kinds:
            return tuple(kinds)
    return ()


def _lines_of(argv: Sequence[str]) -> list[str]:
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    lines = [line.strip() for line in done.stdout.splitlines()]
    return [line for line in lines if line.replace(".", "", 1).isdigit()]


def observe_by_runner(
    bundle: Path, probe: Probe, environment: Mapping[str, str], cache: Path
) -> Mapping[str, Any] | None:
    """Return what the runner would record as the environment of an attempt now; None: it cannot."""
    question = {"launcher": probe.launcher, "tools": probe.tools, "cache": str(cache)}
    try:
        done = subprocess.run(
            [sys.executable, str(bundle), "--observe", json.dumps(question)],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=OBSERVE_SECONDS,
            check=True,
        )
        values = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return values if isinstance(values, dict) else None
