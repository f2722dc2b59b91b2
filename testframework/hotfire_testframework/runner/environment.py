"""Observe the machine: what may explain a result, as value, absent or unreadable, never null."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Union

from hotfire_testframework.errors import FrameworkError

Fact = Union[str, int, float, "list[str]", "dict[str, object]"]
ABSENT: dict[str, object] = {"absent": True}
_CPU = Path("/sys/devices/system/cpu/cpu0/cpufreq")
VERSION_SECONDS = 10.0


def observe_environment(launcher: Sequence[str]) -> dict[str, Any]:
    """Return the body of the environment record.

    `values` stay the same from attempt to attempt on an unchanged machine and are stored once;
    `moment` is what was true only then (load, clock, free memory).
    """
    facts: dict[str, Callable[[], Fact]] = {
        "os": lambda: platform.system() or ABSENT,
        "kernel": lambda: platform.release() or ABSENT,
        "machine": lambda: platform.machine() or ABSENT,
        "cpu_model": lambda: _cpu_field("model name", "Model", "Hardware"),
        "cpu_flags": lambda: sorted(_cpu_flags().split()),
        "cpu_count": lambda: os.cpu_count() or ABSENT,
        "cpus_allowed": _cpus_allowed,
        "governor": lambda: _text(_CPU / "scaling_governor"),
        "clock_max_hz": lambda: int(_text_or_fail(_CPU / "cpuinfo_max_freq")) * 1000,
        "memory_bytes": lambda: _memory("MemTotal"),
        "libc": lambda: " ".join(platform.libc_ver()).strip() or ABSENT,
        "python": platform.python_version,
        "emulator": lambda: _emulator_version(launcher),
        "nvidia_driver": lambda: _text(Path("/proc/driver/nvidia/version")).splitlines()[0],
    }
    moment: dict[str, Callable[[], Fact]] = {
        "load_1min": lambda: round(os.getloadavg()[0], 2),
        "clock_hz": lambda: int(float(_cpu_field("cpu MHz")) * 1e6),
        "memory_available_bytes": lambda: _memory("MemAvailable"),
    }
    return {"values": _observe(facts), "moment": _observe(moment)}


class _AbsentError(FrameworkError):
    """The machine does not have this."""


def _observe(facts: dict[str, Callable[[], Fact]]) -> dict[str, Fact]:
    result: dict[str, Fact] = {}
    for name, look in facts.items():
        try:
            result[name] = look()
        except (FileNotFoundError, _AbsentError):
            result[name] = dict(ABSENT)
        except (OSError, ValueError, AttributeError, IndexError) as error:
            result[name] = {"unreadable": f"{type(error).__name__}: {error}"[:200]}
    return result


def _text(path: Path) -> str:
    return path.read_text(errors="replace").strip()


def _text_or_fail(path: Path) -> str:
    text = _text(path)
    if not text:
        raise _AbsentError
    return text


def _cpu_flags() -> str:
    return _cpu_field("flags", "Features")


def _cpu_field(*names: str) -> str:
    if sys.platform == "win32":
        return platform.processor()
    for line in _text(Path("/proc/cpuinfo")).splitlines():
        key, _, value = line.partition(":")
        if key.strip() in names and value.strip():
            return value.strip()
    raise _AbsentError


def _cpus_allowed() -> int:
    return len(os.sched_getaffinity(0))


def _memory(field: str) -> int:
    for line in _text(Path("/proc/meminfo")).splitlines():
        key, _, value = line.partition(":")
        if key == field:
            return int(value.split()[0]) * 1024
    raise _AbsentError


def _emulator_version(launcher: Sequence[str]) -> str:
    if not launcher:
        raise _AbsentError
    try:
        done = subprocess.run(
            [launcher[0], "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=VERSION_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{launcher[0]} --version gave no answer in {VERSION_SECONDS:g} s") from error
    lines = (done.stdout or done.stderr).decode(errors="replace").splitlines()
    return lines[0][:200] if lines else f"{launcher[0]}: exit {done.returncode}"
