"""`hotfire confirm`: suspect and parent run again, interleaved, until the answer is sure."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

from hotfire_infra.analysis.confirmations import ConfirmationReport
from hotfire_infra.cli.console import data, progress
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.session import Session, open_session, wait_for_run
from hotfire_infra.client.changes_desk import ChangesDesk, ServiceDesk, StoreDesk
from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.client.http import HttpClient

POLL_SECONDS = 0.5
_CODES = {"confirmed": CliExit.RED, "refuted": CliExit.OK}


def confirm(what: str, budget_minutes: float, *, wait: bool, as_json: bool) -> int:
    """Ask, follow the launches, print the answer: 1 confirmed, 0 refuted, 6 undecided."""
    with open_session() as session:
        desk = desk_of(session)
        report = desk.confirm(what, round(60 * budget_minutes))
        if wait:
            followed = _follow(session, desk, report)
            if followed is None:
                return CliExit.INTERRUPTED
            report = followed
    if as_json:
        data(json.dumps(asdict(report), ensure_ascii=False))
    else:
        data(f" {report.words}")
    if report.state == "open":
        progress("next:  the same command follows it")
        return CliExit.OK
    return _CODES.get(report.answer, CliExit.INCONCLUSIVE)


def desk_of(session: Session) -> ChangesDesk:
    """Return what asks and decides about changes where the session is."""
    if isinstance(session.client, EmbeddedClient):
        return StoreDesk(session.client.store, session.settings.user)
    assert isinstance(session.client, HttpClient)  # there are two
    return ServiceDesk(session.client.connection)


def _follow(
    session: Session, desk: ChangesDesk, report: ConfirmationReport
) -> ConfirmationReport | None:
    """Go from launch to launch until it is decided; None on Ctrl-C."""
    progress(f" parent {report.parent[:7]}, suspect {report.suspect[:7]}: blocks A B B A")
    said = ""
    try:
        while report.state == "open":
            report = desk.advance(report.id)
            if report.live_run is None:
                if report.state == "open":
                    time.sleep(POLL_SECONDS)
                continue
            wait_for_run(session, str(report.live_run))
            report = desk.advance(report.id)
            if report.words != said:
                said = report.words
                progress(f" run {report.launches:<3} {said}")
    except KeyboardInterrupt:
        progress("interrupted; what was started goes on")
        progress("next:  the same command goes on from here")
        return None
    return report
