"""The page of one series: the trend, its table twin, and what each point was judged to be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from hotfire_dashboards.addresses import run_address, series_address, test_address
from hotfire_infra.analysis.appearance import Appearance, appearance
from hotfire_infra.analysis.change_reports import ChangeReport
from hotfire_infra.analysis.changes import change_words
from hotfire_infra.analysis.history import SeriesHistory, SeriesPoint
from hotfire_infra.analysis.quantities import count, iso_utc, quantity, utc


@dataclass(frozen=True, slots=True, kw_only=True)
class PointRow:
    """One point as the table shows it."""

    look: Appearance
    run: str
    run_address: str
    source: str
    started: str
    value: str
    spread: str
    change: str
    reason: str
    machine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLine:
    """A change in one line, with how it looks."""

    look: Appearance
    words: str
    more: tuple[str, ...] = ()
    """What reruns say of it, and what people decided."""
    commands: tuple[str, ...] = ()


def change_lines(changes: Iterable[ChangeReport]) -> tuple[ChangeLine, ...]:
    """Return changes as pages list them, the newest first."""
    return tuple(
        ChangeLine(
            look=appearance(one.look),
            words=one.words,
            more=_said(one),
            commands=_commands(one),
        )
        for one in reversed(tuple(changes))
    )


def _said(change: ChangeReport) -> tuple[str, ...]:
    label = f"labelled {change.label} by {change.labelled_by}" if change.label else ""
    reruns = f"reruns {change.confirmation}" if change.confirmation else ""
    return tuple(one for one in (reruns, change.accepted, label) if one)


def _commands(change: ChangeReport) -> tuple[str, ...]:
    """Return what can be asked and said of an alert that nobody has dealt with."""
    if change.state != "alert" or change.accepted:
        return ()
    confirm = () if change.confirmation else (f"hotfire confirm {change.id}",)
    label = () if change.label else (f"hotfire changes label {change.id} true",)
    return (*confirm, *label)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesPage:
    """Everything the template of a series prints."""

    title: str
    metric: str
    look: Appearance
    lead: str
    chart_label: str
    chart_source: str
    has_trend: bool
    trend_empty: str
    facts: tuple[tuple[str, str], ...]
    changes: tuple[ChangeLine, ...]
    rows: tuple[PointRow, ...]
    test: str
    test_address: str
    address: str
    live: bool = False


def series_page(series: SeriesHistory) -> SeriesPage:
    """Build the page of a series; the table shows its points newest first."""
    latest = series.points[-1]
    value = quantity(latest.value, series.unit)
    address = series_address(series.key)
    return SeriesPage(
        title=series.test.split("/", 2)[-1],
        metric=series.metric,
        look=appearance(latest.change),
        lead=f"{value} in run #{latest.run}: {latest.change_reason or 'nothing to compare with'}.",
        chart_label=f"{series.metric} of {series.test} over {count(len(series.points), 'run')}",
        chart_source=f"{address}.json",
        has_trend=len(series.points) > 1,
        trend_empty=(
            f"One point so far, {value}: a trend needs two runs with the same environment class."
        ),
        facts=_facts(series),
        changes=change_lines(series.changes),
        rows=tuple(_row(point, series.metric, series.unit) for point in reversed(series.points)),
        test=series.test,
        test_address=test_address(series.test),
        address=address,
    )


def _facts(series: SeriesHistory) -> tuple[tuple[str, str], ...]:
    better = {"larger": "larger is better", "smaller": "smaller is better"}
    return (
        ("metric", f"{series.metric} ({better.get(series.direction, 'no better direction')})"),
        ("platform", series.platform),
        ("variant", " ".join(f"{k}={v}" for k, v in sorted(series.variant.items()))),
        ("environment class", series.environment),
        ("series key", series.key[:16]),
        *((("A/A noise", series.noise.removeprefix("A/A noise ")),) if series.noise else ()),
    )


def _row(point: SeriesPoint, metric: str, unit: str) -> PointRow:
    low, high = min(point.replicates, default=0.0), max(point.replicates, default=0.0)
    launches = len(point.replicates)
    spread = f"{quantity(low, unit)} … {quantity(high, unit)} (n = {launches})" if launches else ""
    return PointRow(
        look=appearance(point.change if point.valid else "not_comparable"),
        run=f"#{point.run}",
        run_address=run_address(point.run),
        source=point.revision[:7],
        started=utc(point.created_ns),
        value=quantity(point.value, unit),
        spread=spread,
        change=change_words(metric, point.interval),
        reason=point.change_reason if point.valid else f"not valid: {point.invalid_reason}",
        machine=point.machine,
    )


def series_document(series: SeriesHistory) -> dict[str, object]:
    """Return the JSON twin that the chart draws from."""
    return {
        "schema": "hotfire.dev/series/1",
        "key": series.key,
        "test": series.test,
        "metric": series.metric,
        "unit": series.unit,
        "display_unit": {"token/s": "tok/s", "1": ""}.get(series.unit, series.unit),
        "direction": series.direction,
        "points": [
            {
                "run": point.run,
                "revision": point.revision,
                "at": iso_utc(point.created_ns),
                "value": point.value,
                "replicates": list(point.replicates),
                "probe": point.probe,
                "valid": point.valid,
                "change": point.change,
                "reason": point.change_reason,
                "interval": list(point.interval) if point.interval else None,
            }
            for point in series.points
        ],
        "noise": series.noise,
        "changes": [asdict(change) for change in series.changes],
        "marks": _marks(series),
    }


def _marks(series: SeriesHistory) -> list[dict[str, object]]:
    """Return where the chart draws its changes: places of points, and the levels around them.

    A change lies between the points `after` and `until`; its levels reach from the change before to
    the one behind it.
    """
    place = {point.run: at for at, point in enumerate(series.points)}
    shown = [one for one in series.changes if one.run in place and one.until_run in place]
    standing = [place[one.run] for one in shown if one.state != "withdrawn"]
    last = len(series.points) - 1
    return [
        {
            "at": place[one.run],
            "after": place.get(one.after_run or 0, 0),
            "until": place[one.until_run],
            "state": one.state,
            "look": one.look,
            "levels": [one.before, one.after] if one.has_levels else None,
            "from": max((at for at in standing if at < place[one.run]), default=0),
            "to": min((at - 1 for at in standing if at > place[one.run]), default=last),
        }
        for one in shown
    ]
