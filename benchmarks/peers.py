"""Environments of the peers we measure against, kept apart from ours in the user's cache.

A peer's lock file (`benchmarks/<name>.lock`, pinned with hashes) decides its environment; it is
made on first use and again when the lock changes. llama.cpp is compiled from its sdist for this
processor, which takes about five minutes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent
ROOT = BENCHMARKS.parent


def user_cache() -> Path:
    """The cache that `make setup` fills."""
    base = os.environ.get("HOTFIRE_CACHE")
    return (
        Path(base)
        if base
        else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hotfire"
    )


def peer_python(name: str) -> Path:
    """Return the interpreter of the peer environment `name`, made now if need be."""
    lock = BENCHMARKS / f"{name}.lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    folder = user_cache() / "peers" / name
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "venv" / "bin" / "python"
    stamp = folder / "stamp"
    with (folder / "lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text() == digest and python.exists()):
            print(f"preparing the peer {name} …", file=sys.stderr, flush=True)
            uv = ROOT / ".venv" / "bin" / "uv"
            shutil.rmtree(folder / "venv", ignore_errors=True)
            subprocess.run(
                [uv, "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True
            )
            install: list[str | Path] = [
                uv,
                "pip",
                "install",
                "--quiet",
                "--python",
                python,
                "--require-hashes",
                "-r",
                lock,
            ]
            subprocess.run(install, check=True)
            stamp.write_text(digest)
    return python


def model_path() -> Path:
    """The weights that `make setup` fetched; exits with the remedy when they are missing."""
    found = sorted((user_cache() / "models").glob("*.gguf"))
    if not found:
        raise SystemExit(f"no weights in {user_cache() / 'models'}: run `make setup`")
    return found[0]
