"""Compile the CUDA kernels of Aestus for every shipped GPU into one fatbin, and record what each kernel costs.

    python inference/cuda/build.py --out DIR [--nvcc PATH] [--arch 80 --arch 90a …]

Writes `aestus_kernels.fatbin` (loaded by the driver API on Linux and Windows, x86-64 and aarch64 alike) and
`resources.json`: registers, stack and spills of every kernel on every architecture as ptxas reports them. No GPU is
needed. nvcc is taken from --nvcc, AESTUS_NVCC, CUDA_HOME or PATH, in this order. Exit 2: no compiler or wrong
arguments; 1: the kernels do not compile.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence

SOURCE = pathlib.Path(__file__).resolve().parent / "aestus_kernels.cu"
ARCHITECTURES = ("80", "87", "90a", "100", "110")
"""A100, Orin, H100/H200 (with its own instructions), B200, Thor."""

# -fmad=false: products and sums are rounded apart, so that a GPU gives the bits of the CPU kernels.
FLAGS = (
    "-std=c++17",
    "-O3",
    "-fmad=false",
    "-Werror",
    "all-warnings",
    "--resource-usage",
    "-fatbin",
)

_ENTRY = re.compile(r"Compiling entry function '(?P<kernel>\w+)' for '(?P<architecture>sm_\w+)'")
_SPILLS = re.compile(
    r"(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads"
)
_REGISTERS = re.compile(r"Used (?P<registers>\d+) registers")
_SHARED = re.compile(r"(?P<shared>\d+) bytes smem")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class KernelResources:
    """What ptxas gave one kernel on one architecture; bytes are per thread, shared_bytes per block."""

    kernel: str
    architecture: str
    registers: int
    stack_bytes: int
    spill_store_bytes: int
    spill_load_bytes: int
    shared_bytes: int


class BuildError(Exception):
    """The fatbin cannot be built."""


def find_nvcc(given: str | None) -> pathlib.Path:
    """Return the CUDA compiler to use; raise BuildError naming every place looked at."""
    home = os.environ.get("CUDA_HOME")
    candidates = [
        given,
        os.environ.get("AESTUS_NVCC"),
        str(pathlib.Path(home, "bin", "nvcc")) if home else None,
    ]
    chosen = next((candidate for candidate in candidates if candidate), None) or shutil.which(
        "nvcc"
    )
    if chosen is None:
        raise BuildError(
            "no CUDA compiler: --nvcc, AESTUS_NVCC, CUDA_HOME and PATH name none; `make setup` installs one"
        )
    if not os.access(chosen, os.X_OK):
        raise BuildError(f"no CUDA compiler at {chosen!r}; `make setup` installs one")
    return pathlib.Path(chosen)


def compile_fatbin(nvcc: pathlib.Path, target: pathlib.Path, architectures: Sequence[str]) -> str:
    """Compile every kernel for every architecture into `target`; return the compiler's report."""
    targets = [f"-gencode=arch=compute_{name},code=sm_{name}" for name in architectures]
    command = [str(nvcc), *FLAGS, *targets, "-o", str(target), str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command)}\nexit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def read_report(report: str) -> list[KernelResources]:
    """Parse the report of ptxas: an entry line, a line of spills, a line of registers per kernel and architecture."""
    found: list[KernelResources] = []
    entry: re.Match[str] | None = None
    spills: re.Match[str] | None = None
    for line in report.splitlines():
        if match := _ENTRY.search(line):
            entry, spills = match, None
        elif match := _SPILLS.search(line):
            spills = match
        elif (match := _REGISTERS.search(line)) and entry:
            shared = _SHARED.search(line)
            found.append(
                KernelResources(
                    kernel=entry["kernel"],
                    architecture=entry["architecture"],
                    registers=int(match["registers"]),
                    stack_bytes=int(spills["stack"]) if spills else 0,
                    spill_store_bytes=int(spills["stores"]) if spills else 0,
                    spill_load_bytes=int(spills["loads"]) if spills else 0,
                    shared_bytes=int(shared["shared"]) if shared else 0,
                )
            )
            entry = spills = None
    return found


def check_complete(found: Iterable[KernelResources], architectures: Sequence[str]) -> None:
    """Raise BuildError unless every kernel was reported for every architecture."""
    pairs = {(one.kernel, one.architecture) for one in found}
    kernels = {kernel for kernel, _ in pairs}
    missing = sorted(
        (kernel, f"sm_{name}")
        for kernel in kernels
        for name in architectures
        if (kernel, f"sm_{name}") not in pairs
    )
    if not kernels or missing:
        raise BuildError(f"ptxas reported {len(kernels)} kernels; without a report: {missing}")


def build(
    out: pathlib.Path, nvcc: pathlib.Path, architectures: Sequence[str]
) -> list[KernelResources]:
    """Write the fatbin and resources.json to `out`; return the resources."""
    out.mkdir(parents=True, exist_ok=True)
    found = read_report(compile_fatbin(nvcc, out / "aestus_kernels.fatbin", architectures))
    check_complete(found, architectures)
    rows = [
        dataclasses.asdict(one)
        for one in sorted(found, key=lambda one: (one.kernel, one.architecture))
    ]
    (out / "resources.json").write_text(json.dumps(rows, indent=1) + "\n")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Compile the CUDA kernels of Aestus into one fatbin."
    )
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        required=True,
        help="folder for aestus_kernels.fatbin and resources.json",
    )
    parser.add_argument("--nvcc", help="the CUDA compiler (default: AESTUS_NVCC, CUDA_HOME, PATH)")
    parser.add_argument(
        "--arch", action="append", choices=ARCHITECTURES, help="only this one; may be repeated"
    )
    options = parser.parse_args(arguments)
    try:
        nvcc = find_nvcc(options.nvcc)
    except BuildError as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 2
    try:
        found = build(options.out, nvcc, options.arch or ARCHITECTURES)
    except BuildError as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 1
    spilling = [one for one in found if one.spill_store_bytes or one.spill_load_bytes]
    kernels = len({one.kernel for one in found})
    print(
        f"{kernels} kernels for {len(found) // kernels} architectures, {len(spilling)} with spills: {options.out}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
