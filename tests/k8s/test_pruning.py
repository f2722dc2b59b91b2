"""What is old in the user's cache goes, and nothing that is needed or runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from hotfire_k8s.building import ProgramCache
from hotfire_k8s.images import DEFINITIONS, layer_names
from hotfire_k8s.pruning import RECENT_SECONDS, prune

OLD = time.time() - 2 * RECENT_SECONDS


def lay(path: Path, *, at: float = OLD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 1000)
    os.utime(path, (at, at))
    os.utime(path.parent, (at, at))
    return path


def silent(_text: str) -> None:
    pass


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache with all that this checkout uses."""
    for definition in DEFINITIONS.values():
        if not definition.toolchain:
            for name in layer_names(definition):
                lay(tmp_path / "images" / "layers" / name)
    for name in DEFINITIONS:
        lay(tmp_path / "images" / f"{name}.tar")
    for program in ("etcd", "kube-apiserver", "kueue"):
        lay(ProgramCache(tmp_path / "controlplane").path(program))
    lay(tmp_path / "controlplane" / "go-1.26" / "bin" / "go")
    return tmp_path


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_what_this_checkout_uses_stays(cache: Path):
    before = files(cache)
    assert prune(silent, cache=cache) == []
    assert files(cache) == before


def test_layers_images_packages_and_programs_of_before_go(cache: Path):
    before = files(cache)
    old = [
        lay(cache / "images/layers/debian-0000000000000000.tar"),
        lay(cache / "images/layers/wheels-0000000000000000.tar"),
        lay(cache / "images/forgotten.tar"),
        lay(cache / "images/apt/archives/dash_1_amd64.deb"),
        lay(cache / "controlplane/etcd-3.5.0-000000000000/etcd"),
    ]
    said: list[str] = []
    only_looked = prune(said.append, removes=False, cache=cache)
    assert all(path.exists() for path in old)
    removed = prune(silent, cache=cache)
    assert only_looked == removed
    assert (len(removed), sum(one.size for one in removed)) == (5, 5000)
    assert files(cache) == before
    assert any("etcd-3.5.0-000000000000" in line for line in said)


def test_what_was_used_within_the_hour_stays(cache: Path):
    fresh = lay(cache / "images/layers/debian-0000000000000000.tar", at=time.time())
    assert prune(silent, cache=cache) == []
    assert fresh.exists()


def test_a_program_that_runs_stays(cache: Path):
    program = cache / "controlplane/etcd-3.5.0-000000000000/etcd"
    lay(program)
    shutil.copy("/bin/sleep", program)
    os.utime(program.parent, (OLD, OLD))
    with subprocess.Popen([program, "60"]) as process:
        try:
            assert prune(silent, cache=cache) == []
        finally:
            process.kill()
    assert [one.path for one in prune(silent, cache=cache)] == [program.parent]
