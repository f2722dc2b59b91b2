"""Tables of what came out: records, results, measurements, accuracy samples, coverage, verdicts."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from hotfire_infra.store.models.base import (
    Base,
    Bytes,
    Count,
    Json,
    Key,
    Name,
    Nanoseconds,
    Reason,
    Sha256,
)


def named(column: str) -> Index:
    """Return an index of the rows in which a column is not NULL."""
    is_there = text(f"{column} IS NOT NULL")
    return Index(None, column, sqlite_where=is_there, postgresql_where=is_there)


class Record(Base):
    """A stream record kept whole: session, phase, manifest, and every unknown kind."""

    __tablename__ = "record"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    seq: Mapped[Count] = mapped_column(primary_key=True)
    kind: Mapped[Name]
    body: Mapped[Json]


class StreamProblem(Base):
    """A line of a spool that could not be stored, where it stands and why."""

    __tablename__ = "stream_problem"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    offset: Mapped[Count] = mapped_column(primary_key=True)
    """Byte in the spool at which the line begins; minus the seq of a record that could not be stored
    although it could be read: its file is missing, a name is too long."""
    reason: Mapped[Reason]


class Collected(Base):
    """A test that an attempt found before it ran the first one."""

    __tablename__ = "collected"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"), primary_key=True)


class Result(Base):
    """One try of one test in one attempt."""

    __tablename__ = "result"
    __table_args__ = (
        # History of one test, newest attempt last.
        Index(None, "test_id", "variant_id", "attempt_id"),
        # Whether anybody still needs a message; few results have one.
        named("message_id"),
        named("detail_id"),
    )

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    seq: Mapped[Count] = mapped_column(primary_key=True)
    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"))
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"))
    try_number: Mapped[Count]
    """1, 2, … within the attempt."""
    outcome: Mapped[Name]
    """`Outcome` of the contract."""
    failure_class: Mapped[str | None]
    duration_ns: Mapped[Nanoseconds]
    message_id: Mapped[int | None] = mapped_column(ForeignKey("message.id"))
    detail_id: Mapped[int | None] = mapped_column(ForeignKey("message.id"))
    """The longer text: a traceback, the output of the case."""
    environment_class: Mapped[str | None]
    """What ran: implementation, ISA, device kind."""
    params: Mapped[Json | None]
    """Test parameters: the third map beside variant and environment; none where empty."""
    metrics: Mapped[Json | None]
    """Numbers of this result (error ÷ bound, digest …), never gated on; none where empty."""


class Measurement(Base):
    """One point of a series: an estimate, its replicates and what is known against it."""

    __tablename__ = "measurement"
    __table_args__ = (
        # One series over time.
        Index(None, "series_key", "month", "attempt_id"),
        # What an attempt measured, and which series a test has.
        Index(None, "attempt_id"),
        Index(None, "test_id", "series_key"),
    )

    month: Mapped[Count] = mapped_column(primary_key=True)
    """Of the run's creation as yyyymm: partitions come later without a change of key."""
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    seq: Mapped[Count] = mapped_column(primary_key=True)
    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"))
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"))
    metric: Mapped[Name]
    version: Mapped[Count]
    """Of the metric's definition."""
    unit: Mapped[Name]
    value: Mapped[float]
    estimator: Mapped[Name]
    replicates: Mapped[Json]
    """Values in the order of measurement."""
    launches: Mapped[Json]
    """Process launch of each replicate."""
    inner: Mapped[Count]
    """Iterations within one replicate."""
    probe_metric: Mapped[str | None]
    probe_value: Mapped[float | None]
    """The machine's limit, measured beside it."""
    canary: Mapped[float | None]
    """Residual of the canary: how unusual the machine was."""
    valid: Mapped[bool]
    reason: Mapped[Reason]
    """Why the point is not valid."""
    definition: Mapped[str]
    """sha256 of the benchmark's definition."""
    environment_class: Mapped[str | None]
    """Device or CPU model, ISA, native or emulated, clock policy; analysis fills it in."""
    series_key: Mapped[str | None]
    """Analysis fills it in when the run is finalized."""


