"""The page of the A/A noise floor: how far runs of the same code differ, by metric and device."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hotfire_dashboards.commands import command
from hotfire_infra.analysis.noise import NoiseReport, component_words
from hotfire_infra.analysis.quantities import count, utc


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseRow:
    """One metric on one kind of device, as the table shows it."""

    metric: str
    environment: str
    floor: str
    within: str
    processes: str
    runs: str
    builds: str
    known: str
    updated: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisePage:
    """Everything the template prints."""

    lead: str
    rows: tuple[NoiseRow, ...]
    start_command: str
    live: bool = False


def noise_page(found: Iterable[NoiseReport]) -> NoisePage:
    """Build the page."""
    rows = tuple(_row(one) for one in found)
    lead = (
        "How far two runs of the same code differ, from attempts of the same source on the same kind "
        "of device: 1 % of such pairs differ by more than the floor."
    )
    return NoisePage(
        lead=lead, rows=rows, start_command=command("changes", "noise", "--measure", "latest")
    )


def _row(one: NoiseReport) -> NoiseRow:
    known = (
        f"{count(one.attempts, 'attempt')} of {count(one.codes, 'source')}, "
        f"{count(one.series, 'series', 'series')}"
    )
    words = one.words.partition(" (")[0]
    return NoiseRow(
        metric=one.metric,
        environment=one.environment,
        floor=words.removeprefix("A/A noise "),
        within=component_words(one.metric, one.within),
        processes=component_words(one.metric, one.processes),
        runs=component_words(one.metric, one.runs),
        builds=component_words(one.metric, one.builds),
        known=known,
        updated=utc(one.updated_ns),
    )
