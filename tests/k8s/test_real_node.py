"""Where this machine cannot be a node, one sentence says why; nothing of it is touched."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from hotfire_k8s import lifecycle, node_configuration, real_node
from hotfire_k8s.errors import ClusterError, ClusterUsageError
from hotfire_k8s.home import Home
from hotfire_k8s.image_archives import write_archive


@pytest.fixture
def able(tmp_path, monkeypatch):
    """A machine that could be a node, as far as anybody can look."""
    (tmp_path / "bin").mkdir()
    for tool in real_node.TOOLS:
        (tmp_path / "bin" / tool).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / tool).chmod(0o755)
    (tmp_path / "bin" / "bridge").touch()
    monkeypatch.setattr(real_node.os, "geteuid", lambda: 0)
    monkeypatch.setattr(real_node, "_capabilities", lambda: (1 << 41) - 1)
    monkeypatch.setattr(real_node, "TOOL_PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(node_configuration, "CNI_PLUGINS", tmp_path / "bin")
    monkeypatch.setattr(node_configuration, "CGROUP_V2", tmp_path)
    return tmp_path


def home(folder: str | Path) -> Home:
    return Home(Path(folder))


def test_a_machine_with_everything_can_be_a_node(able):
    assert real_node.why_not(home(able)) is None


def test_who_is_not_root_cannot(able, monkeypatch):
    monkeypatch.setattr(real_node.os, "geteuid", lambda: 1000)
    assert real_node.why_not(home(able)) == "kubelet and containerd need root"


def test_root_of_a_container_without_rights_cannot(able, monkeypatch):
    monkeypatch.setattr(real_node, "_capabilities", lambda: 1 << real_node.CAP_NET_ADMIN)
    assert "lacks CAP_SYS_ADMIN" in real_node.why_not(home(able))


@pytest.mark.parametrize(("tool", "package"), [("runc", "runc"), ("bridge", "networking-plugins")])
def test_a_missing_tool_is_named_with_its_package(able, tool, package):
    (able / "bin" / tool).unlink()
    why = real_node.why_not(home(able))
    assert tool in why
    assert package in why


def test_a_home_that_the_node_would_cover_cannot(able):
    assert "below /run" in real_node.why_not(home("/run/user/0/cluster"))


def test_who_insists_is_refused_and_who_does_not_goes_without(able):
    (able / "bin" / "runc").unlink()
    auto = lifecycle.decide(home(able), lifecycle.Request(), {})
    assert auto.why_no_real_node.startswith("runc is not installed")
    assert "kubelet" not in auto.programs()
    with pytest.raises(ClusterError, match="cannot be a node: runc is not installed"):
        lifecycle.decide(home(able), lifecycle.Request(real_node=True), {})


def test_a_real_node_cannot_be_taken_out(able):
    before = {"why_no_real_node": None}
    assert lifecycle.decide(home(able), lifecycle.Request(), before).why_no_real_node is None
    with pytest.raises(ClusterUsageError, match="cannot be taken out"):
        lifecycle.decide(home(able), lifecycle.Request(real_node=False), before)


def test_an_image_needs_a_node_that_takes_it(tmp_path):
    with pytest.raises(ClusterUsageError, match="has no real node to take image.tar"):
        lifecycle.load_image(home(tmp_path), Path("image.tar"))


def test_without_cap_sys_resource_oom_scores_are_left_alone():
    for may_lower in (True, False):
        text = node_configuration.containerd(Path("/x"), "runc", may_lower_oom_score=may_lower)
        assert f"restrict_oom_score_adj = {str(not may_lower).lower()}" in text


def test_equal_files_make_an_equal_image(tmp_path):
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    for name in ("a.tar", "b.tar"):
        write_archive(tmp_path / name, "hotfire.local/x:1", {"program": program}, ["/program"])
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json"))
        assert manifest["RepoTags"] == ["hotfire.local/x:1"]
        assert set(archive.getnames()) == {"layer.tar", "manifest.json", manifest["Config"]}
