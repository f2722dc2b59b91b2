"""What an operator decides about results that are recorded: which count, and which are expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from hotfire_infra.analysis.transport import from_plain
from hotfire_infra.client.connection import Connection
from hotfire_infra.errors import RequestRefusedError, VersionMismatchError
from hotfire_infra.orchestrator.verdicts import accept_inventory
from hotfire_infra.states import RUN_TERMINAL
from hotfire_infra.store import queries
from hotfire_infra.store.audit import local_entry, record_audit
from hotfire_infra.store.database import Store
from hotfire_infra.store.invalidations import (
    Invalidated,
    InvalidationRow,
    Predicate,
    invalidate,
    invalidations,
    withdraw,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A cell whose expectation was set to what a run collected."""

    cell: str
    forgotten: tuple[str, ...]
    """Tests that are not expected any more."""


class Care(Protocol):
    """What the command line asks about results, wherever the store is."""

    def invalidate(self, predicate: Predicate, *, reason: str, dry_run: bool) -> Invalidated:
        """Take the results of all attempts that agree out of the count."""

    def withdraw(self, ref: str, *, reason: str) -> InvalidationRow:
        """Let the results of a decision count again."""

    def invalidations(self, limit: int) -> Sequence[InvalidationRow]:
        """Return the newest decisions."""

    def accept(self, ref: str, *, cell: str | None, reason: str) -> Sequence[Accepted]:
        """Expect from now on what a finished run collected."""


@dataclass(frozen=True, slots=True)
class ServiceCare:
    """Decisions on results, asked of a service."""

    connection: Connection

    def invalidate(self, predicate: Predicate, *, reason: str, dry_run: bool) -> Invalidated:
        """Take the results of all attempts that agree out of the count."""
        wish = {**predicate.to_json(), "reason": reason, "dry_run": dry_run}
        return _read(Invalidated, self.connection.post("/invalidations", wish))

    def withdraw(self, ref: str, *, reason: str) -> InvalidationRow:
        """Let the results of a decision count again."""
        path = f"/invalidations/{quote(ref, safe='')}/withdraw"
        return _read(InvalidationRow, self.connection.post(path, {"reason": reason}))

    def invalidations(self, limit: int) -> Sequence[InvalidationRow]:
        """Return the newest decisions."""
        found = self.connection.get("/invalidations", limit=limit)["items"]
        return tuple(_read(InvalidationRow, item) for item in found)

    def accept(self, ref: str, *, cell: str | None, reason: str) -> Sequence[Accepted]:
        """Expect from now on what a finished run collected."""
        path = f"/runs/{quote(ref, safe='')}/accept"
        found = self.connection.post(path, {"reason": reason, "cell": cell})["items"]
        return tuple(_read(Accepted, item) for item in found)


def _read(kind: type[T], value: Any) -> T:
    try:
        read: T = from_plain(kind, value)
    except ValueError as error:
        raise VersionMismatchError(f"the service answers in other words: {error}") from error
    return read


@dataclass(frozen=True, slots=True)
class ResultsCare:
    """Decisions on results, in the store itself."""

    store: Store
    user: str

    def invalidate(self, predicate: Predicate, *, reason: str, dry_run: bool) -> Invalidated:
        """Take the results of all attempts that agree out of the count."""
        return invalidate(
            self.store, predicate, reason=reason, requested_by=self.user, dry_run=dry_run
        )

    def withdraw(self, ref: str, *, reason: str) -> InvalidationRow:
        """Let the results of a decision count again."""
        return withdraw(self.store, ref, reason=reason, requested_by=self.user)

    def invalidations(self, limit: int) -> Sequence[InvalidationRow]:
        """Return the newest decisions."""
        with self.store.reading() as connection:
            return invalidations(connection, limit=limit)

    def accept(self, ref: str, *, cell: str | None, reason: str) -> Sequence[Accepted]:
        """Expect from now on what a finished run collected; return what is forgotten by that."""
        if not reason.strip():
            raise RequestRefusedError("to expect less needs a --reason: tests leave by it")
        now = self.store.clock.wall_ns()
        with self.store.writing() as connection:
            run = queries.find_run(connection, ref)
            if run.state not in RUN_TERMINAL:
                raise RequestRefusedError(f"run {run.number} is not over: `hotfire watch {ref}`")
            cells = [c for c in queries.cells_of(connection, run.id) if cell in (None, c.key)]
            if not cells:
                raise RequestRefusedError(f"run {run.number} has no cell {cell!r}")
            accepted = []
            for one in cells:
                forgotten = accept_inventory(self.store, connection, run, one)
                if forgotten:
                    accepted.append(Accepted(cell=one.key, forgotten=tuple(sorted(forgotten))))
            entry = local_entry(
                self.user,
                "results accept",
                f"run {run.number}",
                detail={one.cell: list(one.forgotten) for one in accepted},
                run_id=run.id,
                reason=reason,
            )
            record_audit(connection, entry, now)
        return tuple(accepted)
