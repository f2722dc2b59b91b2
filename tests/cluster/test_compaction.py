"""etcd forgets what was before: whoever asks for it is told 410, in the middle of a list or a watch."""

from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from hotfire_infra.errors import ClusterError
from hotfire_infra.executors.kubernetes import watching
from hotfire_infra.executors.kubernetes.cluster import Cluster, Trouble
from hotfire_k8s.handle import ClusterHandle

from .world import PATIENCE_S, World


@contextmanager
def etcd_of(cluster: ClusterHandle) -> Iterator[httpx.Client]:
    """Speak to the cluster's etcd as its API server does."""
    folder = cluster.home.certificates
    context = ssl.create_default_context(cafile=str(folder / "etcd-ca.crt"))
    context.load_cert_chain(folder / "etcd-client.crt", folder / "etcd-client.key")
    url = f"https://127.0.0.1:{cluster.home.ports(['etcd'])['etcd']}"
    with httpx.Client(base_url=url, verify=context, trust_env=False, timeout=30) as client:
        yield client


def compact(cluster: ClusterHandle) -> None:
    """Have etcd forget all that was before now, as API servers do it every five minutes."""
    with etcd_of(cluster) as etcd:
        key = _text("compact_rev_key")
        found = etcd.post("/v3/kv/range", json={"key": key}).raise_for_status().json()
        revision = found["header"]["revision"]
        # By this every API server learns what it may no longer serve from memory.
        noted = {"key": key, "value": _text(revision)}
        etcd.post("/v3/kv/put", json=noted).raise_for_status()
        asked = {"revision": revision, "physical": True}
        etcd.post("/v3/kv/compaction", json=asked).raise_for_status()


def _text(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Listed:
    """What a watch has listed, whole lists only."""

    def __init__(self) -> None:
        self.lists: list[set[str]] = []

    def replace(self, items: dict[str, str], began_ns: int) -> None:
        del began_ns
        self.lists.append(set(items))

    def put(self, key: str, item: str) -> None:
        del key, item

    drop = put


@pytest.mark.scale
def test_a_list_that_etcd_forgets_between_two_pages_is_begun_anew(
    cluster: ClusterHandle, world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watching, "PAGE", 2)
    path = f"/api/v1/namespaces/{world.namespace}/secrets"
    wanted = {f"page-{number}" for number in range(5)}
    for name in wanted:
        place = {"name": name, "namespace": world.namespace}
        world.client.create({"apiVersion": "v1", "kind": "Secret", "metadata": place})
    ours = world.executor.desk.cluster
    told: list[str] = []
    get = Cluster.get

    def ask(self: Cluster, where: str, **query: str) -> Any:
        """Ask for the second page only when what it was is forgotten, also by the server."""
        if "continue" not in query or told:
            return get(self, where, **query)
        world.client.delete(f"{path}/page-0")
        compact(cluster)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                found = get(self, where, **query)
            except ClusterError as error:
                told.append(error.trouble)
                raise
        return found

    monkeypatch.setattr(Cluster, "get", ask)
    listed = Listed()
    watcher = watching.Watcher(
        name="secrets", cluster=ours, path=path, sink=listed, pace=world.executor.desk.pace,
        parse=lambda found: (found["metadata"]["name"],) * 2,
    )  # fmt: skip
    watcher.start()
    try:
        world.until(lambda: listed.lists, turning=False)
    finally:
        watcher.close()
    assert told == [Trouble.EXPIRED]
    assert listed.lists == [wanted - {"page-0"}]
