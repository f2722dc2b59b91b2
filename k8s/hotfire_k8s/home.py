"""The folder of one cluster: everything it writes is below, and one command at a time changes it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotfire_k8s.errors import ClusterError

# Below the range that the kernel gives to outgoing connections (from 32768 on): a port that is free
# now cannot be taken by a client that merely connects somewhere.
PORTS = range(20000, 32000)


@dataclass(frozen=True, slots=True)
class Home:
    """Paths of a cluster."""

    folder: Path
    """Absolute, without links: processes are recognised by it."""

    @classmethod
    def at(cls, folder: Path) -> Home:
        """Return the home in a folder, which need not exist."""
        return cls(folder.absolute().resolve())

    @property
    def kubeconfig(self) -> Path:
        """For people: full rights."""
        return self.folder / "kubeconfig"

    @property
    def description(self) -> Path:
        """What the cluster is; written when it is ready."""
        return self.folder / "cluster.json"

    @property
    def certificates(self) -> Path:
        """Keys and certificates."""
        return self.folder / "pki"

    def component(self, name: str) -> Path:
        """Return the folder that a component keeps its files in, made if need be."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def read(self, name: str) -> dict[str, Any] | None:
        """Return one of the JSON files; None if it is not there or is no JSON."""
        try:
            value = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def write(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a JSON file, whole or not at all."""
        write_text(self.folder / name, json.dumps(value, indent=2) + "\n")

    def ports(self, names: list[str]) -> dict[str, int]:
        """Return a port for each name: those chosen before, else free ones."""
        known = {name: int(port) for name, port in (self.read("ports.json") or {}).items()}
        chosen = known | free_ports([name for name in names if name not in known])
        self.write("ports.json", chosen)
        return chosen

    @contextlib.contextmanager
    def only_command(self, say: Callable[[str], None]) -> Iterator[None]:
        """Let one command at a time change this cluster; the lock goes with the process.

        The folder itself is locked, so that nothing is left when it is taken away.
        """
        while True:
            try:
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            except OSError as error:
                raise ClusterError(f"{self.folder}: {error.strerror}") from error
            try:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    say(f"another command is at work on {self.folder}; waiting for it")
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
                # `down` of another command may have taken the folder away meanwhile.
                if self._is_still(descriptor):
                    try:
                        yield
                    finally:
                        # A command that was refused leaves no empty folder; one with files stays.
                        with contextlib.suppress(OSError):
                            self.folder.rmdir()
                    return
            finally:
                os.close(descriptor)

    def _is_still(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(self.folder.stat(), os.fstat(descriptor))
        except OSError:
            return False


def write_text(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a whole file or none."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as opened:
        opened.write(text)
    part.replace(path)


def free_ports(names: list[str]) -> dict[str, int]:
    """Return a free port of loopback for each name, no two the same; ClusterError."""
    chosen: dict[str, int] = {}
    with contextlib.ExitStack() as held:
        # A random start keeps two clusters that come up at once out of each other's way.
        for port in random.sample(PORTS, len(PORTS)):
            if len(chosen) == len(names):
                return chosen
            listener = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                listener.bind(("127.0.0.1", port))
                chosen[names[len(chosen)]] = port
    raise ClusterError(f"no {len(names)} free ports from {PORTS.start} to {PORTS.stop}")
