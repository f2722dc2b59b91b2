"""What people ask and decide about changes: confirm by reruns, label, accept; in the store or far away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from hotfire_infra.analysis.change_reports import ChangeReport
from hotfire_infra.analysis.change_tracking import ChangeState
from hotfire_infra.analysis.confirmations import (
    ConfirmationReport,
    confirmation_report,
    shown_changes,
)
from hotfire_infra.analysis.transport import from_plain
from hotfire_infra.client.connection import Connection
from hotfire_infra.errors import RequestRefusedError
from hotfire_infra.orchestrator.confirming import Confirmer
from hotfire_infra.store.audit import audit_locally
from hotfire_infra.store.confirmations import ConfirmationRow, confirmation_called
from hotfire_infra.store.database import Store
from hotfire_infra.store.queries import find_run
from hotfire_infra.store.references import (
    ChangeLabel,
    accept_shift,
    label_change,
    withdraw_acceptance,
)
from hotfire_infra.store.series_changes import ChangeRow, changes_called, newest_changes
from hotfire_testframework.contract.ulid import ALPHABET

SHORTEST = 8
"""Signs of a change's id: the number of a run is shorter."""


class ChangesDesk(Protocol):
    """What the command line asks about changes, wherever the store is."""

    def changes(self, *, limit: int, state: str | None) -> Sequence[ChangeReport]:
        """Return the changes noticed last, newest first."""

    def confirm(self, what: str, budget_seconds: int) -> ConfirmationReport:
        """Ask for reruns about a change (its id) or a run; the one under way, if there is one."""

    def confirmation(self, ulid: str) -> ConfirmationReport:
        """Return a confirmation as it is now."""

    def advance(self, ulid: str) -> ConfirmationReport:
        """Return the same, after starting what is due here; a service does that by itself."""

    def label(self, change: str, label: ChangeLabel | None) -> ChangeReport:
        """Write what triage says of a change; None takes it back."""

    def accept(self, change: str, reason: str) -> ChangeReport:
        """Let the references of all series of a change's alert begin with it."""

    def withdraw(self, change: str) -> ChangeReport:
        """Take an acceptance back."""


