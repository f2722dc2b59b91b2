"""etcd, API server, controller manager and scheduler on loopback: certificates, flags, health."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from hotfire_k8s.api import ApiClient
from hotfire_k8s.certificates import Authority, KeyPair, make_authority, make_signing_key
from hotfire_k8s.home import Home, write_text
from hotfire_k8s.processes import Component

LOOPBACK = "127.0.0.1"
SERVICE_RANGE = "10.96.0.0/16"
SERVICE_ADDRESS = "10.96.0.1"
"""The API server's own Service."""
CONTROLLER_MANAGER = "kube-controller-manager"
PORT_NAMES = ["etcd", "etcd-peer", "kube-apiserver", CONTROLLER_MANAGER, "kube-scheduler"]
API_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
)
# The defaults (20 a second) would throttle every test; the API server's own limits stay in force.
QPS, BURST = 200, 400
# What a simulated or real node may be silent before its pods are given up. KWOK renews a lease
# every quarter of its length: with a thousand nodes at Kubernetes' 40 s that alone is 100 requests
# a second, so large clusters are patient.
SMALL_CLUSTER = 100
LEASE_S = {True: 40, False: 240}
SILENCE_S = {True: 50, False: 300}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How components and people speak to the API server."""

    home: Home
    server: str
    authority: Authority

    def client(self, pair: KeyPair | None = None) -> ApiClient:
        """Return a client with an administrator's rights, unless another pair is given."""
        return ApiClient(self.server, str(self.authority.pair.certificate), pair or self.admin())

    def admin(self) -> KeyPair:
        """Return the certificate of people."""
        return self.authority.issue("admin", "hotfire-admin", groups=["system:masters"])

    def kubeconfig(self, file: Path, pair: KeyPair) -> Path:
        """Write a kubeconfig that holds all it needs, and return its path."""
        cluster = {
            "server": self.server,
            "certificate-authority-data": _inline(self.authority.pair.certificate),
        }
        user = {
            "client-certificate-data": _inline(pair.certificate),
            "client-key-data": _inline(pair.key),
        }
        context = {"cluster": "hotfire", "user": "hotfire", "namespace": "default"}
        value: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "hotfire", "cluster": cluster}],
            "users": [{"name": "hotfire", "user": user}],
            "contexts": [{"name": "hotfire", "context": context}],
            "current-context": "hotfire",
        }
        # JSON is YAML; whoever reads kubeconfigs reads this.
        write_text(file, json.dumps(value, indent=2) + "\n")
        return file


