"""A cluster of somebody else is described and left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hotfire_k8s import adopting, lifecycle
from hotfire_k8s.errors import ClusterError, ClusterUsageError
from hotfire_k8s.home import Home

KUBECTL = """#!/bin/sh
case "$*" in
  *"/version"*) echo '{"gitVersion": "v1.35.1"}' ;;
  *"/apis"*) echo '{"groups": [{"name": "kueue.x-k8s.io"}, {"name": "batch"}]}' ;;
  *"config view"*) echo '{"clusters": [{"cluster": {"server": "https://far:6443"}}]}' ;;
  *"get nodes"*) cat NODES ;;
esac
"""


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kubeconfig of a cluster with one real node and one of KWOK."""
    labels = [{"type": "kwok"}, {}]
    items = [{"metadata": {"name": f"node-{i}", "labels": own}} for i, own in enumerate(labels)]
    (tmp_path / "nodes.json").write_text(json.dumps({"items": items}))
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL.replace("NODES", str(tmp_path / "nodes.json")))
    kubectl.chmod(0o755)
    monkeypatch.setattr(adopting, "executables_path", lambda: f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "kubeconfig").write_text("{}")
    return tmp_path / "kubeconfig"


def test_it_is_described_as_ours_would_be(foreign, tmp_path):
    home = Home.at(tmp_path / "home")
    description = lifecycle.adopt(home, foreign, print)
    assert home.read("cluster.json") == description
    assert description["server"] == "https://far:6443"
    assert description["kueue"] is True
    assert (description["nodes"], description["real_node"]) == (1, "node-1")


def test_its_api_server_is_all_that_status_looks_at(foreign, tmp_path):
    home = Home.at(tmp_path / "home")
    lifecycle.adopt(home, foreign, print)
    assert [row.state for row in lifecycle.status(home, print)] == ["healthy"]
    (tmp_path / "kubectl").write_text("#!/bin/sh\nexit 1\n")
    assert [row.state for row in lifecycle.status(home, print)] == ["unhealthy"]


def test_down_forgets_it_and_up_does_not_touch_it(foreign, tmp_path):
    home = Home.at(tmp_path / "home")
    lifecycle.adopt(home, foreign, print)
    with pytest.raises(ClusterUsageError, match="cluster of somebody else"):
        lifecycle.up(home, lifecycle.Request(), print)
    lifecycle.down(home, print)
    assert not home.folder.exists()
    assert foreign.exists()


def test_a_cluster_that_cannot_be_asked_is_not_described(foreign, tmp_path):
    (tmp_path / "kubectl").write_text("#!/bin/sh\necho no such host >&2; exit 1\n")
    home = Home.at(tmp_path / "home")
    with pytest.raises(ClusterError, match="no such host"):
        lifecycle.adopt(home, foreign, print)
    assert home.read("cluster.json") is None
