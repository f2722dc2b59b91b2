"""The CUDA kernels compile into one fatbin; what each costs on each GPU is recorded.

AESTUS_CUDA_OUT: folder that receives aestus_kernels.fatbin and resources.json (default: a temporary
one). The compiler is found as inference/cuda/build.py says. No GPU is needed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CUDA = Path(__file__).resolve().parents[3] / "inference" / "cuda"
ARCHITECTURES = ("sm_80", "sm_87", "sm_90a", "sm_100", "sm_110")
"""A100, Jetson Orin, H100 and H200, B200, Jetson Thor."""

_ENTRY = re.compile(r'extern "C" __global__ void (\w+)\(')
# From the sources, so that the tests are known before anything is compiled.
KERNELS = sorted(
    name for file in (CUDA / "kernels").glob("*.cuh") for name in _ENTRY.findall(file.read_text())
)


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    """What ptxas reported, by kernel and architecture."""
    asked = os.environ.get("AESTUS_CUDA_OUT")
    out = Path(asked) if asked else tmp_path_factory.mktemp("fatbin")
    command = [sys.executable, str(CUDA / "build.py"), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads((out / "resources.json").read_text())
    return {(row["kernel"], row["architecture"]): row for row in rows}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernel_compiles(
    kernel: str,
    architecture: str,
    resources: dict[tuple[str, str], dict[str, Any]],
    hotfire_record: Any,
) -> None:
    row = resources[kernel, architecture]
    definition = {"kernel": kernel, "architecture": architecture}
    hotfire_record.measurement("cuda.registers", [row["registers"]], definition=definition)
    spilled = row["spill_store_bytes"] + row["spill_load_bytes"]
    hotfire_record.measurement("cuda.spill_bytes", [spilled], definition=definition)
    assert row["registers"] > 0


def test_nothing_else_is_in_the_fatbin(
    resources: dict[tuple[str, str], dict[str, Any]],
) -> None:
    assert set(resources) == {(kernel, name) for kernel in KERNELS for name in ARCHITECTURES}