def _inline(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def make_access(home: Home, ports: Mapping[str, int]) -> Access:
    """Make the cluster's authority and say where the API server is."""
    authority = make_authority(home.certificates, "ca")
    server = f"https://{LOOPBACK}:{ports['kube-apiserver']}"
    return Access(home=home, server=server, authority=authority)


def answers(url: str, context: ssl.SSLContext | None = None) -> Callable[[], bool]:
    """Return a check that a health address says 200; it never raises."""

    def is_healthy() -> bool:
        try:
            with httpx.Client(verify=context or False, trust_env=False, timeout=5) as http:
                return http.get(url).status_code == 200
        except httpx.HTTPError:
            return False

    return is_healthy


def etcd(access: Access, programs: Mapping[str, Path], ports: Mapping[str, int]) -> Component:
    """Describe the database; only the API server has a certificate that it accepts."""
    keepers = make_authority(access.home.certificates, "etcd-ca")
    server = keepers.issue("etcd", "etcd", addresses=[LOOPBACK, "localhost"])
    client = keepers.issue("etcd-client", "kube-apiserver")
    url, peer = (f"https://{LOOPBACK}:{ports[name]}" for name in ("etcd", "etcd-peer"))
    context = ssl.create_default_context(cafile=str(keepers.pair.certificate))
    context.load_cert_chain(client.certificate, client.key)
    argv = (
        str(programs["etcd"]),
        f"--data-dir={access.home.folder / 'etcd' / 'data'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        f"--cert-file={server.certificate}",
        f"--key-file={server.key}",
        f"--trusted-ca-file={keepers.pair.certificate}",
        "--client-cert-auth",
        f"--peer-cert-file={server.certificate}",
        f"--peer-key-file={server.key}",
        f"--peer-trusted-ca-file={keepers.pair.certificate}",
        "--peer-client-cert-auth",
        # A cluster of tests: what a power cut loses is not worth a sync per write.
        "--unsafe-no-fsync",
        "--auto-compaction-retention=10m",
        "--quota-backend-bytes=4294967296",
        "--log-level=warn",
    )
    return Component(name="etcd", argv=argv, is_healthy=answers(f"{url}/health", context))


def api_server(
    access: Access,
    programs: Mapping[str, Path],
    ports: Mapping[str, int],
    addresses: tuple[str, ...] = (),
) -> Component:
    """Describe the API server; `addresses` are further ones that its certificate is good for."""
    folder = access.home.certificates
    names = (*API_NAMES, LOOPBACK, SERVICE_ADDRESS, *addresses)
    # Another set of names is another certificate, and by its file the server is started anew.
    file = f"apiserver-{hashlib.sha256(repr(names).encode()).hexdigest()[:8]}"
    serving = access.authority.issue(file, "kube-apiserver", addresses=names)
    to_kubelet = access.authority.issue(
        "kubelet-client", "hotfire-admin", groups=["system:masters"]
    )
    tokens = make_signing_key(folder, "service-accounts")
    argv = (
        str(programs["kube-apiserver"]),
        f"--etcd-servers=https://{LOOPBACK}:{ports['etcd']}",
        f"--etcd-cafile={folder / 'etcd-ca.crt'}",
        f"--etcd-certfile={folder / 'etcd-client.crt'}",
        f"--etcd-keyfile={folder / 'etcd-client.key'}",
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        "--endpoint-reconciler-type=none",
        f"--secure-port={ports['kube-apiserver']}",
        f"--tls-cert-file={serving.certificate}",
        f"--tls-private-key-file={serving.key}",
        f"--client-ca-file={access.authority.pair.certificate}",
        f"--kubelet-certificate-authority={access.authority.pair.certificate}",
        f"--kubelet-client-certificate={to_kubelet.certificate}",
        f"--kubelet-client-key={to_kubelet.key}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={tokens.certificate}",
        f"--service-account-signing-key-file={tokens.key}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        # It taints each new node until a controller has looked at it: for a thousand that are born
        # ready, a thousand writes and most of a minute.
        "--disable-admission-plugins=TaintNodesByCondition",
        "--allow-privileged=true",
        "--max-requests-inflight=2000",
        "--max-mutating-requests-inflight=1000",
        "--profiling=false",
    )

    def is_healthy() -> bool:
        with access.client() as client:
            return client.is_ready()

    return Component(name="kube-apiserver", argv=argv, is_healthy=is_healthy, patience_s=120)


def controller_manager(
    access: Access, programs: Mapping[str, Path], ports: Mapping[str, int], nodes: int
) -> Component:
    """Describe the controller manager of a cluster with about so many nodes."""
    name = CONTROLLER_MANAGER
    folder = access.home.certificates
    pair = access.authority.issue(name, f"system:{name}")
    kubeconfig = access.kubeconfig(access.home.component(name) / "kubeconfig", pair)
    argv = (
        str(programs[name]),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={ports[name]}",
        "--leader-elect=false",
        f"--service-account-private-key-file={folder / 'service-accounts.key'}",
        f"--root-ca-file={access.authority.pair.certificate}",
        f"--cluster-signing-cert-file={access.authority.pair.certificate}",
        f"--cluster-signing-key-file={access.authority.pair.key}",
        "--use-service-account-credentials=true",
        f"--kube-api-qps={QPS}",
        f"--kube-api-burst={BURST}",
        # It writes once to every node, for kubelets of very large clusters.
        "--controllers=*,-ttl-controller",
        f"--node-monitor-grace-period={SILENCE_S[nodes <= SMALL_CLUSTER]}s",
        "--profiling=false",
    )
    health = answers(f"https://{LOOPBACK}:{ports[name]}/healthz")
    return Component(name=name, argv=argv, is_healthy=health)


def scheduler(access: Access, programs: Mapping[str, Path], ports: Mapping[str, int]) -> Component:
    """Describe the scheduler."""
    name = "kube-scheduler"
    folder = access.home.component(name)
    pair = access.authority.issue(name, f"system:{name}")
    kubeconfig = access.kubeconfig(folder / "kubeconfig", pair)
    configuration = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig), "qps": QPS, "burst": BURST},
        "leaderElection": {"leaderElect": False},
    }
    write_text(folder / "config.json", json.dumps(configuration, indent=2))
    argv = (
        str(programs[name]),
        f"--config={folder / 'config.json'}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={ports[name]}",
    )
    health = answers(f"https://{LOOPBACK}:{ports[name]}/healthz")
    return Component(name=name, argv=argv, is_healthy=health)
