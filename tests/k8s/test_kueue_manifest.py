"""Kueue's vendored objects: of the pinned version, and pointing at the process beside the cluster."""

from __future__ import annotations

import json

import pytest

from hotfire_k8s import kueue_manifest
from hotfire_k8s.errors import ClusterError

URL = "https://127.0.0.1:9443"


@pytest.fixture(scope="module")
def objects():
    return kueue_manifest.objects(URL, "Q0E=")


def test_no_webhook_asks_for_a_service_of_the_cluster(objects):
    clients = [client for manifest in objects for client in kueue_manifest.clients(manifest)]
    assert len(clients) > 15
    assert all(client.keys() == {"url", "caBundle"} for client in clients)


def test_webhooks_and_conversions_point_at_the_process(objects):
    text = json.dumps(objects)
    assert f"{URL}/mutate-batch-v1-job" in text
    assert f"{URL}/convert" in text
    hooks = [hook for manifest in objects for hook in manifest.get("webhooks", ())]
    assert all(hook["clientConfig"]["caBundle"] == "Q0E=" for hook in hooks)
    assert {hook["failurePolicy"] for hook in hooks} == {"Fail"}


def test_every_kind_that_we_write_is_served_in_the_version_that_we_write(objects):
    served = {
        manifest["spec"]["names"]["kind"]: {v["name"] for v in manifest["spec"]["versions"]}
        for manifest in objects
        if manifest["kind"] == "CustomResourceDefinition"
    }
    for kind in ("ClusterQueue", "Cohort", "LocalQueue", "ResourceFlavor", "Topology", "Workload"):
        assert "v1beta2" in served[kind]


def test_a_manifest_of_another_version_is_refused(tmp_path, monkeypatch):
    other = tmp_path / "manifest.jsonl"
    other.write_text('{"origin": "sigs.k8s.io/kueue@v0.1.0"}\n')
    monkeypatch.setattr(kueue_manifest, "FILE", other)
    with pytest.raises(ClusterError, match=r"kueue@v0\.1\.0 and go\.mod requires v0\.16\.2"):
        kueue_manifest.objects(URL, "")


def test_a_field_called_description_is_kept():
    prose = {"description": "prose", "properties": {"description": {"type": "string"}}}
    manifest = {"kind": "CustomResourceDefinition", "metadata": {"name": "x"}, "spec": prose}
    (trimmed,) = kueue_manifest.trimmed([manifest])
    assert trimmed["spec"] == {"properties": {"description": {"type": "string"}}}
