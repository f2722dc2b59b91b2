"""`hotfire changes quality`: precision from labels, recall from injected steps, over time."""

from __future__ import annotations

from hotfire_infra.analysis.detector_quality import Quality, check_detector
from hotfire_infra.analysis.quantities import count, utc
from hotfire_infra.analysis.transport import encode
from hotfire_infra.cli.console import data
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.problems import CliError
from hotfire_infra.cli.session import open_reports
from hotfire_infra.settings import read_settings
from hotfire_infra.store.database import open_store


def quality(*, check: bool, seed: int, as_json: bool) -> int:
    """Print what is known, after one more check if that is asked."""
    if check:
        _check(seed)
    with open_reports() as reports:
        known = reports.detector(20)
    if as_json:
        data(encode(known).decode())
        return CliExit.OK
    data(f" precision of labelled alerts {known.precision.words}")
    for one in known.checks:
        for line in _lines(one):
            data(line)
    if not known.checks:
        data(" recall not known: `hotfire changes quality --check` injects steps and looks")
    return CliExit.OK


def _check(seed: int) -> None:
    settings = read_settings()
    if settings.server:
        raise CliError(
            "the detector is checked beside its store: the service does so once a day by itself",
            next_command="hotfire changes quality",
        )
    store = open_store(settings.home, database=settings.database)
    try:
        check_detector(store, seed if seed >= 0 else store.clock.wall_ns() % 2**31)
    finally:
        store.close()


def _lines(one: Quality) -> list[str]:
    head = (
        f" recall on {utc(one.checked_ns)}, {count(one.series, 'stored series', 'stored series')}"
    )
    if one.series == 0:
        return [f"{head}: none of the target branch has 60 points yet"]
    if one.precision.trials:
        head += f", precision then {one.precision.words}"
    return [head] + [
        f"   {step.low:g} to {step.high:g} of the noise  {step.found.words}"
        + (f", after {step.delay:g} points" if step.delay is not None else "")
        for step in one.recalls
    ]
