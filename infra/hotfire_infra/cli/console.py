"""Where text goes: data to stdout, progress to stderr, colour only where it is wanted."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

from hotfire_infra.analysis.appearance import Appearance, Tone
from hotfire_infra.cli.problems import Problem

_ANSI = {
    Tone.GOOD: "32",
    Tone.BAD: "31;1",
    Tone.TROUBLE: "35;1",
    Tone.UNSURE: "33",
    Tone.QUIET: "2",
    Tone.BUSY: "34",
}


@dataclass(slots=True)
class _Choice:
    """What `--color` said; one value per process."""

    colour: str = "auto"


_choice = _Choice()


def choose_colour(colour: str) -> None:
    """Remember what `--color` said."""
    _choice.colour = colour


def use_colour(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Decide on colour: the flag, then NO_COLOR and CLICOLOR_FORCE, then what the stream is."""
    if _choice.colour != "auto":
        return _choice.colour == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("CLICOLOR_FORCE", "0") != "0":
        return True
    return is_terminal(stream, environ)


def is_terminal(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether a person looks at the stream through something that can move a cursor."""
    return stream.isatty() and environ.get("TERM") != "dumb"


def paint(text: str, tone: Tone, stream: TextIO) -> str:
    """Colour a text for a stream, or leave it as it is; the symbol beside it says the same."""
    return f"\x1b[{_ANSI[tone]}m{text}\x1b[0m" if use_colour(stream) else text


def symbol(look: Appearance, stream: TextIO) -> str:
    """Return the symbol of a state, coloured."""
    return paint(look.symbol, look.tone, stream)


_OURS = "|".join(re.escape(f"\x1b[{code}m") for code in (*_ANSI.values(), "0"))
_CONTROL = re.compile(
    rf"({_OURS})|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def harmless(text: str) -> str:
    """Show what would move the cursor, clear the screen or turn text round; it comes from tests."""
    return _CONTROL.sub(lambda found: found[1] or f"\\u{ord(found[0]):04x}", text)


def data(text: str) -> None:
    """Print a result on stdout."""
    print(harmless(text), flush=True)


def progress(text: str) -> None:
    """Print progress on stderr; away from a terminal every line begins with its time."""
    stamp = "" if is_terminal(sys.stderr) else f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} "
    print(stamp + harmless(text), file=sys.stderr, flush=True)


def report_problem(problem: Problem) -> int:
    """Print what is wrong and what to type next; return the exit code."""
    print(f"{paint('error:', Tone.BAD, sys.stderr)} {harmless(problem.message)}", file=sys.stderr)
    print(f"next:  {harmless(problem.next_command)}", file=sys.stderr, flush=True)
    return int(problem.code)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: frozenset[int]) -> str:
    """Lay out a table in aligned columns; away from a terminal it is tab-separated and whole.

    `numbers` are the columns that align right. Only the last column is cut to the terminal.
    """
    lines = [list(header), *(list(row) for row in rows)]
    if not is_terminal(sys.stdout):
        return "\n".join("\t".join(line) for line in lines)
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    room = shutil.get_terminal_size().columns
    aligned = [
        "  ".join(
            cell.rjust(width) if i in numbers else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join(line if len(line) <= room else line[: room - 1] + "…" for line in aligned)
