"""What the CLI may ask, whether the store is a file beside it or a service far away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hotfire_infra.client.executability import Wanted
from hotfire_infra.orchestrator.importing import ImportOutcome, ImportWish
from hotfire_infra.orchestrator.run_order import RunOrder
from hotfire_infra.store.rows import (
    AttemptRow,
    HolderRow,
    RunRow,
    RunSnapshot,
    TestRow,
)
from hotfire_pipelines.history import Recorded
from hotfire_pipelines.plan import Plan
from hotfire_testframework.contract.task import AttemptSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEvent:
    """One thing that happened in a watched run.

    `topic` is `run.<state>`, `cell.<state>`, `task.<state>` or `attempt.<state>`; `payload` always
    has `state` and `reason`; of cells and tasks `cell`, `task`, `platform`, `verdict`, of attempts
    also `attempt` (ULID), `number` and `failure_class`. The topic `snapshot` is the heartbeat: it
    comes at least once a second and carries no payload. `snapshot` is the run after the event.
    """

    id: int
    topic: str
    payload: Mapping[str, Any]
    at_ns: int
    snapshot: RunSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class LogText:
    """A piece of one stream of one attempt."""

    attempt: str
    stream: str
    offset: int
    content: bytes
    is_complete: bool
    """Whether the attempt has ended and nothing will follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Of which question a run is a part, and what of it must not be taken over."""

    body: Mapping[str, str]
    """`key` names the question; the rest is what whoever asks wants to read again."""
    fresh: tuple[str, ...]
    """Tasks that are executed whatever is known of them."""
    devices: Mapping[str, str] = field(default_factory=dict)
    """The one device that will do, by cell key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWish:
    """How a run is to be carried out, beside its plan."""

    reuse: bool | None = None
    """Take over results whose action digest is equal; None: as the pipeline says."""
    is_trusted: bool = True
    """Whether its tasks may be given secrets; no change of a stranger is."""
    order: RunOrder = RunOrder()  # noqa: RUF009 - frozen
    """Its place in the queue, and whether a failed machine is kept."""
    is_partial: bool = False
    """Whether it runs some tests only: then it is nobody's latest run and no history, too."""
    question: Question | None = None
    """The bisection that asks for it: then it is nobody's latest run and no history."""


AS_PLANNED = RunWish()


class Client(Protocol):
    """Verbs over one store.

    A run is named by `ref`: `latest` or `@latest`, its number (`12`), its ULID or a prefix of it
    (at least four signs); RunNotFoundError and AmbiguousRunError say what is there. All verbs can
    be called from any process at any time; those that change something only record what is asked,
    and whoever holds the executor's lock carries it out. Every method raises only InfraError and
    its children (and, from `plan`, the errors of hotfire_pipelines).
    """

    def plan(
        self,
        pipeline: Path | str,
        *,
        source: Path | None = None,
        is_trusted: bool = True,
        since: str | None = None,
    ) -> Plan:
        """Freeze the plan of a pipeline for the source in the checkout, without storing anything.

        `pipeline` is a file, or the name of one in `pipelines/definitions` of the checkout.
        `source` is the checkout (default: the one around the current directory). For a change that
        is not trusted, pipeline and platforms are those of the target branch. `since` (a branch or
        revision) narrows the plan to what changed since the merge base with it.
        """

    def plan_of(self, ref: str) -> Plan:
        """Return the frozen plan of a run."""

    def recorded(self, pipeline: str) -> Recorded:
        """Return the question what the runs of a pipeline recorded of a cell: what its tests take."""

    def not_executable(self, plan: Wanted) -> Mapping[str, str]:
        """Return why the machines that would run a plan cannot execute cells of it, by cell key.

        As they are now; what is not in it can be executed.
        """

    def start_run(
        self,
        plan: Plan,
        *,
        source: Path | None = None,
        requested_by: str | None = None,
        wish: RunWish = AS_PLANNED,
    ) -> RunRow:
        """Record a run of the plan with all it expects; it starts when somebody executes.

        The source archive is taken now: later edits of the checkout do not reach the run. It is
        refused (SourceError) when the checkout is no longer what the plan was frozen for.
        """

    def watch(
        self, ref: str, *, execute: bool = True, poll_seconds: float = 0.25
    ) -> Iterator[WatchEvent]:
        """Yield what happens; the last event is `run.finalized` or `run.cancelled`.

        With `execute` this process carries the store's runs out while it watches, unless another
        one already does; if that one dies, this one takes over. Closing the iterator (Ctrl-C) stops
        watching and executing; runners go on, and the next `watch` resumes without loss.
        """

    def show(self, ref: str) -> RunSnapshot:
        """Return a run with its cells and tasks."""

    def tests(
        self, ref: str, *, verdicts: tuple[str, ...] | None = None, cell: str | None = None
    ) -> tuple[TestRow, ...]:
        """Return the verdicts of a run's tests, or of one cell (its key), or some verdicts."""

    def attempts(self, ref: str, *, cell: str | None = None) -> tuple[AttemptRow, ...]:
        """Return the attempts of a run, oldest first; of a cell that was reused, their origins."""

    def import_reports(self, wish: ImportWish) -> ImportOutcome:
        """Record a run with the results of reports of other tools; all of them, or none.

        ReportRefusedError says what is wrong with one. The run is folded by whoever executes.
        """

    def recorded_attempt(self, attempt: str) -> AttemptSpec:
        """Return what an attempt (its ULID) was told to do, with its inputs as files of this machine.

        From a service they are brought here, each content once.
        """

    def runs(self, *, limit: int = 20, pipeline: str | None = None) -> tuple[RunRow, ...]:
        """Return the newest runs."""

    def unfinished(self) -> tuple[RunRow, ...]:
        """Return the runs that are not over: what `hotfire run --resume` goes on with."""

    def cancel(self, ref: str, *, reason: str = "cancelled on request") -> None:
        """Ask for a run's end: what has not started ends, the rest is stopped with a grace."""

    def retry(self, ref: str, *, everything: bool = False) -> RunRow:
        """Start a child run of the same plan and source; the old run stays as it is.

        What passed in it is reused, as far as results can be; `everything` executes all again.
        """

    def logs(
        self,
        ref: str,
        *,
        cell: str | None = None,
        attempt: str | None = None,
        stream: str = "stdout",
        offset: int = 0,
    ) -> LogText:
        """Return output of an attempt (default: the newest of run or cell) from a byte on."""

    def holder(self) -> HolderRow | None:
        """Return who executes this store now, if anybody does."""

    def close(self) -> None:
        """Stop executing and let go of the store."""
