"""`hotfire bisect`: which commit broke a test, by runs of single commits through the scheduler."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hotfire_infra.cli.console import data, progress
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.problems import CliError
from hotfire_infra.cli.session import Session, open_session
from hotfire_infra.cli.verbs.show import repro_command
from hotfire_infra.client.bisecting import Bisection, Probe, Question
from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.settings import find_checkout


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was typed."""

    test: str
    good: str
    bad: str
    variant: tuple[str, ...] = ()
    false_fail: float | None = None
    false_pass: float | None = None
    most_runs: int = 60
    as_json: bool = False


def bisect(wish: Wish) -> int:
    """Search until the culprit is known; 0 with an answer, 6 where the runs were not enough."""
    with open_session() as session:
        if not isinstance(session.client, EmbeddedClient):
            raise CliError(
                "a bisection runs where the checkout is; run it there without HOTFIRE_SERVER",
                next_command=f"hotfire show {shlex.quote(wish.test)}",
            )
        question = Question(
            test=wish.test,
            good=wish.good,
            bad=wish.bad,
            variant=_axes(wish.variant),
            false_fail=wish.false_fail,
            false_pass=wish.false_pass,
        )
        bisection = Bisection(session.client, find_checkout(Path.cwd()), question)
        return _carry_out(session, bisection, wish)


def _carry_out(session: Session, bisection: Bisection, wish: Wish) -> int:
    search = bisection.search
    progress(
        f" {wish.test} in {bisection.cell}: {len(search.commits) - 1} commits after "
        f"{search.commits[0][:7]}; fails by chance in up to {100 * search.false_fail:.2g} %"
    )
    said: set[int] = set()
    while True:
        run = bisection.unfinished()
        for probe in bisection.probes:
            if probe.run not in said:
                said.add(probe.run)
                progress(_line(bisection, probe))
        if run is None:
            commit = search.next()
            if commit is None:
                return _end(bisection, wish)
            if len(bisection.probes) >= wish.most_runs:
                progress(f" stopped after {len(bisection.probes)} runs (--max-runs)")
                return _end(bisection, wish)
            run = bisection.start(commit)
            if run is None:
                progress(f" –        {commit[:7]}  cannot be run: {search.skipped[commit]}")
                continue
        if not _follow(session, str(run.number)):
            progress(f"interrupted in run {run.number}; what was started goes on")
            progress("next:  the same command goes on from here")
            return CliExit.INTERRUPTED


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
    said = " ".join("failed" if failed else "passed" for failed in probe.failed) or "says nothing"
    return f" run {probe.run:<4} {probe.commit[:7]}  {said:<14} {_state(bisection)}"


def _state(bisection: Bisection) -> str:
    found = bisection.search.found
    what = " or ".join(commit[:7] for commit in found.commits) or "none"
    none = "" if not found.commits else f", none {bisection.search.none:.2f}"
    return f"{what} p = {found.probability:.3f}{none}"


def _end(bisection: Bisection, wish: Wish) -> int:
    search = bisection.search
    found = search.found
    runs = [probe.run for probe in bisection.probes]
    command = _repro(bisection)
    code = CliExit.OK if found.is_decided else CliExit.INCONCLUSIVE
    if wish.as_json:
        document = {
            "test": wish.test,
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


def _repro(bisection: Bisection) -> str:
    """Return the command for the run that shows it best: the culprit's, else any that failed."""
    failed = [probe for probe in bisection.probes if any(probe.failed)]
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
