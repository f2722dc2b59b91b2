"""The report of a run: one value that the CLI, the pages, the API and Jenkins all print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from hotfire_infra.analysis.change_reports import ChangeReport
from hotfire_infra.analysis.confirmations import ConfirmationReport
from hotfire_infra.analysis.coverage import LanguageCoverage
from hotfire_infra.analysis.excuses import Exonerated


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The source stamp as people meet it."""

    repository: str
    revision: str
    patch_digest: str | None
    subject: str = ""

    @property
    def short(self) -> str:
        """Seven signs of the revision, with a `+` when uncommitted changes are part of it."""
        return self.revision[:7] + ("+" if self.patch_digest else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTest:
    """A result that is not green, with what the reader needs next."""

    test: str
    outcome: str
    failure_class: str | None
    message: str
    cell: str
    exoneration: str = ""
    """Why it does not block, with the evidence; empty if it does."""
    not_waived: str = ""
    """Why the waivers in whose scope it lies do not waive it; empty without one."""
    flake: str = ""
    """How often it fails by chance, and whether this looks like it; empty where nothing is known."""
    cluster: str = ""
    """Id of the failures that say the same, and since when there are such; empty without a message."""

    @property
    def first_line(self) -> str:
        """The first line of the message, or an empty string."""
        return self.message.strip().partition("\n")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformancePoint:
    """One measurement of the run with its comparison; the unit belongs to the value."""

    series: str
    test: str
    platform: str
    metric: str
    unit: str
    value: float
    valid: bool
    invalid_reason: str | None
    change: str
    change_reason: str
    interval: tuple[float, float, float] | None
    """Estimate, low and high of the log-ratio to the earlier runs, or None."""
    normalised: tuple[float, float, float] | None
    earlier_runs: int
    replicates: int
    noise: str = ""
    """How far runs of the same code differ here, or that nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceLine:
    """One piece of evidence of an attempt that did not pass, as it was weighed."""

    kind: str
    failure_class: str
    source: str
    confidence: float
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptNote:
    """An attempt that did not pass, or that ran for another question: why, and what says so."""

    number: int
    task: str
    state: str
    purpose: str
    """`result`; anything else never counted for the run."""
    reason: str
    failure_class: str | None
    source: str
    confidence: float | None
    device: str
    """What it ran on; empty where devices are not told apart."""
    evidence: tuple[EvidenceLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellReport:
    """One cell: what was planned, what happened, and the line people read."""

    key: str
    task: str
    platform: str
    variant: Mapping[str, str]
    required: str
    state: str
    verdict: str | None
    """None while nothing is decided."""
    reason: str
    failure_class: str | None
    attempts: int
    tests: Mapping[str, int]
    duration_ns: int | None
    summary: str = ""
    expected: int | None = None
    failures: tuple[FailedTest, ...] = ()
    pending: str = ""
    """Why nothing of it runs yet."""
    notes: tuple[AttemptNote, ...] = ()
    """Its attempts that did not pass, oldest first."""

    @property
    def word(self) -> str:
        """The verdict once there is one, else the state."""
        return self.verdict or self.state

    @property
    def note(self) -> str:
        """How it ran and why it is as it is, for the last column."""
        # Counts of tests stand in a column of their own.
        words = ("failed", "errored", "missing")
        counts = tuple(f"{noun} {word}" for noun in ("test", "tests") for word in words)
        is_count = bool(self.tests) and self.reason.endswith(counts)
        parts = [self.summary, "" if is_count else self.reason]
        excused = sum(bool(failure.exoneration) for failure in self.failures)
        if excused:
            parts.append(f"{excused} exonerated")
        if self.variant.get("execution") == "emulated" and self.verdict != "not_executable":
            parts.append("emulated")
        if self.verdict == "not_executable" and self.required == "when-available":
            parts.append("required: when-available")
        if self.verdict is None:
            parts.append(self.pending)
        return " · ".join(part for part in parts if part)

    @property
    def is_excused(self) -> bool:
        """Whether it failed, and none of its failures blocks."""
        failed = [failure for failure in self.failures if failure.outcome == "failed"]
        return self.verdict == "failed" and bool(failed) and all(one.exoneration for one in failed)

    @property
    def axes(self) -> str:
        """The axes beside platform and execution, `build_type=release` as `release`."""
        hidden = {"platform", "execution"}
        return " ".join(v for k, v in sorted(self.variant.items()) if k not in hidden)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that a reader of the run should know and that changes no verdict."""

    kind: str
    """`gone`, `invalidated`, …"""
    text: str
    body: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldReport:
    """A machine that is kept after a failed attempt, and how to use it."""

    id: str
    run: int
    cell: str
    attempt: str
    attempt_number: int
    held_by: str
    until: str
    """RFC 3339, UTC."""
    seconds_left: int
    directory: str
    """Where its files lie, on the machine that ran it."""
    refusal: str = ""
    """Why the machine is not kept although that was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """A run with everything its headline, its page and `hotfire show` need."""

    number: int
    ulid: str
    pipeline: str
    source: Source
    plan_digest: str
    state: str
    verdict: str | None
    reasons: tuple[str, ...]
    url: str
    cells: tuple[CellReport, ...]
    tasks: int
    tests_expected: int | None
    estimate_seconds: float | None
    created_ns: int | None
    finalized_ns: int | None
    coverage: tuple[LanguageCoverage, ...] = ()
    performance: tuple[PerformancePoint, ...] = ()
    parent_number: int | None = None
    requested_by: str = ""
    requested_for: str = ""
    """For whom, as the client said; nothing is decided by it."""
    not_here: Mapping[str, str] = field(default_factory=dict)
    priority: str = "developer"
    team: str = "default"
    change: str | None = None
    superseded_by: int | None = None
    """Number of the newer run that this one was ended for."""
    supersedes: tuple[int, ...] = ()
    """Numbers of the runs that were ended for this one."""
    holds: tuple[HoldReport, ...] = ()
    notices: tuple[Notice, ...] = ()
    exonerations: tuple[Exonerated, ...] = ()
    merge_base: str | None = None
    """Revision of the target branch that the change started from."""
    changes: tuple[ChangeReport, ...] = ()
    """What its points revealed or disproved about series of the target branch."""
    confirmations: tuple[ConfirmationReport, ...] = ()
    """What was run again, interleaved, to be sure of what it measured."""

    @property
    def is_final(self) -> bool:
        """True once the run can no longer change."""
        return self.state in {"finalized", "cancelled"}

    @property
    def word(self) -> str:
        """The verdict once the run is final, else its state."""
        return self.verdict if self.verdict and self.is_final else self.state

    @property
    def totals(self) -> dict[str, int]:
        """Cells by verdict; a cell without a verdict yet is missing until it reports."""
        return dict(Counter(cell.verdict or "missing" for cell in self.cells))

    @property
    def platforms(self) -> tuple[str, ...]:
        """Platforms in the order of their first cell."""
        return tuple(dict.fromkeys(cell.platform for cell in self.cells if cell.platform))

    @property
    def failures(self) -> tuple[FailedTest, ...]:
        """Failed tests of all cells, cells in the order of the plan."""
        return tuple(failure for cell in self.cells for failure in cell.failures)

    @property
    def duration_ns(self) -> int | None:
        """From its creation to its end, or None while it goes."""
        if self.created_ns is None or self.finalized_ns is None:
            return None
        return self.finalized_ns - self.created_ns


def cell_document(cell: CellReport) -> dict[str, object]:
    """Return one cell as `hotfire show -o json` prints it."""
    return {
        "task": cell.task,
        "variant": dict(cell.variant),
        "state": cell.state,
        "verdict": cell.verdict or "missing",
        "reason": cell.reason,
        "failure_class": cell.failure_class,
        "attempts": cell.attempts,
        "tests": dict(cell.tests),
        "pending": cell.pending,
    }


def run_document(report: RunReport) -> dict[str, object]:
    """Return the run as `hotfire show RUN -o json` prints it: a public interface, keys fixed."""
    source = report.source
    return {
        "id": report.ulid,
        "pipeline": report.pipeline,
        "source": {
            "repository": source.repository,
            "revision": source.revision,
            "patch_digest": source.patch_digest,
        },
        "plan_digest": report.plan_digest,
        "state": report.state,
        "verdict": report.verdict or "incomplete",
        "reasons": list(report.reasons),
        "url": report.url,
        "cells": [cell_document(cell) for cell in report.cells],
        "totals": report.totals,
        "priority": report.priority,
        "team": report.team,
        "change": report.change,
        "superseded_by": report.superseded_by,
        "supersedes": list(report.supersedes),
        "holds": [asdict(hold) for hold in report.holds],
        "merge_base": report.merge_base,
        "exonerations": [asdict(one) for one in report.exonerations],
        "notices": [asdict(notice) for notice in report.notices],
        "changes": [asdict(change) for change in report.changes],
        "confirmations": [asdict(one) for one in report.confirmations],
    }
