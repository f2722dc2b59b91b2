"""The page of two runs: what became worse, better, or cannot be told."""

from __future__ import annotations

from dataclasses import dataclass

from hotfire_dashboards.addresses import compare_address, run_address, series_address
from hotfire_infra.analysis.appearance import Appearance, appearance
from hotfire_infra.analysis.changes import change_words
from hotfire_infra.analysis.quantities import count, quantity
from hotfire_infra.analysis.run_comparison import MetricChange, RunComparison


@dataclass(frozen=True, slots=True, kw_only=True)
class TestLine:
    """A cell or test whose verdict is another one."""

    name: str
    before: Appearance
    after: Appearance


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricLine:
    """A series that both runs measured."""

    look: Appearance
    metric: str
    test: str
    address: str
    platform: str
    before: str
    after: str
    change: str
    why: str
    noise: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyLine:
    """An accuracy task that both runs did."""

    look: Appearance
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparePage:
    """Everything the template prints."""

    title: str
    before: str
    before_address: str
    after: str
    after_address: str
    look: Appearance
    lead: str
    tests: tuple[TestLine, ...]
    metrics: tuple[MetricLine, ...]
    accuracy: tuple[AccuracyLine, ...]
    address: str
    live: bool = False


def compare_page(found: RunComparison) -> ComparePage:
    """Build the page; what moved stands before what did not."""
    word = "worse" if found.is_worse else "unchanged" if found.is_comparable else "not_comparable"
    order = {"regressed": 0, "improved": 1, "environment": 2, "inconclusive": 3}
    metrics = sorted(found.metrics, key=lambda one: order.get(one.change, 4))
    return ComparePage(
        title=f"Run {found.before} → run {found.after}",
        before=f"run {found.before}",
        before_address=run_address(found.before),
        after=f"run {found.after}",
        after_address=run_address(found.after),
        look=appearance(word),
        lead=_lead(found),
        tests=tuple(
            TestLine(name=one.name, before=appearance(one.before), after=appearance(one.after))
            for one in found.tests
        ),
        metrics=tuple(_metric(one) for one in metrics),
        accuracy=tuple(
            AccuracyLine(look=appearance(one.decision), words=one.line) for one in found.accuracy
        ),
        address=compare_address(found.before, found.after),
    )


def _lead(found: RunComparison) -> str:
    if not found.is_comparable:
        return "The two runs share no cell, no series and no accuracy task."
    worse = sum(one.is_worse for one in found.metrics)
    return (
        f"{count(len(found.tests), 'verdict')} changed in {count(found.tests_compared, 'cell')} that "
        f"both have; {worse} of {count(len(found.metrics), 'series', 'series')} got worse beyond noise."
    )


def _metric(one: MetricChange) -> MetricLine:
    return MetricLine(
        look=appearance(one.change),
        metric=one.metric,
        test=one.test.split("/", 2)[-1],
        address=series_address(one.series),
        platform=one.platform,
        before=quantity(one.before, one.unit),
        after=quantity(one.after, one.unit),
        change=change_words(one.metric, one.interval),
        why="; ".join(part for part in (one.reason, one.operators) if part),
        noise=one.noise,
    )
