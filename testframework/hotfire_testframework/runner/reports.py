"""Reports of other tools that a command leaves: kept as artifacts, read by ingest and nowhere else."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from hotfire_testframework.contract.stream import Kind
from hotfire_testframework.runner.artifacts import is_inside, record_artifact
from hotfire_testframework.runner.session import Session
from hotfire_testframework.runner.spool import FULL, DiskFullError


def forget_reports(session: Session) -> None:
    """Remove what lies where a report is to be written: one that came with the source is no result."""
    for report in session.spec.reports:
        path = session.directory.work / report.path
        if is_inside(path.parent, session.directory.work):
            with contextlib.suppress(OSError):
                path.unlink()


def keep_reports(session: Session, exit_code: int) -> None:
    """Record each declared report, with its file if the command has written it."""
    for number, report in enumerate(session.spec.reports, 1):
        source = session.directory.work / report.path
        body: dict[str, object] = {
            "path": report.path,
            "format": report.format.value,
            "exit_code": exit_code,
        }
        if is_inside(source, session.directory.work) and source.is_file():
            name = f"report-{number}{Path(report.path).suffix}"
            try:
                shutil.copyfile(source, session.directory.artifacts / name)
            except OSError as error:
                if error.errno in FULL:
                    raise DiskFullError(f"the report {report.path}") from error
                raise
            record_artifact(session.directory, session.spool, name)
            body["artifact"] = name
        session.spool.emit(Kind.REPORT, body)
