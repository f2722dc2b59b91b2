"""Rows of a benchmark: a table for people, one JSON object as the last line for programs (DESIGN 9)."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TextIO


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison of ours with a peer or a limit, measured in the same run."""

    name: str
    ours: float
    peer: float | None
    peer_name: str | None
    unit: str
    goal: float | str | None
    """A number is a goal for the ratio ours ÷ peer; text says any other goal in words."""
    better: Literal["higher", "lower"]
    met: bool | None = None

    @property
    def ratio(self) -> float | None:
        """Ours divided by the peer's."""
        return self.ours / self.peer if self.peer else None

    def judged(self) -> bool | None:
        """Return whether the goal is met: as stated, else from the ratio and the direction."""
        if self.met is not None or self.ratio is None or not isinstance(self.goal, (int, float)):
            return self.met
        return self.ratio >= self.goal if self.better == "higher" else self.ratio <= self.goal


def print_report(benchmark: str, rows: Sequence[Row], file: TextIO | None = None) -> None:
    """Print the table, then the JSON line."""
    out = file or sys.stdout
    table: list[tuple[str, ...]] = [
        ("", "ours", "peer", "peer's name", "unit", "ratio", "goal", "met")
    ]
    table.extend(_cells(row) for row in rows)
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        cells = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip(), file=out)
    print(json.dumps({"benchmark": benchmark, "rows": [_plain(row) for row in rows]}), file=out)


def _plain(row: Row) -> dict[str, object]:
    return {**asdict(row), "ratio": row.ratio, "met": row.judged()}


def _cells(row: Row) -> tuple[str, ...]:
    met = {True: "yes", False: "no", None: "–"}[row.judged()]
    goal = "–" if row.goal is None else str(row.goal)
    peer = "–" if row.peer is None else f"{row.peer:,.4g}"
    ratio = "–" if row.ratio is None else f"{row.ratio:.3f}"
    return row.name, f"{row.ours:,.4g}", peer, row.peer_name or "–", row.unit, ratio, goal, met
