"""Quarantine of tests as people ask for it: list, begin, take on, end; in the store or far away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from hotfire_infra.analysis.flake_quarantine import LIMIT
from hotfire_infra.analysis.flakes import LEVEL
from hotfire_infra.analysis.quarantining import (
    DAY_NS,
    Standing,
    signatures_of,
    standing_of,
    why_not,
)
from hotfire_infra.analysis.transport import from_plain
from hotfire_infra.client.connection import Connection
from hotfire_infra.errors import RequestRefusedError
from hotfire_infra.store.audit import audit_locally
from hotfire_infra.store.database import Store
from hotfire_infra.store.quarantines import (
    ACTIVE,
    PROPOSED,
    STANDING,
    QuarantineRow,
    change_quarantine,
    insert_quarantine,
    quarantines,
    quarantines_called,
)
from hotfire_infra.store.queries_flakes import axes_of
from hotfire_infra.store.queries_pages import variants_of_test
from hotfire_infra.store.queries_tests import test_key
from hotfire_testframework.contract.ulid import new_ulid

MOST_DAYS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineReport:
    """One quarantine, as every door prints it."""

    id: str
    test: str
    variant: Mapping[str, str]
    state: str
    """`proposed`, `active`, `passed`, `expired` or `withdrawn`."""
    owner: str
    bug: str
    reason: str
    words: str
    """Until when, whose, and how far the exit test is."""
    signatures: tuple[str, ...]
    """What its known failures say: another one blocks."""
    passes: int
    needed: int
    expires_ns: int
    created_ns: int
    ended_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Who takes a test on, where it is repaired, and until when."""

    owner: str
    bug: str
    days: int
    reason: str = ""


class QuarantineDesk(Protocol):
    """What the command line asks about quarantines, wherever the store is."""

    def quarantines(self, *, all_states: bool) -> Sequence[QuarantineReport]:
        """Return those that stand or are proposed, or all, newest first."""

    def begin(
        self, test: str, variant: Mapping[str, str], terms: Terms
    ) -> Sequence[QuarantineReport]:
        """Put a test into quarantine, in each variant of these axes in which it failed."""

    def approve(self, ref: str, terms: Terms) -> QuarantineReport:
        """Take a proposal on."""

    def end(self, ref: str, reason: str) -> QuarantineReport:
        """Let a test block again, or drop a proposal."""


@dataclass(frozen=True, slots=True)
class StoreQuarantines:
    """The desk in the store itself."""

    store: Store
    user: str
    is_audited: bool = True

    def quarantines(self, *, all_states: bool) -> Sequence[QuarantineReport]:
        """Return those that stand or are proposed, or all, newest first."""
        with self.store.reading() as connection:
            rows = quarantines(connection, states=() if all_states else STANDING)
        return [self._report(row) for row in rows]

    def begin(
        self, test: str, variant: Mapping[str, str], terms: Terms
    ) -> Sequence[QuarantineReport]:
        """Put a test into quarantine."""
        _check(terms)
        now = self.store.clock.wall_ns()
        with self.store.writing() as connection:
            test_id = test_key(connection, test)
            if test_id is None:
                raise RequestRefusedError(f"nobody recorded a test {test!r}")
            axes = axes_of(connection, variants_of_test(connection, test_id))
            wanted = [key for key, has in axes.items() if variant.items() <= dict(has).items()]
            reasons = {key: why_not(connection, test_id, key) for key in wanted}
            fitting = [key for key, why in reasons.items() if not why]
            if not fitting:
                why = next(iter(reasons.values()), f"it has no result with {dict(variant)}")
                raise RequestRefusedError(f"{test} cannot be put into quarantine: {why}")
            made = []
            for key in fitting:
                ulid = new_ulid()
                values = {
                    "ulid": ulid,
                    "test_id": test_id,
                    "variant_id": key,
                    "state": ACTIVE,
                    "owner": terms.owner,
                    "bug": terms.bug,
                    "reason": terms.reason,
                    "signatures": signatures_of(connection, test_id, key),
                    "limit_rate": LIMIT,
                    "confidence": LEVEL,
                    "since_ns": now,
                    "expires_ns": now + terms.days * DAY_NS,
                    "requested_by": self.user,
                    "created_ns": now,
                }
                insert_quarantine(connection, values)
                made.append(ulid)
        for ulid in made:
            self._audit("quarantine add", ulid, f"{test}: {terms.bug}")
        return [self._report(self._found(ulid)) for ulid in made]

    def approve(self, ref: str, terms: Terms) -> QuarantineReport:
        """Take a proposal on."""
        _check(terms)
        row = self._found(ref)
        if row.state != PROPOSED:
            raise RequestRefusedError(f"quarantine {row.ulid} is {row.state}, not proposed")
        now = self.store.clock.wall_ns()
        with self.store.writing() as connection:
            why = why_not(connection, row.test_id, row.variant_id)
            if why:
                raise RequestRefusedError(f"{row.test} cannot be put into quarantine: {why}")
            values = {
                "state": ACTIVE,
                "owner": terms.owner,
                "bug": terms.bug,
                "signatures": signatures_of(connection, row.test_id, row.variant_id),
                "since_ns": now,
                "expires_ns": now + terms.days * DAY_NS,
                "requested_by": self.user,
            }
            change_quarantine(connection, row.id, values)
        self._audit("quarantine approve", row.ulid, f"{row.test}: {terms.bug}")
        return self._report(self._found(row.ulid))

    def end(self, ref: str, reason: str) -> QuarantineReport:
        """Let a test block again."""
        row = self._found(ref)
        if row.state not in STANDING:
            raise RequestRefusedError(f"quarantine {row.ulid} is over already ({row.state})")
        with self.store.writing() as connection:
            now = self.store.clock.wall_ns()
            values = {"state": "withdrawn", "ended_ns": now, "ended_reason": reason}
            change_quarantine(connection, row.id, values)
        self._audit("quarantine end", row.ulid, reason)
        return self._report(self._found(row.ulid))

    def _found(self, ref: str) -> QuarantineRow:
        with self.store.reading() as connection:
            found = quarantines_called(connection, ref) if ref else ()
        if len(found) != 1:
            what = "begins the ids of several quarantines" if found else "is no quarantine's id"
            raise RequestRefusedError(f"{ref!r} {what}; `hotfire quarantine list` names them")
        return found[0]

    def _report(self, row: QuarantineRow) -> QuarantineReport:
        with self.store.reading() as connection:
            return report_of(standing_of(connection, row, self.store.clock.wall_ns()))

    def _audit(self, action: str, target: str, reason: str) -> None:
        if self.is_audited:
            audit_locally(self.store, self.user, action, target, reason)


