"""A running cluster in the hands of a program: tests and benchmarks start, disturb and end it."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from hotfire_infra.executors.processes import identify
from hotfire_k8s import controlplane, lifecycle, processes
from hotfire_k8s.api import ApiClient
from hotfire_k8s.errors import ClusterUsageError
from hotfire_k8s.home import Home
from hotfire_k8s.lifecycle import Health, Request, Say


def silent(text: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterHandle:
    """One cluster; its processes live on when the handle is dropped, until `end`."""

    home: Home
    description: Mapping[str, Any]
    """What stands in cluster.json."""

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        nodes: int,
        kueue: bool = True,
        queues: bool = True,
        real_node: bool = False,
        say: Say = silent,
    ) -> Self:
        """Bring a cluster up that does not outlive this process; ClusterError."""
        request = Request(
            nodes=nodes,
            kueue=kueue,
            queues=queues,
            real_node=real_node,
            owner=str(identify(os.getpid())),
        )
        home = Home.at(folder)
        return cls(home=home, description=lifecycle.up(home, request, say))

    @property
    def kubeconfig(self) -> Path:
        """For a client with all rights."""
        return self.home.kubeconfig

    @property
    def server(self) -> str:
        """Address of the API server."""
        return str(self.description["server"])

    @property
    def host_address(self) -> str:
        """Where pods reach services of this machine; only those of the real node run anything."""
        return str(self.description["host_address"])

    def client(self) -> ApiClient:
        """Return a client with all rights, to be closed by who asked."""
        ports = self.home.ports(controlplane.PORT_NAMES)
        return controlplane.make_access(self.home, ports).client()

    def signal(self, component: str, number: signal.Signals) -> None:
        """Send a signal to one component, as SIGSTOP and SIGCONT; ClusterUsageError if it is gone."""
        record = processes.recorded(self.home, component)
        if record is None or not processes.send(processes.identity_of(record), number):
            known = ", ".join(processes.names(self.home))
            raise ClusterUsageError(f"{component!r} does not run here; started were {known}")

    def kill(self, component: str) -> None:
        """End one component by SIGKILL and return when it is gone."""
        record = processes.recorded(self.home, component)
        self.signal(component, signal.SIGKILL)
        assert record is not None
        processes.end([processes.identity_of(record)])

    def load_image(self, archive: Path) -> None:
        """Import an image archive into the real node; ClusterError."""
        lifecycle.load_image(self.home, archive)

    def repair(self) -> None:
        """Start again whatever does not run; ClusterError."""
        lifecycle.up(self.home, Request(), silent)

    def status(self) -> list[Health]:
        """Look at every component."""
        return lifecycle.status(self.home, silent)

    def end(self) -> None:
        """Take the cluster away; ClusterError."""
        lifecycle.down(self.home, silent)
