"""Observe the machine: what may explain a result, as value, absent or unreadable, never null."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import shutil
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


TOOLCHAIN = "toolchain:"
PYTHON = "python"
DIGEST_SIGNS = 16


def observe_environment(
    launcher: Sequence[str], tools: Sequence[str] = (), cache: Path | None = None
) -> dict[str, Any]:
    """Return the body of the environment record.

    `tools` are the programs, toolchains and packages that a task declares to depend on, `cache` is
    where toolchains lie. `values` stay the same from attempt to attempt on an unchanged machine and are stored once;
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
    for tool in tools:
        facts[f"tool {tool}"] = _probe_of(tool, cache)
    return {"values": _observe(facts), "moment": _observe(moment)}


def _probe_of(tool: str, cache: Path | None) -> Callable[[], Fact]:
    if tool == PYTHON:
        return _python_packages
    if tool.startswith(TOOLCHAIN):
        return lambda: _toolchain((cache or Path()) / tool.removeprefix(TOOLCHAIN))
    return lambda: _program(tool)


def _program(name: str) -> str:
    """Return version and digest: a patched compiler may keep its version."""
    found = shutil.which(name)
    if found is None:
        raise _AbsentError
    with Path(found).open("rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()[:DIGEST_SIGNS]
    return f"{_first_line([found, '--version'])} sha256:{digest}"


def _toolchain(folder: Path) -> str:
    """Return which version is current: a toolchain's folder holds one folder per version."""
    current = folder / "current"
    if current.is_symlink():
        return str(current.readlink())
    return " ".join(sorted(path.name for path in folder.iterdir()))


def _python_packages() -> str:
    """Return one digest over names and versions of all packages that the interpreter finds."""
    found = sorted(
        {f"{item.metadata['Name']}=={item.version}" for item in importlib.metadata.distributions()}
    )
    digest = hashlib.sha256("\n".join(found).encode()).hexdigest()[:DIGEST_SIGNS]
    return f"{len(found)} packages sha256:{digest}"


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
    return _first_line([launcher[0], "--version"])


def _first_line(argv: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=VERSION_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{' '.join(argv)} gave no answer in {VERSION_SECONDS:g} s") from error
    lines = (done.stdout or done.stderr).decode(errors="replace").splitlines()
    return lines[0][:200] if lines else f"{argv[0]}: exit {done.returncode}"
