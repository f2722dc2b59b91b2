"""Who asks for runs that measure the noise: in the store or at a service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hotfire_infra.client.connection import Connection
from hotfire_infra.orchestrator.repeating import Repeater
from hotfire_infra.store.database import Store
from hotfire_infra.store.queries import find_run


class NoiseDesk(Protocol):
    """What the command line asks about noise beside reading it."""

    def repeat(self, run: str, *, runs: int, rebuild: bool) -> Sequence[int]:
        """Start runs of the same code as a run; return their numbers."""


class StoreNoiseDesk:
    """The desk in the store itself."""

    def __init__(self, store: Store, user: str) -> None:
        self._store, self._user = store, user

    def repeat(self, run: str, *, runs: int, rebuild: bool) -> Sequence[int]:
        """Start runs of the same code as a run."""
        with self._store.reading() as connection:
            row = find_run(connection, run)
        return Repeater(self._store).repeat(row, runs=runs, rebuild=rebuild, by=self._user)


class ServiceNoiseDesk:
    """The desk of a service."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def repeat(self, run: str, *, runs: int, rebuild: bool) -> Sequence[int]:
        """Start runs of the same code as a run."""
        wish = {"run": run, "runs": runs, "rebuild": rebuild}
        return tuple(int(one) for one in self._connection.post("/noise/runs", wish)["runs"])