@dataclass(frozen=True, slots=True)
class StoreDesk:
    """The desk in the store itself."""

    store: Store
    user: str
    is_audited: bool = True
    """A service writes its audit log itself."""

    def changes(self, *, limit: int, state: str | None) -> Sequence[ChangeReport]:
        """Return the changes noticed last, newest first."""
        with self.store.reading() as connection:
            rows = newest_changes(connection, limit=limit, states=() if state is None else (state,))
            return shown_changes(connection, rows)

    def confirm(self, what: str, budget_seconds: int) -> ConfirmationReport:
        """Ask for reruns about a change or a run."""
        confirmer = Confirmer(self.store)
        change = self._change(what) if _may_be_change(what) else None
        if change is not None:
            row = confirmer.of_change(change, budget_seconds=budget_seconds, by=self.user)
        else:
            with self.store.reading() as connection:
                run = find_run(connection, what)
            row = confirmer.of_run(run, budget_seconds=budget_seconds, by=self.user)
        self._audit("confirm", what, "")
        return self._report(row)

    def confirmation(self, ulid: str) -> ConfirmationReport:
        """Return a confirmation as it is now."""
        return self._report(self._row(ulid))

    def advance(self, ulid: str) -> ConfirmationReport:
        """Return it after starting what is due."""
        row = self._row(ulid)
        if row.answer is None:
            Confirmer(self.store).advance_one(row)
        return self.confirmation(ulid)

    def label(self, change: str, label: ChangeLabel | None) -> ChangeReport:
        """Write what triage says of a change."""
        row = self._found(change)
        with self.store.writing() as connection:
            label_change(connection, row.id, label, self.user, self.store.clock.wall_ns())
        self._audit("changes label", row.ulid, label.value if label else "no label")
        return self._shown(row)

    def accept(self, change: str, reason: str) -> ChangeReport:
        """Let the reference of the change's series, and of its alert's others, begin with it."""
        if not reason.strip():
            raise RequestRefusedError("to accept a shift needs a --reason: a loss passes by it")
        row = self._found(change)
        if row.state == ChangeState.WITHDRAWN.value:
            raise RequestRefusedError(
                f"change {row.ulid} was withdrawn: there is no shift to accept"
            )
        with self.store.writing() as connection:
            for one in self._together(row):
                withdraw_acceptance(connection, one.id, self.store.clock.wall_ns())
                accept_shift(
                    connection,
                    {"id": one.id, "series_key": one.series_key, "run_id": one.run_id},
                    reason=reason,
                    accepted_by=self.user,
                    at_ns=self.store.clock.wall_ns(),
                )
        self._audit("changes accept", row.ulid, reason)
        return self._shown(row)

    def withdraw(self, change: str) -> ChangeReport:
        """Take an acceptance back."""
        row = self._found(change)
        with self.store.writing() as connection:
            now = self.store.clock.wall_ns()
            gone = [withdraw_acceptance(connection, one.id, now) for one in self._together(row)]
        if not any(gone):
            raise RequestRefusedError(f"nobody accepted change {row.ulid}")
        self._audit("changes withdraw", row.ulid, "")
        return self._shown(row)

    def _together(self, row: ChangeRow) -> Sequence[ChangeRow]:
        """Return the changes of one alert: one cause is accepted as one."""
        from hotfire_infra.store.series_changes import changes_of_causes

        with self.store.reading() as connection:
            rows = changes_of_causes(connection, [row.cause]) if row.cause else (row,)
        return [one for one in rows if one.state != ChangeState.WITHDRAWN.value]

    def _change(self, ref: str) -> ChangeRow | None:
        with self.store.reading() as connection:
            found = changes_called(connection, ref)
        if len(found) > 1:
            raise RequestRefusedError(f"{ref!r} begins the ids of several changes; add a few signs")
        return found[0] if found else None

    def _found(self, ref: str) -> ChangeRow:
        row = self._change(ref) if _may_be_change(ref) else None
        if row is None:
            raise RequestRefusedError(
                f"no change is called {ref!r}; `hotfire changes list` names them"
            )
        return row

    def _row(self, ulid: str) -> ConfirmationRow:
        with self.store.reading() as connection:
            row = confirmation_called(connection, ulid)
        if row is None:
            raise RequestRefusedError(f"there is no confirmation {ulid!r}")
        return row

    def _report(self, row: ConfirmationRow) -> ConfirmationReport:
        with self.store.reading() as connection:
            return confirmation_report(connection, row)

    def _shown(self, row: ChangeRow) -> ChangeReport:
        with self.store.reading() as connection:
            return shown_changes(connection, changes_called(connection, row.ulid))[0]

    def _audit(self, action: str, target: str, reason: str) -> None:
        if self.is_audited:
            audit_locally(self.store, self.user, action, target, reason)


@dataclass(frozen=True, slots=True)
class ServiceDesk:
    """The desk of a service."""

    connection: Connection

    def changes(self, *, limit: int, state: str | None) -> Sequence[ChangeReport]:
        """Return the changes noticed last, newest first."""
        found = self.connection.get("/changes", limit=limit, state=state)["items"]
        return tuple(from_plain(ChangeReport, one) for one in found)

    def confirm(self, what: str, budget_seconds: int) -> ConfirmationReport:
        """Ask for reruns about a change or a run."""
        wish = {"what": what, "budget_seconds": budget_seconds}
        return _confirmation(self.connection.post("/confirmations", wish))

    def confirmation(self, ulid: str) -> ConfirmationReport:
        """Return a confirmation as it is now."""
        return _confirmation(self.connection.get(f"/confirmations/{quote(ulid, safe='')}"))

    def advance(self, ulid: str) -> ConfirmationReport:
        """Return a confirmation as it is now."""
        return self.confirmation(ulid)

    def label(self, change: str, label: ChangeLabel | None) -> ChangeReport:
        """Write what triage says of a change."""
        wish = {"label": None if label is None else label.value}
        return _change(self.connection.post(f"/changes/{quote(change, safe='')}/label", wish))

    def accept(self, change: str, reason: str) -> ChangeReport:
        """Let the reference begin with a change."""
        path = f"/changes/{quote(change, safe='')}/accept"
        return _change(self.connection.post(path, {"reason": reason}))

    def withdraw(self, change: str) -> ChangeReport:
        """Take an acceptance back."""
        path = f"/changes/{quote(change, safe='')}/withdraw"
        return _change(self.connection.post(path, {}))


def _confirmation(found: object) -> ConfirmationReport:
    report: ConfirmationReport = from_plain(ConfirmationReport, found)
    return report


def _change(found: object) -> ChangeReport:
    report: ChangeReport = from_plain(ChangeReport, found)
    return report


def _may_be_change(ref: str) -> bool:
    return len(ref) >= SHORTEST and all(sign in ALPHABET for sign in ref.upper())
