"""Who is asked what can be executed: this machine, or the cluster that the configuration names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hotfire_infra.cli.main import main
from hotfire_infra.executors.kubernetes.fleet import labels_of, offer_of, taints_of
from hotfire_pipelines.catalogue import load_platforms

from ..executors.kubernetes.api_server import NODES, FakeApiServer, serving

ROOT = Path(__file__).resolve().parents[3]
CATALOGUE = load_platforms(ROOT / "pipelines/definitions/platforms.yaml")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeApiServer]:
    """A cluster with one DGX, and nothing else."""
    api = FakeApiServer()
    api.put(NODES, {
        "metadata": {"name": "dgx-1", "labels": labels_of(CATALOGUE, "dgx-h100")},
        "spec": {"taints": taints_of(CATALOGUE.pools["dgx-h100"])},
        "status": {"allocatable": offer_of(CATALOGUE, "dgx-h100")},
    })  # fmt: skip
    with serving(api, tmp_path):
        yield api


@pytest.fixture(autouse=True)
def home(cluster: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("HOTFIRE_HOME", str(home))
    monkeypatch.delenv("HOTFIRE_SERVER", raising=False)
    monkeypatch.chdir(ROOT)
    section = {
        "service_url": "https://hotfire", "image": "runner:1",
        "kubeconfig": str(tmp_path / "kubeconfig"),
    }  # fmt: skip
    document = {"schema": "hotfire.dev/service/1", "kubernetes": section}
    (home / "service.yaml").write_text(yaml.safe_dump(document))
    return home


def test_doctor_says_what_the_cluster_can_execute_and_not_this_machine(capsys):
    assert main(["config", "doctor"]) == 0
    said = capsys.readouterr().out
    lines = {line.split()[1]: line for line in said.splitlines() if " in the cluster" in line}
    assert "runs in the cluster" in lines["dgx-h100"]
    assert "no node of the cluster serves jetson-orin" in lines["jetson-orin"]
    assert "this machine" not in said
    # Of this machine it would be one; nothing of it is executed here.
    assert "not executable in the cluster" in lines["linux-x86_64"]


def test_doctors_json_says_who_was_asked(capsys):
    assert main(["config", "doctor", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["where"] == "in the cluster"
    runs = {one["platform"] for one in found["platforms"] if not one["run"]}
    assert runs == set(CATALOGUE.pools["dgx-h100"].serves)


def test_a_cluster_that_may_not_be_looked_at_is_not_replaced_by_this_machine(cluster, capsys):
    cluster.faults.append(
        lambda _method, path: (403, {"message": "no"}, {}) if path == NODES else None
    )
    main(["config", "doctor"])
    said = capsys.readouterr().out
    assert "what can be executed is not known: what the cluster has is not known: nodes:" in said
    assert "not executable" not in said


def test_the_platforms_are_those_of_the_cluster_too(capsys):
    assert main(["plan", "platforms", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    here = {one["name"] for one in found["platforms"] if one["executable_here"]}
    assert (found["where"], "dgx-h100" in here, "linux-x86_64" in here) == (
        "in the cluster", True, False,
    )  # fmt: skip
