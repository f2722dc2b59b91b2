"""Structured logs on stderr: a JSON object per line for machines, a line of text for a terminal."""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

from hotfire_infra.operations.context import current
from hotfire_infra.operations.redaction import redacted
from hotfire_infra.sections.logging import LoggingSection

MESSAGE_LIMIT = 16_384
"""Characters of one message or traceback; what a test or a client wrote may be endless."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def _cut(text: str) -> str:
    if len(text) <= MESSAGE_LIMIT:
        return text
    return f"{text[:MESSAGE_LIMIT]}… ({len(text) - MESSAGE_LIMIT} more characters)"


def _instant(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except (TypeError, ValueError):
        # A wrong call of the log is a defect; it must not hide what was to be said.
        text = f"{record.msg} {record.args!r}"
    return redacted(_cut(text))


def _trace(record: logging.LogRecord) -> str | None:
    if not record.exc_info or record.exc_info[0] is None:
        return None
    return redacted(_cut("".join(traceback.format_exception(*record.exc_info))))


def _further(record: logging.LogRecord) -> dict[str, Any]:
    """Return what was given as `extra`."""
    given = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    return {
        name: value if isinstance(value, int | float | bool | None) else redacted(_cut(str(value)))
        for name, value in given.items()
    }


class JsonLines(logging.Formatter):
    """One object per line: time, level, logger, message, run, task, attempt, error, extras."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; ASCII only, so nothing in it moves a cursor or breaks a line."""
        line: dict[str, Any] = {
            "time": _instant(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            **current(),
        }
        trace = _trace(record)
        if trace is not None:
            line["error"] = trace
        # What was given as `extra` never stands in the place of the above.
        line = {**line, **{n: v for n, v in _further(record).items() if n not in line}}
        return json.dumps(line, ensure_ascii=True, allow_nan=False, default=str)


class Text(logging.Formatter):
    """One line per record for people; a traceback follows in lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines; what would move the cursor is shown by its code."""
        ids = " ".join(f"{name}={value}" for name, value in current().items())
        said = _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", _message(record))
        head = f"{_instant(record)} {record.levelname.lower():7} {said}"
        line = f"{head}  [{ids}]" if ids else head
        trace = _trace(record)
        return line if trace is None else f"{line}\n{trace.rstrip()}"


def set_up_logging(section: LoggingSection, stream: TextIO | None = None) -> logging.Handler:
    """Let everything that this process logs go to `stream` (stderr) in the section's form.

    Returns the handler, which replaces all others; calling it again changes the form.
    """
    target = stream or sys.stderr
    is_text = section.format == "text" or (section.format == "auto" and target.isatty())
    handler = logging.StreamHandler(target)
    handler.setFormatter(Text() if is_text else JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(section.level.upper())
    # They talk about every request and every key at the level of ours that matters.
    for chatty in ("httpx", "httpcore", "uvicorn.access", "opentelemetry"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    return handler
