"""What a foreign report says, in words that no format owns; and what was wrong with the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from hotfire_infra.errors import ReportRefusedError
from hotfire_testframework.contract.outcomes import ReportFormat

Format = ReportFormat
"""What can be imported."""


class Dialect(StrEnum):
    """Who wrote a report, as far as it shows: it decides the scheme of test identifiers."""

    JUNIT = "junit"
    PYTEST = "pytest"
    SUREFIRE = "surefire"
    GTEST = "gtest"
    CTEST = "ctest"
    NEXTEST = "nextest"
    TAP = "tap"
    BENCHMARK = "benchmark"


PASSED, FAILED, SKIPPED, ERRORED = "passed", "failed", "skipped", "errored"
"""Outcomes, as in the contract; plain text because a report has a million of them."""


class ReportedTry(NamedTuple):
    """A try before the last one of the same test."""

    outcome: str
    message: str
    detail: str
    duration_s: float | None


class ReportedTest(NamedTuple):
    """One test as a report states it.

    A named tuple, not a dataclass: a frozen dataclass costs five times as much to make, and a
    report is read at the speed at which these are made.
    """

    dialect: Dialect
    suite: str
    classname: str
    name: str
    outcome: str
    """passed, failed, skipped or errored."""
    kind: str = ""
    """Why, in the tool's own sense: xfail, xpass, disabled, notrun, crash, collection, …"""
    duration_s: float | None = None
    """None where the report has none, or one that is no duration."""
    message: str = ""
    detail: str = ""
    stdout: str = ""
    stderr: str = ""
    params: tuple[tuple[str, str], ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    timestamp: str = ""
    """Evidence only: machine clocks lie, and no order is taken from them."""
    file: str = ""
    earlier: tuple[ReportedTry, ...] = ()
    """Tries before this one, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedPoint:
    """One figure of a benchmark, in the base unit."""

    metric: str
    """A registered name."""
    value: float
    estimator: str
    replicates: tuple[float, ...]
    inner: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedBenchmark:
    """A benchmark with its figures; without any it says why in `outcome` and `message`."""

    test: ReportedTest
    points: tuple[ReportedPoint, ...]
    definition: Mapping[str, Any]
    """What must be equal for two points to be comparable; its digest goes into the series key."""
    notes: Mapping[str, float] = field(default_factory=dict)
    """Figures that are kept beside the result and never gated on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one report may hold; more is refused, not read."""

    file_bytes: int = 2 << 30
    json_bytes: int = 1 << 30
    token_bytes: int = 8 << 20
    """One attribute list, comment or JSON element: what a parser must hold whole."""
    depth: int = 64
    tests: int = 2_000_000
    attribute_chars: int = 64 << 10
    """Of a name; longer messages are shortened instead."""
    message_chars: int = 4 << 10
    text_chars: int = 64 << 10
    """Of a detail or output: head and tail are kept."""
    properties: int = 1_000
    replicates: int = 10_000


@dataclass(slots=True)
class Reading:
    """One report while it is read: where it lies and what is to be told about it."""

    file: str
    format: Format
    limits: Limits = field(default_factory=Limits)
    metrics: Mapping[str, str] = field(default_factory=dict)
    """Foreign figure → registered metric, as given with --metric."""
    degraded: list[str] = field(default_factory=list)
    """What had to be repaired before it could be read."""
    incomplete: str = ""
    """Why something of the report is missing; such an import is never green."""
    ignored: Counter[str] = field(default_factory=Counter)
    """What was left out on purpose, by name."""
    context: dict[str, Any] = field(default_factory=dict)
    """Facts of the whole report: host, tool version, machine. Evidence only."""
    dialects: Counter[str] = field(default_factory=Counter)
    tests: int = 0

    def refuse(self, what: str, remedy: str, line: int | None = None) -> ReportRefusedError:
        """Return the one clear error of a refusal."""
        where = self.file if line is None else f"{self.file}:{line}"
        said = "".join(
            sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in f"{what}. {remedy}"
        )
        return ReportRefusedError(f"{where}: {said}")

    def count(self, number: int, line: int | None = None) -> None:
        """Count tests and refuse more than one report may hold."""
        self.tests += number
        if self.tests > self.limits.tests:
            raise self.refuse(
                f"more than {self.limits.tests} tests",
                "Write one report per suite and import them together.",
                line,
            )


Reported = ReportedTest | ReportedBenchmark
Items = Iterator[Reported]


def seconds(text: object, reading: Reading) -> float | None:
    """Return a duration in seconds, or None and a count for what is none.

    Read are plain numbers, `0.5s`, digit groups (`1,234.5`) and decimal commas (`0,5`); refused are
    negative ones, NaN, infinities and everything else. A report that says nothing (None or empty)
    is not counted.
    """
    if text is None or text == "":
        return None
    value: float | None
    try:
        value = float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        value = _number(text)
    if value is not None and 0.0 <= value < 1e10:
        return value
    reading.ignored["duration that is none"] += 1
    return None


def _number(text: object) -> float | None:
    if not isinstance(text, str) or len(text) > 64:
        return None
    plain = text.strip().removesuffix("s").strip()
    if "," in plain:
        # A comma is a digit group if a point follows or if it has company, else the decimal mark.
        is_group = "." in plain[plain.rindex(",") :] or plain.count(",") > 1
        plain = plain.replace(",", "") if is_group else plain.replace(".", "").replace(",", ".")
    try:
        return float(plain)
    except ValueError:
        return None


def shorten(text: str, limit: int) -> str:
    """Return text of at most about `limit` characters: its head and its tail."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"


def first_line(text: str) -> str:
    """Return the first line that says something."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def last_line(text: str) -> str:
    """Return the last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def thin_out(values: Sequence[float], limit: int, reading: Reading) -> tuple[float, ...]:
    """Return at most `limit` of the values, evenly over their order; what is left out is counted."""
    if len(values) <= limit:
        return tuple(values)
    reading.ignored["replicate beyond the limit"] += len(values) - limit
    step = len(values) / limit
    return tuple(values[int(index * step)] for index in range(limit))