@dataclass(frozen=True, slots=True)
class ServiceQuarantines:
    """The desk of a service."""

    connection: Connection

    def quarantines(self, *, all_states: bool) -> Sequence[QuarantineReport]:
        """Return those that stand or are proposed, or all, newest first."""
        found = self.connection.get("/quarantines", all=all_states)["items"]
        return [_read(one) for one in found]

    def begin(
        self, test: str, variant: Mapping[str, str], terms: Terms
    ) -> Sequence[QuarantineReport]:
        """Put a test into quarantine."""
        body = {"test": test, "variant": dict(variant), **_plain(terms)}
        return [_read(one) for one in self.connection.post("/quarantines", body)["items"]]

    def approve(self, ref: str, terms: Terms) -> QuarantineReport:
        """Take a proposal on."""
        path = f"/quarantines/{quote(ref, safe='')}/approve"
        return _read(self.connection.post(path, _plain(terms)))

    def end(self, ref: str, reason: str) -> QuarantineReport:
        """Let a test block again."""
        path = f"/quarantines/{quote(ref, safe='')}/end"
        return _read(self.connection.post(path, {"reason": reason}))


def report_of(found: Standing) -> QuarantineReport:
    """Return a quarantine as every door prints it."""
    row = found.row
    return QuarantineReport(
        id=row.ulid,
        test=row.test,
        variant={key: str(value) for key, value in row.variant.items()},
        state=row.state,
        owner=row.owner,
        bug=row.bug,
        reason=row.reason,
        words=found.words,
        signatures=tuple(row.signatures),
        passes=found.passes,
        needed=found.needed,
        expires_ns=row.expires_ns,
        created_ns=row.created_ns,
        ended_ns=row.ended_ns,
    )


def _check(terms: Terms) -> None:
    if not terms.owner.strip() or not terms.bug.strip():
        raise RequestRefusedError("a quarantine needs an --owner and a --bug: else nobody ends it")
    if not 1 <= terms.days <= MOST_DAYS:
        raise RequestRefusedError(f"a quarantine lasts 1 to {MOST_DAYS} days, not {terms.days}")


def _plain(terms: Terms) -> dict[str, object]:
    return {
        "owner": terms.owner,
        "bug": terms.bug,
        "days": terms.days,
        "reason": terms.reason,
    }


def _read(found: object) -> QuarantineReport:
    report: QuarantineReport = from_plain(QuarantineReport, found)
    return report
