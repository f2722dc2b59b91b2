"""What kubelet, containerd and the bridge are told; texts only, nothing is started here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hotfire_k8s.certificates import KeyPair

CNI_PLUGINS = Path("/usr/lib/cni")
"""Where Debian's containernetworking-plugins lie."""
RUN = Path("/run/containerd")
"""Inside the node's own mount namespace, where `/run` is the node's."""
SOCKET = RUN / "containerd.sock"
PAUSE_IMAGE = "hotfire.local/pause:1"
CGROUP_V2 = Path("/sys/fs/cgroup/cgroup.controllers")
UNUSED_PLUGINS = (
    "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.snapshotter.v1.erofs",
    "io.containerd.differ.v1.erofs",
    "io.containerd.nri.v1.nri",
    "io.containerd.tracing.processor.v1.otlp",
    "io.containerd.internal.v1.tracing",
)


def containerd(folder: Path, runc: str, *, may_lower_oom_score: bool) -> str:
    """Return containerd's configuration; `folder` is the node's."""
    unused = ", ".join(f'"{name}"' for name in UNUSED_PLUGINS)
    return f"""\
version = 3
root = "{folder}/containerd"
state = "{RUN}"
disabled_plugins = [{unused}]

[grpc]
address = "{SOCKET}"

[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/opt"

[plugins."io.containerd.grpc.v1.cri"]
stream_server_address = "127.0.0.1"
stream_server_port = "0"

[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{PAUSE_IMAGE}"

[plugins."io.containerd.cri.v1.runtime"]
# Without CAP_SYS_RESOURCE nobody may lower oom_score_adj, and runc would die of the attempt.
restrict_oom_score_adj = {str(not may_lower_oom_score).lower()}
disable_apparmor = true
tolerate_missing_hugetlb_controller = true
disable_hugetlb_controller = true
enable_cdi = false

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{CNI_PLUGINS}"]
conf_dir = "{folder}/cni"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "{runc}"
SystemdCgroup = false
"""


def network(bridge: str, subnet: str, gateway: str) -> dict[str, Any]:
    """Return the network of pods: a bridge, no masquerading, the host at the gateway's address."""
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": subnet, "gateway": gateway}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": "/var/lib/cni",
    }
    plugin = {
        "type": "bridge",
        "bridge": bridge,
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": ipam,
    }
    return {"cniVersion": "1.0.0", "name": "hotfire", "plugins": [plugin]}


def kubelet(
    folder: Path,
    authority: Path,
    serving: KeyPair,
    ports: dict[str, int],
    cgroup: str,
    address: str,
) -> dict[str, Any]:
    """Return the kubelet's configuration (kubelet.config.k8s.io/v1beta1)."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,
        "port": ports["kubelet"],
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": ports["kubelet-health"],
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(serving.certificate),
        "tlsPrivateKeyFile": str(serving.key),
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "cgroupsPerQOS": True,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        "podLogsDir": str(folder / "pods"),
        "resolvConf": "",
        "registerNode": True,
        "nodeStatusUpdateFrequency": "10s",
        "volumeStatsAggPeriod": "-1s",
        # Images come by hand and nobody could pull them again, so none is ever collected; a full
        # disk of the developer's machine is his, not the node's.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
            "imagefs.inodesFree": "1%",
        },
    }