class AccuracySample(Base):
    """One item of an accuracy task; pairs form only on equal keys."""

    __tablename__ = "accuracy_sample"
    __table_args__ = (Index(None, "task", "dataset", "item"),)

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    seq: Mapped[Count] = mapped_column(primary_key=True)
    test_id: Mapped[int | None] = mapped_column(ForeignKey("test.id"))
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"))
    task: Mapped[Name]
    dataset: Mapped[str]
    """Digest of the dataset."""
    item: Mapped[Name]
    prompt: Mapped[str]
    """Hash of the prompt."""
    decode_seed: Mapped[Count]
    outcome: Mapped[Name]
    """`0`, `1` or `errored`."""
    score: Mapped[float | None]
    blob: Mapped[str | None]
    """Artifact of the attempt that holds its token log-probabilities."""


class Coverage(Base):
    """Executable and hit lines of one file as bitmaps; union only over equal file digests."""

    __tablename__ = "coverage"
    __table_args__ = (Index(None, "run_id", "path"),)

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    suite: Mapped[Name] = mapped_column(primary_key=True)
    platform: Mapped[Name]
    language: Mapped[Name] = mapped_column(primary_key=True)
    path: Mapped[Name] = mapped_column(primary_key=True)
    file_sha256: Mapped[Sha256] = mapped_column(primary_key=True)
    executable: Mapped[Bytes]
    """Bit i of byte i // 8 (least significant first) is line i + 1."""
    hit: Mapped[Bytes]


class Verdict(Base):
    """The fold over all counted results of one test × variant in one run."""

    __tablename__ = "verdict"
    __table_args__ = (
        # Verdicts of a kind, page by page; counts per cell for the grid of a run.
        Index(None, "run_id", "verdict", "cell_id", "test_id"),
        # History of one test over runs.
        Index(None, "test_id", "variant_id", "run_id"),
        named("message_id"),
    )

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    cell_id: Mapped[int] = mapped_column(ForeignKey("cell.id"), primary_key=True)
    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"), primary_key=True)
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"))
    verdict: Mapped[Name]
    """`Verdict` of the contract."""
    failure_class: Mapped[str | None]
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"))
    seq: Mapped[Count | None]
    """With `attempt_id`: the result that decided; none for a test that never ran."""
    tries: Mapped[Count]
    duration_ns: Mapped[Nanoseconds]
    message_id: Mapped[int | None] = mapped_column(ForeignKey("message.id"))
    is_new: Mapped[bool]
    """Collected though the inventory did not expect it."""


class Exoneration(Base):
    """Recorded reason why a failing verdict does not block, with its evidence."""

    __tablename__ = "exoneration"

    id: Mapped[Key]
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), index=True)
    test_id: Mapped[int | None] = mapped_column(ForeignKey("test.id"))
    variant_id: Mapped[int | None] = mapped_column(ForeignKey("variant.id"))
    kind: Mapped[Name]
    """`waiver`, `known-issue`, `quarantine` or `fails-on-merge-base`."""
    reason: Mapped[Reason]
    evidence: Mapped[Json]
    created_ns: Mapped[Nanoseconds]


class Comparison(Base):
    """A measurement against the earlier points of its series: an interval, not a threshold."""

    __tablename__ = "comparison"

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    series_key: Mapped[Sha256] = mapped_column(primary_key=True)
    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"))
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"))
    metric: Mapped[Name]
    outcome: Mapped[Name]
    """The words of `hotfire_infra.analysis.comparison`."""
    estimate: Mapped[float | None]
    """Relative change, or its logarithm where the metric says so."""
    low: Mapped[float | None]
    high: Mapped[float | None]
    baseline_points: Mapped[Count]
    reason: Mapped[Reason]
    body: Mapped[Json]
    """Everything else the page shows."""


class Finding(Base):
    """Something a reader of the run should know: a sentence, its kind and its numbers."""

    __tablename__ = "finding"

    id: Mapped[Key]
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), index=True)
    kind: Mapped[Name]
    text: Mapped[Reason]
    body: Mapped[Json]
