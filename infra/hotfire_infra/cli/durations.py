"""Durations as people type them: 90s, 30m, 2h, 1h30m, 1d."""

from __future__ import annotations

import re

from hotfire_infra.cli.problems import CliError

_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_FORM = re.compile(r"(?:\d+[dhms])+")


def parse_duration(text: str) -> int:
    """Return the seconds; more than nothing."""
    written = text.strip().lower()
    parts = re.findall(r"(\d+)([dhms])", written)
    seconds = sum(int(number) * _SECONDS[unit] for number, unit in parts)
    if not _FORM.fullmatch(written) or seconds <= 0:
        raise CliError(
            f"{text!r} is no duration: write 90s, 30m, 2h or 1h30m",
            next_command="hotfire run --help",
        )
    return seconds
