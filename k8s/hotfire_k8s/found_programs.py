"""Programs that somebody else installed: those of envtest and of the PATH, of the very version."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from hotfire_k8s.products import product_of

ASSETS = "KUBEBUILDER_ASSETS"
"""Where envtest keeps its kube-apiserver and etcd."""


def find_program(program: str, environment: Mapping[str, str]) -> Path | None:
    """Return an installed program of exactly the pinned version; None if there is none.

    What is compiled from a patched source cannot be replaced by somebody's build.
    """
    product = product_of(program)
    if product.patches:
        return None
    for place in (environment.get(ASSETS, ""), environment.get("PATH", "")):
        found = shutil.which(program, path=place) if place else None
        if found is not None and _says(found, product.version):
            return Path(found)
    return None


def _says(program: str, version: str) -> bool:
    """Whether a program says that it is of this version."""
    try:
        done = subprocess.run(
            [program, "--version"],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return re.search(rf"(?<![\d.])v?{re.escape(version)}(?![\d.])", done.stdout) is not None
