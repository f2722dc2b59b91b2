"""Builds of Aestus for the tests: each preset once, shared by all test processes."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMPILERS = {
    "linux-x86_64": "g++",
    "asan": "g++",
    "coverage": "g++",
    "l4t-aarch64": "aarch64-linux-gnu-g++",
    "windows-x86_64": "x86_64-w64-mingw32-g++-posix",
}

Build = Callable[..., Path]


def user_cache() -> Path:
    """The user's cache of Hotfire, where builds survive a clean of the checkout."""
    base = os.environ.get("HOTFIRE_CACHE")
    return (
        Path(base)
        if base
        else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hotfire"
    )


def build_preset(preset: str, fault: str = "") -> Path:
    """Build and install one preset; return its prefix. Ninja makes the second call cheap."""
    folder = user_cache() / "test-builds" / (f"{preset}-{fault}" if fault else preset)
    folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"CCACHE_DIR": str(user_cache() / "ccache")}
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        configure = [
            "cmake",
            "--preset",
            preset,
            "-B",
            str(folder / "tree"),
            f"-DAESTUS_FAULT={fault}",
        ]
        steps = (
            configure,
            ["cmake", "--build", str(folder / "tree"), "-j", "2"],
            ["cmake", "--install", str(folder / "tree"), "--prefix", str(folder / "out")],
        )
        for step in steps:
            done = subprocess.run(
                step,
                cwd=ROOT / "inference",
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, (
                f"{' '.join(step)}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
            )
    return folder / "out"


@pytest.fixture(scope="session")
def aestus_build() -> Build:
    """`aestus_build(preset, fault="")` → install prefix; skips where the compiler is missing."""

    def build(preset: str, fault: str = "") -> Path:
        compiler = COMPILERS[preset]
        if shutil.which(compiler) is None:
            pytest.skip(reason=f"{compiler} is not installed; `make setup` as root installs it")
        return build_preset(preset, fault)

    return build
