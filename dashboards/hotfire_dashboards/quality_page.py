"""The page of the change detector itself: precision, recall, and how both moved from check to check."""

from __future__ import annotations

from dataclasses import dataclass

from hotfire_dashboards.commands import command
from hotfire_infra.analysis.detector_quality import DetectorQuality, Quality
from hotfire_infra.analysis.quantities import count, utc


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallRow:
    """Steps of one size in the last check."""

    size: str
    found: str
    delay: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLine:
    """One check: recall by size, as a share of those injected."""

    checked: str
    series: str
    precision: str
    shares: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityPage:
    """Everything the template prints."""

    lead: str
    facts: tuple[tuple[str, str], ...]
    recalls: tuple[RecallRow, ...]
    sizes: tuple[str, ...]
    checks: tuple[CheckLine, ...]
    check_command: str
    label_command: str
    live: bool = False


def quality_page(quality: DetectorQuality) -> QualityPage:
    """Build the page; checks stand newest first."""
    checks = quality.checks
    last = checks[0] if checks else None
    return QualityPage(
        lead=_lead(last),
        facts=(("precision of labelled alerts", quality.precision.words),),
        recalls=tuple(
            RecallRow(
                size=_size(one.low, one.high),
                found=one.found.words,
                delay="" if one.delay is None else count(round(one.delay), "point"),
            )
            for one in (last.recalls if last else ())
        ),
        sizes=tuple(_size(one.low, one.high) for one in (last.recalls if last else ())),
        checks=tuple(_line(one) for one in checks),
        check_command=command("changes", "quality", "--check"),
        label_command=command("changes", "list"),
    )


def _lead(last: Quality | None) -> str:
    if last is None:
        return "The detector was not checked yet: no series of the target branch is long enough."
    where = count(last.series, "stored series", "stored series")
    return f"Last checked {utc(last.checked_ns)} on {where}."


def _size(low: float, high: float) -> str:
    return f"{low:g} to {high:g}"


def _line(one: Quality) -> CheckLine:
    known = [recall.found.value for recall in one.recalls]
    precision = one.precision.value
    return CheckLine(
        checked=utc(one.checked_ns),
        series=f"{one.series:,}",
        precision="no label" if precision is None else f"{precision:.2f}",
        shares=tuple("none" if share is None else f"{share:.2f}" for share in known),
    )
