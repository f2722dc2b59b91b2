"""End a run: analysis, then the gate, then the one transition that never comes back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hotfire_infra.analysis.accuracy.recording import analyse_accuracy
from hotfire_infra.analysis.exoneration import record_exonerations
from hotfire_infra.analysis.gate import GateDecision, decide
from hotfire_infra.analysis.gate_cells import gate_cells
from hotfire_infra.analysis.headline import final_headline
from hotfire_infra.analysis.noise import watch_noise
from hotfire_infra.analysis.numerics.watching import watch_numerics
from hotfire_infra.analysis.performance import analyse_performance
from hotfire_infra.analysis.watching import watch_series
from hotfire_infra.orchestrator.crashpoints import CrashPoint, Passing, pass_by
from hotfire_infra.orchestrator.facts import RunFacts
from hotfire_infra.orchestrator.gone import policy_of
from hotfire_infra.orchestrator.lock import HeldLock
from hotfire_infra.orchestrator.quarantining import apply_quarantines
from hotfire_infra.orchestrator.run_options import ancestors_of
from hotfire_infra.orchestrator.series import name_series
from hotfire_infra.orchestrator.waiving import apply_waivers
from hotfire_infra.states import RunState, RunVerdict
from hotfire_infra.store import queries
from hotfire_infra.store.database import Store
from hotfire_infra.store.queries_unselected import unselected_of
from hotfire_infra.store.transitions import Move, move

log = logging.getLogger(__name__)

Analysis = Callable[[Store, int], Sequence[str]]
"""A step over a run whose results are complete; returns sentences about regressions that block."""

ANALYSES: tuple[Analysis, ...] = (
    name_series,
    watch_noise,
    analyse_performance,
    watch_series,
    analyse_accuracy,
    watch_numerics,
)
"""The steps of every run, in order; a new one is added here."""


@dataclass(frozen=True, slots=True)
class Finalizer:
    """Takes runs from running to finalized or cancelled, on behalf of whoever leads."""

    store: Store
    analyses: tuple[Analysis, ...]
    lock: HeldLock
    at: Passing = pass_by

    def finalize(self, facts: RunFacts) -> None:
        """Finish a run all of whose tasks are over; every step can be repeated after a crash."""
        run_id = facts.run.id
        self._move(run_id, RunState.FINALIZING, "", {})
        regressions = [line for step in self.analyses for line in step(self.store, run_id)]
        self.at(CrashPoint.ANALYSED)
        self._exonerate(facts)
        apply_waivers(self.store, self.lock, facts)
        apply_quarantines(self.store, self.lock, facts)
        decision = self._decide(run_id, facts.is_cancelled, regressions)
        is_cancelled = decision.verdict is RunVerdict.CANCELLED
        state = RunState.CANCELLED if is_cancelled else RunState.FINALIZED
        values = {
            "verdict": decision.verdict,
            "reason": "\n".join(decision.reasons),
            "headline": self._headline(run_id, decision.verdict),
            "finalized_ns": self.store.clock.wall_ns(),
        }
        self._move(run_id, state, f"verdict {decision.verdict}", values)

    def _exonerate(self, facts: RunFacts) -> None:
        """Record which failures are not the change's, where the pipeline lets that count."""
        if policy_of(self.store, facts.run.plan_sha256).fails_on_merge_base == "off":
            return
        with self.store.reading() as connection:
            ancestors = ancestors_of(connection, facts.run)
        if ancestors and not facts.is_cancelled:
            with self.lock.writing() as connection:
                now = self.store.clock.wall_ns()
                record_exonerations(connection, facts.run.id, ancestors, now)

    def _decide(self, run_id: int, is_cancelled: bool, regressions: list[str]) -> GateDecision:
        with self.store.reading() as connection:
            cells = queries.cells_of(connection, run_id)
            gate = gate_cells(connection, run_id, cells)
        return decide(gate, is_cancelled=is_cancelled, regressions=regressions)

    def _headline(self, run_id: int, verdict: RunVerdict) -> str:
        with self.store.reading() as connection:
            cells = queries.cells_of(connection, run_id)
            gate = gate_cells(connection, run_id, cells)
            left_out = len(unselected_of(connection, run_id))
        red = {cell.key for cell in cells if cell.verdict == "failed"}
        blocking = {one.key for one in gate if one.verdict == "failed" and not one.is_exonerated}
        invalid = {one.key for one in gate if one.verdict == "errored"}
        return final_headline(cells, verdict.value, red - blocking - invalid, left_out)

    def _move(self, run_id: int, state: RunState, reason: str, values: dict[str, object]) -> None:
        step = Move(
            entity="run",
            entity_id=run_id,
            to_state=state,
            reason=reason,
            by=self.lock.holder,
            run_id=run_id,
            subject={"verdict": str(values["verdict"])} if "verdict" in values else {},
            values=values,
        )
        with self.lock.writing() as connection:
            move(connection, step, self.store.clock.wall_ns())
