"""`hotfire logs`: what an attempt printed."""

from __future__ import annotations

import sys
import time

from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.finding import find_cell
from hotfire_infra.cli.problems import CliError
from hotfire_infra.cli.session import Session, open_session

POLL_SECONDS = 0.5


def logs(ref: str, cell: str | None, *, follow: bool, tail: int | None, stream: str) -> int:
    """Print the output of the newest attempt, and go on while it grows if asked to."""
    with open_session() as session:
        key = _cell_key(session, ref, cell)
        piece = session.client.logs(ref, cell=key, stream=stream)
        _write(piece.content if tail is None else _last_lines(piece.content, tail))
        offset = piece.offset + len(piece.content)
        while follow and not piece.is_complete:
            time.sleep(POLL_SECONDS)
            piece = session.client.logs(
                ref, cell=key, attempt=piece.attempt, stream=stream, offset=offset
            )
            _write(piece.content)
            offset = piece.offset + len(piece.content)
    return CliExit.OK


def _cell_key(session: Session, ref: str, words: str | None) -> str | None:
    if words is None:
        return None
    report = session.reports.find(ref)
    cell = find_cell(report, words)
    if cell is None:
        raise CliError(
            f"run {report.number} has no cell {words!r}",
            next_command=f"hotfire show {report.number}",
        )
    return cell.key


def _write(content: bytes) -> None:
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _last_lines(content: bytes, number: int) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join(lines[len(lines) - min(number, len(lines)) :])
