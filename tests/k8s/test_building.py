"""Programs are built once, whole or not at all; what stands in the way is said in one sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hotfire_k8s import building, compiler
from hotfire_k8s.building import ProgramCache, ensure_programs, patched
from hotfire_k8s.errors import BuildError, DiskShortError, GoMissingError
from hotfire_k8s.products import KUEUE, PRODUCTS, SourcePatch, product_of

GO = """#!/bin/sh
case $1 in
  env) printf 'go1.26.8\\n{caches}/build\\n{caches}/modules\\n' ;;
  build)
    echo "$@" >> {caches}/calls
    {build}
    while [ $# -gt 0 ]; do [ "$1" = -o ] && printf program > "$2"; shift; done ;;
esac
"""


class Machine:
    """A machine with a Go of ours, which takes down how it was called."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.cache = ProgramCache(folder / "controlplane")
        self.said: list[str] = []
        (folder / "bin").mkdir()
        monkeypatch.setattr(building, "executables_path", lambda: f"{folder}/bin:/usr/bin:/bin")
        self.install_go()

    def install_go(self, build: str = ":") -> None:
        go = self.folder / "bin" / "go"
        go.write_text(GO.format(caches=self.folder, build=build), encoding="utf-8")
        go.chmod(0o755)

    def build(self, *programs: str) -> dict[str, Path]:
        return ensure_programs(programs or ("etcd",), self.said.append, self.cache)

    @property
    def calls(self) -> list[str]:
        calls = self.folder / "calls"
        return calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_a_program_is_built_once_and_then_taken_from_the_cache(machine):
    first = machine.build("etcd", "kwok")
    assert [path.read_text() for path in first.values()] == ["program", "program"]
    assert machine.build("etcd", "kwok") == first
    assert len(machine.calls) == 2
    assert any("etcd 3.6.16 built in" in line for line in machine.said)


def test_the_build_pins_modules_and_stamps_the_version(machine):
    machine.build("kube-scheduler")
    (call,) = machine.calls
    assert "-mod=readonly" in call
    assert "version.gitVersion=v1.36.3" in call
    assert call.endswith("k8s.io/kubernetes/cmd/kube-scheduler")


def test_two_builders_at_once_build_once(machine):
    machine.install_go("sleep 0.5")
    threads = [threading.Thread(target=machine.build) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(machine.calls) == 1
    assert any("another process is building" in line for line in machine.said)


def test_a_failed_build_leaves_nothing_under_the_programs_name(machine):
    machine.install_go("echo 'x.go:1: no such thing' >&2; exit 1")
    with pytest.raises(BuildError, match=r"etcd: the Go compiler ended with 1 \(x.go:1: no such"):
        machine.build()
    assert [path.name for path in machine.cache.folder.rglob("*") if path.is_file()] == ["lock"]


def test_what_a_killed_builder_left_is_cleared_away(machine):
    left = machine.cache.path("etcd").parent / ".build-dead"
    left.mkdir(parents=True)
    machine.build()
    assert not left.exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("dial tcp: lookup proxy: no such host", "module proxy cannot be reached"),
        ("write /x: no space left on device", "disk is full"),
        ("verifying a@v1: checksum mismatch", "not what go.sum pins"),
    ],
)
def test_what_stopped_a_build_is_one_sentence(machine, words, sentence):
    machine.install_go(f"echo '{words}' >&2; exit 1")
    with pytest.raises(BuildError, match=sentence) as caught:
        machine.build()
    assert "\n" not in str(caught.value)


def test_too_little_room_is_said_before_anything_is_built(machine, monkeypatch):
    usage = shutil.disk_usage(machine.folder)._replace(free=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DiskShortError, match=r"1\.0 GB free and the build needs \d\.\d GB"):
        machine.build("kube-apiserver")
    assert machine.calls == []


def test_a_warm_build_cache_needs_no_room_twice(machine, monkeypatch):
    usage = shutil.disk_usage(machine.folder)._replace(free=2 * 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(building, "size_of", lambda _, enough: enough)
    machine.build("kube-apiserver")
    assert len(machine.calls) == 1


def test_without_go_and_without_network_it_says_what_to_install(machine, monkeypatch):
    (machine.folder / "bin" / "go").unlink()
    for name, value in {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        GoMissingError, match=r"no go on the PATH, and Go 1\.26\.\d+ could not"
    ) as caught:
        machine.build()
    assert "install Go 1.26 or later" in str(caught.value)


def test_an_old_go_is_not_used(machine, monkeypatch):
    go = machine.folder / "bin" / "go"
    go.write_text(go.read_text().replace("go1.26.8", "go1.19.8"), encoding="utf-8")
    fetched: list[str] = []

    def fetch(target: Path, why: str) -> None:
        fetched.append(why)
        (target / "go/bin").mkdir(parents=True)
        machine.install_go()
        go.rename(target / "go/bin/go")

    monkeypatch.setattr(compiler, "_fetch", fetch)
    machine.build()
    assert "older than 1.26" in fetched[0]


def test_a_literal_that_is_not_there_once_is_not_patched(tmp_path):
    patch = SourcePatch(package="p", file="main.go", old='"a"', new='"b"')
    (tmp_path / "main.go").write_text('x := "a"')
    assert patched(tmp_path / "main.go", patch) == 'x := "b"'
    (tmp_path / "main.go").write_text('x := "a" + "a"')
    with pytest.raises(BuildError, match="2 times, not once"):
        patched(tmp_path / "main.go", patch)


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
def test_every_module_is_pinned_by_checksum(product):
    required = [line.split() for line in (product.folder / "go.mod").read_text().splitlines()]
    own = {line[-2]: line[-1] for line in required if line[:1] == ["require"]}
    sums = (product.folder / "go.sum").read_text()
    assert own[product.module] == f"v{product.version}"
    assert f"{product.module} v{product.version} h1:" in sums


def test_the_digest_changes_with_what_is_pinned(tmp_path, monkeypatch):
    before = KUEUE.digest
    shutil.copytree(KUEUE.folder, tmp_path / "kueue")
    monkeypatch.setattr("hotfire_k8s.products.CONTROLPLANE", tmp_path)
    assert KUEUE.digest == before
    with (tmp_path / "kueue/go.sum").open("a") as sums:
        sums.write("more\n")
    assert KUEUE.digest != before


@pytest.mark.parametrize(("version", "is_taken"), [("v1.36.3", True), ("v1.36.30", False)])
def test_envtest_is_taken_if_it_is_of_the_very_version(machine, monkeypatch, version, is_taken):
    installed = machine.folder / "kube-apiserver"
    installed.write_text(f"#!/bin/sh\necho Kubernetes {version}\n", encoding="utf-8")
    installed.chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(machine.folder))
    paths = machine.build("etcd", "kube-apiserver")
    assert (paths["kube-apiserver"] == installed) is is_taken
    assert len(machine.calls) == (1 if is_taken else 2)


def test_an_unknown_program_names_the_known_ones():
    with pytest.raises(BuildError, match="'kubectl'; known are kube-apiserver"):
        product_of("kubectl")


def test_the_command_ends_with_three_and_one_sentence(tmp_path):
    environment = {
        **os.environ,
        "HOTFIRE_CACHE": str(tmp_path),
        "PATH": "/usr/bin:/bin",
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_RETRIES": "0",
    }
    done = subprocess.run(
        [sys.executable, "-m", "hotfire_k8s", "up", "--home", str(tmp_path / "home")],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3
    assert "install Go 1.26" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
