"""`hotfire changes quality`: precision from labels, recall from injected steps, over time."""

from __future__ import annotations

import json
from dataclasses import asdict

from hotfire_infra.analysis.detector_quality import (
    Quality,
    as_document,
    check_detector,
    checks,
    precision,
)
from hotfire_infra.analysis.quantities import count, utc
from hotfire_infra.cli.console import data
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.problems import CliError
from hotfire_infra.settings import read_settings
from hotfire_infra.store.database import open_store


def quality(*, check: bool, seed: int, as_json: bool) -> int:
    """Print what is known, after one more check if that is asked."""
    settings = read_settings()
    if settings.server:
        raise CliError(
            "the detector is judged beside its store, not through a service: run it there, or read "
            "the counts of the last check in the service's /metrics",
            next_command="hotfire changes list",
        )
    store = open_store(settings.home, database=settings.database)
    try:
        if check:
            check_detector(store, seed if seed >= 0 else store.clock.wall_ns() % 2**31)
        with store.reading() as connection:
            share, known = precision(connection), checks(connection)
    finally:
        store.close()
    if as_json:
        document = {
            "precision": {**asdict(share), "value": share.value, "interval": share.interval},
            "checks": [as_document(one) for one in known],
        }
        data(json.dumps(document))
        return CliExit.OK
    data(f" precision of labelled alerts {share.words}")
    for one in known:
        for line in _lines(one):
            data(line)
    if not known:
        data(" recall not known: `hotfire changes quality --check` injects steps and looks")
    return CliExit.OK


def _lines(one: Quality) -> list[str]:
    head = (
        f" recall on {utc(one.checked_ns)}, {count(one.series, 'stored series', 'stored series')}"
    )
    if one.series == 0:
        return [f"{head}: none of the target branch has 60 points yet"]
    return [head] + [
        f"   {step.low:g} to {step.high:g} of the noise  {step.found.words}"
        + (f", after {step.delay:g} points" if step.delay is not None else "")
        for step in one.recalls
    ]
