"""`hotfire changes noise`: how far runs of the same code differ, and to measure it."""

from __future__ import annotations

import json
from dataclasses import asdict

from hotfire_infra.analysis.noise import NoiseReport, component_words
from hotfire_infra.cli.console import data, progress
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.following import detach
from hotfire_infra.cli.session import Session, open_reports, open_session, wait_for_run
from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.client.http import HttpClient
from hotfire_infra.client.noise_desk import NoiseDesk, ServiceNoiseDesk, StoreNoiseDesk


def show(*, as_json: bool) -> int:
    """Print the noise of each metric on each kind of device."""
    with open_reports() as reports:
        found = reports.noise()
    if as_json:
        data(json.dumps([asdict(one) for one in found], ensure_ascii=False))
        return CliExit.OK
    for one in found:
        for line in _lines(one):
            data(line)
    if not found:
        data(" no code was measured twice: `hotfire changes noise --measure RUN` does it")
    return CliExit.OK


def measure(run: str, runs: int, *, rebuild: bool, wait: bool, as_json: bool) -> int:
    """Run the code of a run again, follow it, and print the noise that comes of it."""
    with open_session() as session:
        numbers = _desk(session).repeat(run, runs=runs, rebuild=rebuild)
        progress(f" noise   runs {numbers[0]} to {numbers[-1]} measure the code of run {run} again")
        if not wait:
            detach(session, numbers[0])
            return CliExit.OK
        try:
            for number in numbers:
                wait_for_run(session, str(number))
                progress(f" run {number} is over")
        except KeyboardInterrupt:
            progress("interrupted; what was started goes on")
            progress("next:  hotfire run --resume")
            return CliExit.INTERRUPTED
    return show(as_json=as_json)


def _desk(session: Session) -> NoiseDesk:
    if isinstance(session.client, EmbeddedClient):
        return StoreNoiseDesk(session.client.store, session.settings.user)
    assert isinstance(session.client, HttpClient)  # there are two
    return ServiceNoiseDesk(session.client.connection)


def _lines(one: NoiseReport) -> list[str]:
    sources = (
        ("within a process", one.within),
        ("between processes", one.processes),
        ("between runs", one.runs),
        ("between builds", one.builds),
    )
    return [
        f" {one.metric}  {one.environment}",
        f"   {one.words}",
        *(
            f"   {name:<18} {component_words(one.metric, part)}"
            for name, part in sources
            if part is not None
        ),
    ]
