"""`hotfire bisect`: which commit did it, by runs of single commits through the scheduler."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hotfire_infra.analysis.change_reports import ChangeReport
from hotfire_infra.cli.console import data, progress
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.problems import CliError
from hotfire_infra.cli.session import Session, open_session
from hotfire_infra.cli.verbs.confirm import desk_of
from hotfire_infra.cli.verbs.show import repro_command
from hotfire_infra.client.bisecting import Bisection, Kind, Probe, Sought
from hotfire_infra.settings import find_checkout


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was typed."""

    what: str
    """Test, series or change."""
    good: str | None
    bad: str
    kind: str = ""
    """Empty: performance for a series or change, else failure."""
    task: str = ""
    variant: tuple[str, ...] = ()
    false_fail: float | None = None
    false_pass: float | None = None
    most_runs: int = 60
    as_json: bool = False


def bisect(wish: Wish) -> int:
    """Search until the culprit is known; 0 with an answer, 6 where the runs were not enough."""
    with open_session() as session:
        sought = _sought(session, wish)
        checkout = find_checkout(Path.cwd())
        bisection = Bisection(session.client, session.reports, checkout, sought)
        return _carry_out(session, bisection, wish)


def _sought(session: Session, wish: Wish) -> Sought:
    """Find out what was named: a test, a series, or a change with its commits."""
    series, good, bad = "", wish.good, wish.bad
    if "/" not in wish.what:
        change = next(
            (one for one in _changes(session) if one.id.startswith(wish.what.upper())), None
        )
        found = session.reports.series(change.series if change else wish.what)
        if found is None:
            raise CliError(
                f"no test, series or change is called {wish.what!r}",
                next_command="hotfire changes list",
            )
        series = found.key
        good = good or (change.after_revision if change else None)
        bad = change.until_revision if change and wish.bad == "HEAD" else bad
    if good is None:
        raise CliError("--good is needed: a commit at which it was well", next_command="git log")
    return Sought(
        good=good,
        bad=bad,
        kind=Kind(wish.kind or ("performance" if series else "failure")),
        test="" if series else wish.what,
        series=series,
        task=wish.task,
        variant=_axes(wish.variant),
        false_fail=wish.false_fail,
        false_pass=wish.false_pass,
    )


def _changes(session: Session) -> Sequence[ChangeReport]:
    return desk_of(session).changes(limit=500, state=None)


def _carry_out(session: Session, bisection: Bisection, wish: Wish) -> int:
    progress(f" {_title(bisection)}")
    said: set[int] = set()
    while True:
        run = bisection.unfinished()
        for probe in bisection.probes:
            if probe.run not in said:
                said.add(probe.run)
                progress(_line(bisection, probe))
        if run is None:
            commit = bisection.next()
            if commit is None:
                return _end(bisection, wish)
            if len(bisection.probes) >= wish.most_runs:
                progress(f" stopped after {len(bisection.probes)} runs (--max-runs)")
                return _end(bisection, wish)
            run = bisection.start(commit)
            if run is None:
                progress(
                    f" –        {commit[:7]}  cannot be run: {bisection.search.skipped[commit]}"
                )
                continue
        if not _follow(session, str(run.number)):
            progress(f"interrupted in run {run.number}; what was started goes on")
            progress("next:  the same command goes on from here")
            return CliExit.INTERRUPTED


def _title(bisection: Bisection) -> str:
    search, kind = bisection.search, bisection.sought.kind
    first = f"{bisection.test} in {bisection.cell}: {len(search.commits) - 1} commits after "
    rates = {
        Kind.FAILURE: f"; fails by chance in up to {100 * search.false_fail:.2g} %",
        Kind.FLAKE: f"; failed in up to {100 * search.false_fail:.2g} %, "
        f"fails in {100 * (1 - search.false_pass):.2g} %",
        Kind.PERFORMANCE: f"; {bisection.subject.metric} in blocks A B B A beside the good end",
        Kind.ACCURACY: "; item by item beside the good end",
    }
    return f"{first}{search.commits[0][:7]}{rates[kind]}"


