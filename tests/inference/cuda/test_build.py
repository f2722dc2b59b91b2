"""build.py: what it reads from ptxas, what it says when it cannot build, and the real fatbin."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "inference" / "cuda" / "build.py"
REPORT = """\
ptxas info    : Compiling entry function 'first' for 'sm_80'
ptxas info    : Function properties for first
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 38 registers, used 0 barriers, 396 bytes cmem[0]
ptxas info    : Compiling entry function 'first' for 'sm_90a'
ptxas info    : Function properties for first
    16 bytes stack frame, 12 bytes spill stores, 20 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 16 bytes stack, 1024 bytes smem
"""


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("aestus_cuda_build", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_registers_stack_and_spills_are_read_per_kernel_and_architecture(build: ModuleType) -> None:
    clean, spilling = build.read_report(REPORT)
    assert (clean.kernel, clean.architecture, clean.registers, clean.spill_load_bytes) == (
        "first",
        "sm_80",
        38,
        0,
    )
    assert (spilling.registers, spilling.stack_bytes, spilling.shared_bytes) == (255, 16, 1024)
    assert (spilling.spill_store_bytes, spilling.spill_load_bytes) == (12, 20)


def test_a_kernel_missing_on_one_architecture_is_an_error(build: ModuleType) -> None:
    found = build.read_report(REPORT)
    build.check_complete(found, ["80", "90a"])
    with pytest.raises(build.BuildError, match="'first', 'sm_110'"):
        build.check_complete(found, ["80", "90a", "110"])
    with pytest.raises(build.BuildError, match="0 kernels"):
        build.check_complete([], ["80"])


def test_without_a_compiler_the_error_names_where_it_looked(tmp_path: Path) -> None:
    done = run("--out", str(tmp_path), PATH="/nowhere")
    assert done.returncode == 2
    assert "AESTUS_NVCC, CUDA_HOME and PATH name none; `make setup`" in done.stderr


def test_a_compiler_that_fails_is_quoted(tmp_path: Path) -> None:
    compiler = tmp_path / "nvcc"
    compiler.write_text("#!/bin/sh\necho 'error: no such instruction' >&2\nexit 3\n")
    compiler.chmod(0o755)
    done = run("--out", str(tmp_path / "out"), "--nvcc", str(compiler), PATH=os.environ["PATH"])
    assert done.returncode == 1
    assert "exit 3" in done.stderr
    assert "no such instruction" in done.stderr


def test_the_fatbin_holds_every_kernel_for_every_architecture(
    build: ModuleType, tmp_path: Path
) -> None:
    cache = Path(os.environ.get("HOTFIRE_CACHE", Path.home() / ".cache" / "hotfire"))
    compiler = cache / "cuda" / "current" / "bin" / "nvcc"
    if not compiler.exists():
        pytest.skip(reason="no nvcc in the user's cache; `make setup` installs it")
    done = run(
        "--out",
        str(tmp_path),
        "--nvcc",
        str(compiler),
        PATH=os.environ["PATH"],
        TMPDIR=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "resources.json").read_text())
    assert {row["architecture"] for row in rows} == {f"sm_{name}" for name in build.ARCHITECTURES}
    assert len({row["kernel"] for row in rows}) * len(build.ARCHITECTURES) == len(rows)
    fatbin = (tmp_path / "aestus_kernels.fatbin").read_bytes()
    assert all(row["kernel"].encode() in fatbin for row in rows)
