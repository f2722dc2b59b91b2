"""The page of one test: its history over runs and platforms, message, evidence, repro command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hotfire_dashboards.addresses import (
    run_address,
    series_address,
    test_address,
    test_document_address,
)
from hotfire_dashboards.commands import command
from hotfire_dashboards.series_page import ChangeLine, change_lines
from hotfire_infra.analysis.appearance import Appearance, appearance
from hotfire_infra.analysis.history import TestHistory, TestOccurrence
from hotfire_infra.analysis.quantities import count, duration, significant, utc


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One result in the strip of a platform."""

    look: Appearance
    address: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """The results of one platform, oldest first, so that time reads to the right."""

    platform: str
    marks: tuple[Mark, ...]
    rate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrenceRow:
    """One result with its evidence."""

    look: Appearance
    run: str
    run_address: str
    source: str
    started: str
    platform: str
    axes: str
    attempt: str
    duration: str
    message: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TestPage:
    """Everything the template of a test prints."""

    title: str
    module: str
    scheme: str
    name: str
    look: Appearance
    lead: str
    message: str
    message_where: str
    evidence: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str], ...]
    repro: str
    strips: tuple[Strip, ...]
    rows: tuple[OccurrenceRow, ...]
    series: tuple[tuple[str, str], ...]
    flakes: tuple[tuple[str, str], ...]
    """(variant, line) of each in which it ever failed."""
    changes: tuple[ChangeLine, ...]
    quarantines: tuple[str, ...]
    """Each as one line, the newest first."""
    address: str
    json_address: str
    live: bool = False


def test_page(history: TestHistory) -> TestPage:
    """Build the page of a test from its results, newest first."""
    latest = history.occurrences[0]
    newest = [one for one in history.occurrences if one.run == latest.run]
    shown = next((one for one in newest if one.outcome not in {"passed", "skipped"}), latest)
    module, scheme, name = (*history.test.split("/", 2), "", "")[:3]
    return TestPage(
        title=name,
        module=module,
        scheme=scheme,
        name=name,
        look=appearance(shown.outcome),
        lead=_lead(newest),
        message=shown.message.strip(),
        message_where=f"run #{shown.run} on {shown.platform}, attempt {shown.attempt_number}",
        evidence=_pairs(shown.evidence),
        environment=_pairs(shown.environment),
        repro=command("repro", history.test, "--run", str(shown.run)),
        strips=_strips(history),
        rows=tuple(_row(one) for one in history.occurrences),
        series=tuple((words, series_address(key)) for key, words in history.series),
        flakes=tuple((_axes(note.variant), note.words) for note in history.flakes),
        changes=change_lines(history.changes),
        quarantines=history.quarantines,
        address=test_address(history.test),
        json_address=test_document_address(history.test),
    )


def _lead(newest: list[TestOccurrence]) -> str:
    platforms = {one.platform for one in newest}
    green = {one.platform for one in newest if one.outcome == "passed"}
    red = {one.platform for one in newest if one.outcome in {"failed", "errored"}}
    where = f" Not green on {', '.join(sorted(red))}." if red else ""
    return (
        f"In its latest run, #{newest[0].run}, it passed on "
        f"{len(green - red)} of {count(len(platforms), 'platform')}.{where}"
    )


def _strips(history: TestHistory) -> tuple[Strip, ...]:
    groups: dict[str, list[TestOccurrence]] = {}
    for one in reversed(history.occurrences):
        groups.setdefault(one.platform, []).append(one)
    return tuple(
        Strip(
            platform=platform,
            marks=tuple(_mark(one) for one in members[-60:]),
            rate=f"{sum(o.outcome == 'passed' for o in members)} of {len(members)} passed",
        )
        for platform, members in sorted(groups.items())
    )


def _mark(one: TestOccurrence) -> Mark:
    look = appearance(one.outcome)
    first = one.message.strip().partition("\n")[0]
    label = f"run #{one.run} on {one.platform}: {look.word}" + (f" – {first}" if first else "")
    return Mark(look=look, address=run_address(one.run), label=label)


def _row(one: TestOccurrence) -> OccurrenceRow:
    hidden = {"platform"}
    return OccurrenceRow(
        look=appearance(one.outcome),
        run=f"#{one.run}",
        run_address=run_address(one.run),
        source=one.revision[:7],
        started=utc(one.created_ns),
        platform=one.platform,
        axes=" ".join(v for k, v in sorted(one.variant.items()) if k not in hidden),
        attempt=str(one.attempt_number),
        duration=duration(one.duration_ns),
        message=one.message.strip().partition("\n")[0],
        evidence=", ".join(f"{key} {value}" for key, value in _pairs(one.evidence)),
    )


def _axes(variant: Mapping[str, str]) -> str:
    return " ".join(value for _, value in sorted(variant.items()))


def _pairs(values: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple((key.replace("_", " "), value_words(value)) for key, value in values.items())


def value_words(value: object) -> str:
    """Print one value of evidence or environment; absent and unreadable are words, not blanks."""
    if isinstance(value, float):
        return significant(value)
    if isinstance(value, Mapping):
        if value.get("absent"):
            return "absent"
        if "unreadable" in value:
            return f"unreadable: {value['unreadable']}"
        return ", ".join(f"{key} {value_words(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(value_words(item) for item in value)
    return str(value)
