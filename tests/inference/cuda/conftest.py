"""A CUDA driver to load where no GPU is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
INFERENCE = HERE.parents[2] / "inference"


@pytest.fixture(scope="session")
def fake_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A driver library that runs the kernels' own source on the processor."""
    library = tmp_path_factory.mktemp("driver") / "libcuda-fake.so"
    folders = [HERE / "host", INFERENCE / "src", INFERENCE / "cuda"]
    subprocess.run(
        [
            *("g++", "-std=c++17", "-O2", "-ffp-contract=off", "-shared", "-fPIC"),
            *("-fvisibility=hidden", "-Wall", "-Wextra", "-Werror", f"-I{HERE}"),
            *(f"-I{folder}" for folder in folders),
            *("-o", library, HERE / "fake_driver.cpp"),
        ],
        check=True,
    )
    return library
