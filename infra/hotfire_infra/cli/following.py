"""Follow a run: a line per finished cell, a live region on a terminal, the headline at last."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable

from hotfire_infra.analysis.quantities import NANOSECONDS, count, duration
from hotfire_infra.analysis.report import RunReport, run_document
from hotfire_infra.cli.console import data, is_terminal, progress
from hotfire_infra.cli.exit_codes import CliExit, exit_of_run
from hotfire_infra.cli.lines import cell_line, closing_line, performance_lines, widths_of
from hotfire_infra.cli.live_region import LiveRegion
from hotfire_infra.cli.session import Session
from hotfire_infra.states import RUN_TERMINAL
from hotfire_infra.store.rows import RunSnapshot

HEARTBEAT_SECONDS = 60
"""Away from a terminal, the longest silence: a console must not look dead."""


def follow(
    session: Session,
    ref: str,
    *,
    timeout_seconds: float | None = None,
    as_json: bool = False,
) -> int:
    """Follow a run to its end and return its exit code; Ctrl-C leaves it resumable."""
    follower = _Follower(session)
    began = time.monotonic()
    events = session.client.watch(ref)
    try:
        for event in events:
            follower.see(event.snapshot)
            if timeout_seconds is not None and time.monotonic() - began > timeout_seconds:
                return follower.time_is_over(timeout_seconds)
    except KeyboardInterrupt:
        return follower.interrupted()
    finally:
        close: Callable[[], None] | None = getattr(events, "close", None)
        if close is not None:
            close()
        follower.region.close()
    report = session.reports.find(ref if ref.isdecimal() else follower.run_name or ref)
    follower.finish(report, as_json=as_json)
    return exit_of_run(report.verdict)


class _Follower:
    """Remembers what was printed, so that every cell is printed once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._printed: set[str] = set()
        self._last_line = time.monotonic()
        self.region = LiveRegion(sys.stderr)
        self.run_name = ""

    def see(self, snapshot: RunSnapshot) -> None:
        """Print the cells that were decided since the last look, and refresh the live region."""
        self.run_name = str(snapshot.run.number)
        decided = {cell.key for cell in snapshot.cells if cell.verdict is not None}
        if decided - self._printed and snapshot.run.state not in RUN_TERMINAL:
            self._print_new(self._session.reports.find(self.run_name))
        self.region.show(snapshot)
        if time.monotonic() - self._last_line > HEARTBEAT_SECONDS and not is_terminal(sys.stderr):
            self._say(_heartbeat(snapshot))

    def _print_new(self, report: RunReport) -> None:
        widths = widths_of(report)
        for cell in report.cells:
            if cell.verdict is not None and cell.key not in self._printed:
                self._printed.add(cell.key)
                self._say(cell_line(cell, widths, sys.stderr))

    def _say(self, text: str) -> None:
        self._last_line = time.monotonic()
        self.region.print_above(text)

    def finish(self, report: RunReport, *, as_json: bool) -> None:
        """Print the rest of the cells, what performance came to, and the headline."""
        self._print_new(report)
        for line in performance_lines(report, sys.stderr):
            progress(line)
        if as_json:
            data(json.dumps(run_document(report), ensure_ascii=False))
            return
        for reason in report.reasons:
            progress(f"   {reason}")
        for notice in report.notices:
            progress(f"   {notice.kind}: {notice.text}")
        if report.verdict != "passed":
            progress(f" details: hotfire show {report.number}")
        data(closing_line(report, sys.stdout))

    def interrupted(self) -> int:
        """Say what goes on and how to come back."""
        self.region.close()
        progress(f"interrupted: run {self.run_name or '?'} is not over; what was started goes on")
        progress("next:  hotfire run --resume")
        return CliExit.INTERRUPTED

    def time_is_over(self, limit: float) -> int:
        """Say that the limit of the command line is over, not the run."""
        self.region.close()
        progress(f"stopped following after {limit:g} s: run {self.run_name} is not over")
        progress("next:  hotfire run --resume")
        return CliExit.TIME_LIMIT


def _heartbeat(snapshot: RunSnapshot) -> str:
    running = [cell for cell in snapshot.cells if cell.state == "running" and not cell.pending]
    decided = sum(cell.verdict is not None for cell in snapshot.cells)
    names = ", ".join(f"{cell.task} {cell.platform}" for cell in running[:3])
    age = duration(time.time_ns() - snapshot.run.created_ns)
    done = f"{decided} of {count(len(snapshot.cells), 'cell')} after {age}"
    waits = next((cell.pending for cell in snapshot.cells if cell.pending), "waiting")
    return f" … {done}; running: {names or f'nothing, {waits}'}"


def detach(session: Session, number: int) -> None:
    """Leave a process behind that carries out what this store has to do; a service needs none."""
    if session.settings.server is not None:
        progress(f"the service at {session.settings.server} carries it out")
        progress(f"next:  hotfire watch {number}")
        return
    log = session.settings.home / "detached.log"
    with log.open("ab") as output:
        subprocess.Popen(
            [sys.executable, "-m", "hotfire_infra.cli.main", "run", "--resume"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    progress(f"a process of its own carries it out; its words go to {log}")
    progress(f"next:  hotfire watch {number}")


def seconds_since(start_ns: int | None) -> str:
    """Return the age of something that began at `start_ns`."""
    return "" if start_ns is None else duration(max(NANOSECONDS, time.time_ns() - start_ns))
