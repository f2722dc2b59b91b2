"""Which requests are worth a line in the audit log; repeated denials become one line."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field, replace

from hotfire_infra.api.security.rate_limits import Buckets
from hotfire_infra.errors import InfraError
from hotfire_infra.sections.limits import Rate
from hotfire_infra.store.audit import AuditEntry, AuditOutcome, record_audit
from hotfire_infra.store.database import Store

log = logging.getLogger(__name__)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
DENIALS = frozenset({401, 403, 421, 429})
WINDOW_SECONDS = 60
"""Denials alike within this time are one line that counts them."""
REMEMBERED = 1000
DENIAL_RATE = Rate(per_second=10, burst=1000)
"""Lines about denials in all: whoever is refused must not be able to fill the disk."""


def outcome_of(method: str, status: int, *, is_stream: bool) -> AuditOutcome | None:
    """Return what the log says of a request; None: nothing.

    `is_stream`: an attempt sends what it found; the records, with their sequence numbers, are their
    own log.
    """
    if status in DENIALS:
        return AuditOutcome.DENIED
    if method in SAFE_METHODS or is_stream:
        return None
    return AuditOutcome.ALLOWED if status < 400 else AuditOutcome.FAILED


@dataclass(slots=True)
class Auditor:
    """Writes the log of one store; safe to call from several threads."""

    store: Store
    suppressed: int = 0
    """Denials that no line tells of, since the last one that does."""
    _repeats: dict[tuple[str, ...], tuple[int, int, AuditEntry]] = field(default_factory=dict)
    _lines: Buckets = field(init=False)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._lines = Buckets(DENIAL_RATE, self.store.clock.mono_ns)

    def record(self, entry: AuditEntry) -> None:
        """Write a line, or count it to one already written; a line that fails goes to the log."""
        with self._mutex:
            lines = [*self._ended(), *self._admitted(entry)]
        self._write(lines)

    def close(self) -> None:
        """Write what was only counted."""
        with self._mutex:
            lines = self._ended(is_last=True)
        self._write(lines)

    def _admitted(self, entry: AuditEntry) -> list[AuditEntry]:
        if entry.outcome is not AuditOutcome.DENIED:
            return [entry]
        key = (entry.actor, entry.address, entry.action)
        if key in self._repeats:
            since, count, last = self._repeats[key]
            self._repeats[key] = (since, count + 1, last)
            return []
        if len(self._repeats) >= REMEMBERED or self._lines.take("denied") > 0:
            self.suppressed += 1
            return []
        self._repeats[key] = (self.store.clock.mono_ns(), 0, entry)
        gone, self.suppressed = self.suppressed, 0
        return [replace(entry, detail={**entry.detail, "suppressed": gone}) if gone else entry]

    def _ended(self, *, is_last: bool = False) -> list[AuditEntry]:
        now = self.store.clock.mono_ns()
        over = [
            key
            for key, (since, _, _) in self._repeats.items()
            if is_last or now - since >= WINDOW_SECONDS * 1e9
        ]
        ended = [self._repeats.pop(key) for key in over]
        return [
            replace(entry, detail={**entry.detail, "repeated": count})
            for _, count, entry in ended
            if count
        ]

    def _write(self, entries: list[AuditEntry]) -> None:
        if not entries:
            return
        try:
            with self.store.writing() as connection:
                for entry in entries:
                    record_audit(connection, entry, self.store.clock.wall_ns())
        except (InfraError, OSError) as error:
            for entry in entries:
                log.error("audit line not stored (%s): %s", error, entry)
