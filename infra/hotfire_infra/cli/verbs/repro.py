"""`hotfire repro`: the exact command of a test or cell, with the inputs it ran with."""

from __future__ import annotations

import shlex
import subprocess
import sys

from hotfire_infra.analysis.appearance import appearance
from hotfire_infra.cli.console import data, progress, symbol
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.finding import cell_of_failure, find_cell, suggest_test
from hotfire_infra.cli.problems import CliError
from hotfire_infra.cli.reproduction import Reproduction, outcomes, prepare
from hotfire_infra.cli.session import Session, open_session
from hotfire_testframework.contract.exit_codes import RunnerExit


def repro(what: str, ref: str, platform: str | None, *, execute: bool) -> int:
    """Prepare the reproduction; print its command, or execute it."""
    with open_session() as session:
        prepared = _prepare(session, what, ref, platform)
    if not prepared.is_narrowed:
        progress("runs the whole cell: there is no narrower command for it")
    if not execute:
        data(prepared.command)
        return CliExit.OK
    progress(prepared.command)
    code = subprocess.run(prepared.argv, check=False).returncode
    return _report(prepared, code)


def _prepare(session: Session, what: str, ref: str, platform: str | None) -> Reproduction:
    home = session.settings.home
    attempt = _attempt_of_test(session, what, ref, platform)
    if attempt is not None:
        return prepare(home, session.client.recorded_attempt(attempt), what)
    report = session.reports.find(ref)
    cell = cell_of_failure(report, what) or find_cell(report, what)
    if cell is None:
        raise suggest_test(session.reports, what, report.number)
    attempts = session.client.attempts(ref, cell=cell.key)
    if not attempts:
        raise CliError(
            f"{cell.key} never ran in run {report.number}: {cell.reason or cell.word}",
            next_command=f"hotfire show {report.number}",
        )
    return prepare(home, session.client.recorded_attempt(attempts[-1].ulid), None)


def _attempt_of_test(session: Session, test: str, ref: str, platform: str | None) -> str | None:
    """Return the attempt that decided the test, a red one before a green one."""
    history = session.reports.test(test)
    if history is None:
        return None
    number = session.client.show(ref).run.number
    there = [one for one in history.occurrences if one.run == number]
    here = [one for one in there if platform in {None, one.platform}]
    if there and not here:
        known = ", ".join(sorted({one.platform for one in there}))
        raise CliError(
            f"{test} did not run on {platform!r} in run {number}; it ran on {known}",
            next_command=f"hotfire repro {shlex.quote(test)} --run {number}",
        )
    if not here:
        reused = [one for one in session.client.tests(str(number)) if one.test == test]
        origin = next((one.attempt_ulid for one in reused if one.attempt_ulid), None)
        if origin is not None:
            return origin
        runs = ", ".join(str(n) for n in sorted({one.run for one in history.occurrences})[-5:])
        raise CliError(
            f"{test} has no result in run {number}; it ran in {runs}",
            next_command=f"hotfire repro {shlex.quote(test)} --run {history.occurrences[0].run}",
        )
    red = [one for one in here if one.outcome not in {"passed", "skipped"}]
    return (red or here)[0].attempt


def _report(prepared: Reproduction, code: int) -> int:
    for one in outcomes(prepared.directory):
        look = appearance(one.outcome)
        progress(f" {symbol(look, sys.stderr)} {one.test}   {look.word}")
        if one.message:
            progress(f"   {one.message}")
    progress(f" output: {prepared.directory}/stdout.log, stderr.log")
    if code == RunnerExit.PASSED:
        return CliExit.OK
    return CliExit.RED if code == RunnerExit.PRODUCT_FAILURE else CliExit.INFRASTRUCTURE
