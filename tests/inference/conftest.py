"""Builds of Aestus for the tests: each preset once, shared by all test processes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.builds import build_preset

COMPILERS = {
    "linux-x86_64": "g++",
    "asan": "g++",
    "coverage": "g++",
    "l4t-aarch64": "aarch64-linux-gnu-g++",
    "windows-x86_64": "x86_64-w64-mingw32-g++-posix",
}

Build = Callable[..., Path]


@pytest.fixture(scope="session")
def aestus_build() -> Build:
    """`aestus_build(preset, fault="")` → install prefix; skips where the compiler is missing."""

    def build(preset: str, fault: str = "") -> Path:
        compiler = COMPILERS[preset]
        if shutil.which(compiler) is None:
            pytest.skip(reason=f"{compiler} is not installed; `make setup` as root installs it")
        return build_preset(preset, fault)

    return build
