"""What the cluster is built from: products, their pinned modules and the programs in them.

The versions stand in `k8s/controlplane/<product>/go.mod` alone, with every checksum beside them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hotfire_k8s.errors import BuildError

CONTROLPLANE = Path(__file__).resolve().parents[1] / "controlplane"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePatch:
    """One literal of a program's package that is replaced in the copy that is compiled."""

    package: str
    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Programs that are pinned and built together."""

    name: str
    """Also the folder of its go.mod."""
    module: str
    """The module whose version is the product's."""
    programs: Mapping[str, str]
    """Program to Go package."""
    cold_seconds: Mapping[str, int]
    """Program to seconds of a build with nothing cached, measured on 2 cores in the order below."""
    disk_bytes: int
    """What modules and build cache of a cold build take: shares of the 10 GB of all, rounded up."""
    stamps: tuple[str, ...] = ()
    """String variables to be set at link time, as `path=value`; `{version}` is filled in."""
    tags: tuple[str, ...] = ()
    patches: tuple[SourcePatch, ...] = ()

    @property
    def folder(self) -> Path:
        """Where its go.mod and go.sum are."""
        return CONTROLPLANE / self.name

    @property
    def version(self) -> str:
        """Read the version, as `1.36.3`; BuildError if go.mod does not require the module."""
        text = self._read("go.mod")
        pattern = rf"^(?:require )?\s*{re.escape(self.module)} v(\S+)"
        found = re.search(pattern, text, re.MULTILINE)
        if found is None:
            raise BuildError(f"{self.folder / 'go.mod'} does not require {self.module}")
        return found[1]

    @property
    def digest(self) -> str:
        """Everything that decides what the programs are, but for the Go compiler."""
        recipe = repr((sorted(self.programs.items()), self.stamps, self.tags, self.patches))
        own = sorted(path for path in self.folder.glob("*/*.go"))
        sources = "".join(path.read_text(encoding="utf-8") for path in own)
        text = self._read("go.mod") + self._read("go.sum") + recipe + sources
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def _read(self, name: str) -> str:
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except OSError as error:
            raise BuildError(
                f"{self.folder / name}: {error.strerror}; the cluster is built from a checkout of "
                "Hotfire, not from an installed wheel"
            ) from error


GB = 10**9

KUBERNETES = Product(
    name="kubernetes",
    module="k8s.io/kubernetes",
    programs={
        "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
        "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
        "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
        "kubelet": "k8s.io/kubernetes/cmd/kubelet",
    },
    cold_seconds={
        "kube-apiserver": 153,
        "kube-controller-manager": 38,
        "kube-scheduler": 3,
        "kubelet": 12,
    },
    disk_bytes=4 * GB,
    stamps=(
        "k8s.io/component-base/version.gitVersion=v{version}",
        "k8s.io/component-base/version.gitMajor=1",
        "k8s.io/component-base/version.gitMinor=36",
    ),
)
ETCD = Product(
    name="etcd",
    module="go.etcd.io/etcd/server/v3",
    programs={"etcd": "go.etcd.io/etcd/server/v3"},
    cold_seconds={"etcd": 18},
    disk_bytes=GB,
)
KWOK = Product(
    name="kwok",
    module="sigs.k8s.io/kwok",
    programs={"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
    cold_seconds={"kwok": 45},
    disk_bytes=GB,
    stamps=("sigs.k8s.io/kwok/pkg/consts.Version=v{version}",),
)
KUEUE = Product(
    name="kueue",
    module="sigs.k8s.io/kueue",
    programs={"kueue": "sigs.k8s.io/kueue/cmd/kueue"},
    cold_seconds={"kueue": 121},
    disk_bytes=2 * GB,
    stamps=("sigs.k8s.io/kueue/pkg/version.GitVersion=v{version}",),
    # Kueue reads the certificate of its metrics from a folder of the machine that no option names.
    # Relative, it is a folder of the cluster's home, and no root is needed.
    patches=(
        SourcePatch(
            package="sigs.k8s.io/kueue/cmd/kueue",
            file="main.go",
            old='"/etc/kueue/metrics/certs"',
            new='"metrics/certs"',
        ),
    ),
)
NODE = Product(
    name="node",
    module="github.com/containerd/containerd/v2",
    programs={
        "containerd": "github.com/containerd/containerd/v2/cmd/containerd",
        "containerd-shim-runc-v2": "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
        "ctr": "github.com/containerd/containerd/v2/cmd/ctr",
        # The process that holds a pod's namespaces; a program of ours, twenty lines.
        "pause": "hotfire.dev/controlplane/node/pause",
    },
    cold_seconds={"containerd": 45, "containerd-shim-runc-v2": 4, "ctr": 3, "pause": 1},
    disk_bytes=GB,
    stamps=("github.com/containerd/containerd/v2/version.Version=v{version}",),
    tags=("no_btrfs", "no_zfs", "no_aufs", "no_devmapper"),
)
HELM = Product(
    name="helm",
    module="helm.sh/helm/v4",
    programs={"helm": "helm.sh/helm/v4/cmd/helm"},
    cold_seconds={"helm": 113},
    disk_bytes=2 * GB,
    stamps=("helm.sh/helm/v4/internal/version.version=v{version}",),
)

PRODUCTS = (KUBERNETES, ETCD, KWOK, KUEUE, NODE, HELM)

CONTROL_PLANE = ("kube-apiserver", "etcd", "kube-controller-manager", "kube-scheduler", "kwok")
"""Programs of every cluster, the longest build first."""
REAL_NODE = ("kubelet", "containerd", "containerd-shim-runc-v2", "ctr", "pause")


def product_of(program: str) -> Product:
    """Return the product that a program belongs to; BuildError if there is none."""
    for product in PRODUCTS:
        if program in product.programs:
            return product
    known = ", ".join(name for product in PRODUCTS for name in product.programs)
    raise BuildError(f"nothing is known of the program {program!r}; known are {known}")
