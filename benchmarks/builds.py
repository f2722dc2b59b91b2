"""Builds of Aestus in this checkout, for benchmarks and tests alike."""

from __future__ import annotations

import fcntl
import functools
import os
import subprocess
from pathlib import Path

from benchmarks.peers import ROOT, user_cache


class BuildFailedError(Exception):
    """A build step exited non-zero; the text holds the step and the end of its output."""


@functools.cache
def build_preset(preset: str, fault: str = "") -> Path:
    """Build and install one preset of `inference/`; return the install prefix.

    `fault` plants one of AESTUS_FAULT's bugs. Raises BuildFailedError with the end of the output.
    """
    # A tree belongs to the sources it was configured for, so it cannot be shared by checkouts;
    # the objects can: the compiler cache sees paths relative to the checkout.
    folder = ROOT / "build" / "aestus" / (f"{preset}-{fault}" if fault else preset)
    folder.mkdir(parents=True, exist_ok=True)
    tree = folder / "tree"
    # The pipelines build and run the unit tests; nobody asks these builds for them.
    options = ["-DAESTUS_TESTS=OFF"]
    environment = os.environ | {
        "CCACHE_DIR": str(user_cache() / "ccache"),
        "CCACHE_BASEDIR": str(ROOT),
        "CCACHE_NOHASHDIR": "1",
    }
    steps = (
        ["cmake", "--preset", preset, "-B", str(tree), *options, f"-DAESTUS_FAULT={fault}"],
        ["cmake", "--build", str(tree), "-j", "2"],
        ["cmake", "--install", str(tree), "--prefix", str(folder / "out")],
    )
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for step in steps:
            done = subprocess.run(
                step,
                cwd=ROOT / "inference",
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                said = done.stdout[-4000:] + done.stderr[-4000:]
                raise BuildFailedError(f"{' '.join(step)}\nexit {done.returncode}\n{said}")
    return folder / "out"
