"""`hotfire show SERIES`: the points of one metric, and what changed in it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from hotfire_infra.analysis.appearance import appearance
from hotfire_infra.analysis.change_reports import ChangeReport
from hotfire_infra.analysis.changes import change_words
from hotfire_infra.analysis.history import SeriesHistory, SeriesPoint
from hotfire_infra.analysis.quantities import count, quantity
from hotfire_infra.cli.console import data, symbol

SHOWN_POINTS = 20


def show_series(series: SeriesHistory, *, as_json: bool) -> None:
    """Print a series: its changes, then its newest points."""
    if as_json:
        data(json.dumps(asdict(series), ensure_ascii=False))
        return
    data(f" series {series.metric} of {series.test}")
    variant = " ".join(f"{key}={value}" for key, value in sorted(series.variant.items()))
    data(f"        {variant}   {series.environment}")
    data(f"        {count(len(series.points), 'point')}, {series.direction} is better")
    if series.noise:
        data(f"        {series.noise}")
    for change in series.changes:
        for line in change_lines(change):
            data(line)
    for point in reversed(series.points[-SHOWN_POINTS:]):
        data(_point_line(point, series))
    hidden = len(series.points) - SHOWN_POINTS
    if hidden > 0:
        data(f"   and {count(hidden, 'earlier point')}")


def change_lines(change: ChangeReport) -> list[str]:
    """Return a change with the symbol of whether it is good, and what was asked and said of it."""
    look = appearance(change.look)
    lines = [f" {symbol(look, sys.stdout)} {look.word}: {change.words}"]
    label = f"labelled {change.label} by {change.labelled_by}" if change.label else ""
    more = (change.confirmation, change.accepted, label)
    return [*lines, *(f"     {one}" for one in more if one), f"     change {change.id}"]


def _point_line(point: SeriesPoint, series: SeriesHistory) -> str:
    look = appearance(point.change if point.valid else "not_comparable")
    words = change_words(series.metric, point.interval)
    why = point.change_reason if point.valid else f"not valid: {point.invalid_reason}"
    value = quantity(point.value, series.unit)
    return (
        f" {symbol(look, sys.stdout)} run {point.run}  {point.revision[:7]}  {value}  "
        f"{point.machine}  {words}  {why}"
    ).rstrip()
