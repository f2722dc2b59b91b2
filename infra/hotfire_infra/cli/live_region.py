"""The live region: what runs now, redrawn in place below the finished lines, by rich."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TextIO

from hotfire_infra.analysis.quantities import duration
from hotfire_infra.cli.console import harmless, is_terminal, progress, use_colour
from hotfire_infra.store.rows import CellRow, RunSnapshot

if TYPE_CHECKING:
    from rich.live import Live

MOST_LINES = 8
"""Cells shown at once; more would push the finished lines away."""


class LiveRegion:
    """On a terminal a redrawn region; elsewhere nothing, and lines go out plain."""

    def __init__(self, stream: TextIO) -> None:
        self._live: Live | None = _start(stream) if is_terminal(stream) else None

    def show(self, snapshot: RunSnapshot) -> None:
        """Redraw what is running."""
        if self._live is None:
            return
        from rich.text import Text

        running = [cell for cell in snapshot.cells if cell.state == "running" and not cell.pending]
        decided = sum(cell.verdict is not None for cell in snapshot.cells)
        lines = [_running_line(cell) for cell in running[:MOST_LINES]]
        if len(running) > MOST_LINES:
            lines.append(f"   and {len(running) - MOST_LINES} more")
        if not running:
            lines += [f"   {cell.task}  {cell.pending}" for cell in snapshot.cells if cell.pending][
                :1
            ]
        age = duration(time.time_ns() - snapshot.run.created_ns)
        lines.append(
            f"   {decided} of {len(snapshot.cells)} cells · {age} · Ctrl-C: stop, resumably"
        )
        self._live.update(Text("\n".join(lines), style="dim"), refresh=True)

    def print_above(self, text: str) -> None:
        """Print a finished line, which stays."""
        if self._live is None:
            progress(text)
            return
        from rich.text import Text

        self._live.console.print(Text.from_ansi(harmless(text)), soft_wrap=True)

    def close(self) -> None:
        """Remove the region; finished lines stay. A second call does nothing."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def _start(stream: TextIO) -> Live:
    from rich.console import Console
    from rich.live import Live

    console = Console(file=stream, no_color=not use_colour(stream), highlight=False)
    live = Live(console=console, auto_refresh=False, transient=True)
    live.start()
    return live


def _running_line(cell: CellRow) -> str:
    took = duration(time.time_ns() - cell.started_ns) if cell.started_ns else ""
    done = sum(cell.tests.values())
    of = f" of {cell.expected:,}" if cell.expected else ""
    tests = f"{done:,}{of} tests" if done else ""
    return f" ▸ {cell.task}  {cell.platform}  {took}  {tests}".rstrip()
