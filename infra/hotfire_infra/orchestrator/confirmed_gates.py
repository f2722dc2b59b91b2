"""A gate on performance that asks before it blocks: the run waits until its reruns have an answer."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import insert, select

from hotfire_infra.analysis.gate_confirmation import budgets_of, can_be_confirmed, minutes_for
from hotfire_infra.analysis.performance import compare_run, declared_gates, fails
from hotfire_infra.errors import RequestRefusedError
from hotfire_infra.orchestrator.confirming import Confirmer
from hotfire_infra.orchestrator.facts import RunFacts
from hotfire_infra.orchestrator.gone import policy_of
from hotfire_infra.orchestrator.lock import HeldLock
from hotfire_infra.orchestrator.series import name_series
from hotfire_infra.store.confirmations import confirmation_called, count_open
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Finding
from hotfire_infra.store.rows import RunRow

UNASKED = "confirmation-not-made"
"""Finding: why reruns that the pipeline wants were not made."""
KNOWN_PLANS = 64
LOOK_SECONDS = 60.0
"""At least so often open confirmations are looked at: one may have waited long enough."""


@dataclass(slots=True)
class ConfirmedGates:
    """Asks for such reruns, says when a run need not wait, and moves all confirmations on."""

    store: Store
    lock: HeldLock
    is_due: bool = True
    """Something happened since confirmations were looked at last."""
    _asked: dict[int, str | None] = field(default_factory=dict)
    """Confirmation by run; None: it waits for none."""
    _wants: dict[str, bool] = field(default_factory=dict)
    """By plan."""
    _looked_ns: int = 0
    _has_open: bool = True

    def advance(self) -> bool:
        """Move open confirmations on, where that may be due; True if anything was started."""
        now = self.store.clock.mono_ns()
        is_time = self._has_open and now - self._looked_ns >= LOOK_SECONDS * 1e9
        if not self.is_due and not is_time:
            return False
        self.is_due, self._looked_ns = False, now
        with self.store.reading() as connection:
            self._has_open = count_open(connection) > 0
        return self._has_open and Confirmer(self.store).advance()

    def is_settled(self, facts: RunFacts) -> bool:
        """Whether a run whose tasks are over can be judged; perhaps reruns are asked for first."""
        run = facts.run
        if facts.is_cancelled or not self._wants_any(run.plan_sha256):
            return True
        if run.id not in self._asked:
            self._asked[run.id] = self._ask(run)
            self.is_due = True
        ulid = self._asked[run.id]
        if ulid is None:
            return True
        with self.store.reading() as connection:
            row = confirmation_called(connection, ulid)
        return row is None or row.answer is not None

    def _wants_any(self, plan_sha256: str) -> bool:
        if plan_sha256 not in self._wants:
            if len(self._wants) >= KNOWN_PLANS:
                self._wants.clear()
            gates = policy_of(self.store, plan_sha256).performance
            self._wants[plan_sha256] = any(gate.get("confirm") for gate in gates.values())
        return self._wants[plan_sha256]

    def _ask(self, run: RunRow) -> str | None:
        """Compare as the end of the run will, and ask about what would fail a gate."""
        name_series(self.store, run.id)
        with self.store.writing() as connection:
            gates = declared_gates(self.store, connection, run.id)
            budgets = budgets_of(self.store, connection, run.id)
            compared = compare_run(connection, run.id, gates)
        lost = [
            one
            for one in compared
            if can_be_confirmed(one) and fails(one, gates) and minutes_for(one.metric, budgets) > 0
        ]
        if not lost:
            return None
        minutes = max(minutes_for(one.metric, budgets) for one in lost)
        keys = [one.series_key for one in lost]
        try:
            return Confirmer(self.store).of_gate(run, keys, int(60 * minutes)).ulid
        except RequestRefusedError as error:
            self._note(run, str(error))
            return None

    def _note(self, run: RunRow, why: str) -> None:
        """Say in the run why nothing was run again; once, whatever dies meanwhile."""
        text = f"what regressed could not be confirmed by reruns: {why}"
        with self.lock.writing() as connection:
            mine = (Finding.run_id == run.id, Finding.kind == UNASKED)
            if connection.execute(select(Finding.id).where(*mine)).first() is None:
                row = insert(Finding).values(run_id=run.id, kind=UNASKED, text=text, body={})
                connection.execute(row)