def _follow(session: Session, number: str) -> bool:
    """Carry a run out to its end; False on Ctrl-C."""
    events = session.client.watch(number)
    try:
        for _ in events:
            pass
    except KeyboardInterrupt:
        return False
    finally:
        close: Callable[[], None] | None = getattr(events, "close", None)
        if close is not None:
            close()
    return True


def _line(bisection: Bisection, probe: Probe) -> str:
    return f" run {probe.run:<4} {probe.commit[:7]}  {probe.said:<14} {_state(bisection)}"


def _state(bisection: Bisection) -> str:
    if bisection.sought.kind in (Kind.PERFORMANCE, Kind.ACCURACY) and not bisection.search.shift:
        return bisection.ends
    found = bisection.search.found
    what = " or ".join(commit[:7] for commit in found.commits) or "none"
    none = "" if not found.commits else f", none {bisection.search.none:.2f}"
    return f"{what} p = {found.probability:.3f}{none}"


def _end(bisection: Bisection, wish: Wish) -> int:
    search = bisection.search
    if bisection.ends:
        return _end_without_shift(bisection, wish)
    if bisection.sought.kind in (Kind.PERFORMANCE, Kind.ACCURACY) and search.shift is None:
        data(f"undecided: the ends were not told apart in {len(bisection.probes)} runs")
        return CliExit.INCONCLUSIVE
    found = search.found
    runs = [probe.run for probe in bisection.probes]
    command = _repro(bisection)
    code = CliExit.OK if found.is_decided else CliExit.INCONCLUSIVE
    if wish.as_json:
        document = {
            "test": bisection.test,
            "kind": bisection.sought.kind.value,
            "cell": bisection.cell,
            "decided": found.is_decided,
            "culprit": list(found.commits) or "none",
            "is_older": search.commits[0] in found.commits,
            "probability": found.probability,
            "posterior": dict(search.posterior()),
            "runs": runs,
            "skipped": dict(search.skipped),
            "repro": command,
        }
        data(json.dumps(document, ensure_ascii=False))
        return code
    word = "culprit" if found.is_decided else "undecided, likeliest"
    sure = f"p = {found.probability:.3f} after {search.runs} tries in {len(runs)} runs"
    if not found.commits:
        data(f"none: flake   {sure}")
    elif search.commits[0] in found.commits:
        data(f"older: it fails already at {search.commits[0][:7]}; take an older --good   {sure}")
    else:
        for commit in found.commits:
            data(f"{word} {commit[:12]} {bisection.subject_of(commit)}   {sure}")
    if command:
        data(f"   {command}")
    return code


def _end_without_shift(bisection: Bisection, wish: Wish) -> int:
    """Say that there is nothing to search."""
    runs = [probe.run for probe in bisection.probes]
    if wish.as_json:
        document = {
            "test": bisection.test,
            "kind": bisection.sought.kind.value,
            "cell": bisection.cell,
            "decided": True,
            "culprit": "none",
            "reason": bisection.ends,
            "runs": runs,
        }
        data(json.dumps(document, ensure_ascii=False))
    else:
        data(f"none: {bisection.ends}   {len(runs)} runs")
    return CliExit.OK


def _repro(bisection: Bisection) -> str:
    """Return the command for the run that shows it best: the culprit's, else any that failed."""
    failed = [probe for probe in bisection.probes if "failed" in probe.said]
    at = [probe for probe in failed if probe.commit in bisection.search.found.commits]
    chosen = next(iter((*at, *failed)), None)
    return "" if chosen is None else repro_command(bisection.test, chosen.run)


def _axes(words: tuple[str, ...]) -> dict[str, str]:
    for word in words:
        if "=" not in word:
            raise CliError(
                f"--variant {word!r} is no AXIS=VALUE", next_command="hotfire bisect --help"
            )
    return {key: value for key, _, value in (word.partition("=") for word in words)}
