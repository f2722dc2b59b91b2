"""Builds of Aestus for the tests: each preset once, shared by all test processes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from benchmarks.builds import build_preset
from benchmarks.peers import user_cache

COMPILERS = {
    "linux-x86_64": "g++",
    "asan": "g++",
    "coverage": "g++",
    "l4t-aarch64": "aarch64-linux-gnu-g++",
    "windows-x86_64": "x86_64-w64-mingw32-g++-posix",
}
PLATFORMS = Path(__file__).resolve().parents[2] / "pipelines" / "definitions" / "platforms.yaml"
SECONDS = 120

Build = Callable[..., Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wine:
    """A Wine prefix of this test process, booted as the platform catalogue says."""

    launcher: list[str]
    environment: dict[str, str]


@pytest.fixture(scope="session")
def aestus_build() -> Build:
    """`aestus_build(preset, fault="")` → install prefix; skips where the compiler is missing."""

    def build(preset: str, fault: str = "") -> Path:
        compiler = COMPILERS[preset]
        if shutil.which(compiler) is None:
            pytest.skip(reason=f"{compiler} is not installed; `make setup` as root installs it")
        return build_preset(preset, fault)

    return build


@pytest.fixture(scope="session")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wine]:
    """Skip where Wine or the prefix of `make setup` is missing."""
    platform = yaml.safe_load(PLATFORMS.read_text())["platforms"]["windows-x86_64"]
    programs = platform["run"]["executables"]
    missing = [
        path for path in (*programs, user_cache() / "wine/default") if not Path(path).exists()
    ]
    if missing:
        pytest.skip(reason=f"{missing[0]} is missing; `make setup` as root makes it")
    work = tmp_path_factory.mktemp("wine")

    def filled(text: str) -> str:
        return text.replace("{work}", str(work)).replace("{cache}", str(user_cache()))

    environment = {name: filled(text) for name, text in platform["env"].items()}
    environment["PATH"] = os.environ["PATH"]

    def call(argv: list[str], *, check: bool) -> None:
        # No pipes: the services that Wine starts would keep them open.
        subprocess.run(
            argv, cwd=work, env=environment, check=check, timeout=SECONDS,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    for argv in platform["setup"]:
        call([filled(word) for word in argv], check=True)
    yield Wine(launcher=platform["launcher"], environment=environment)
    call(["/usr/lib/wine/wineserver64", "-k"], check=False)
