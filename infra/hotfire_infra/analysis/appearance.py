"""How each word of state or verdict looks: one table for the CLI, the pages and the API."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Tone(StrEnum):
    """A meaning that a terminal and a stylesheet each turn into a colour of their own."""

    GOOD = "good"
    BAD = "bad"
    TROUBLE = "trouble"
    UNSURE = "unsure"
    QUIET = "quiet"
    BUSY = "busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """A word as people read it, a symbol that needs no colour, and the tone of its colour."""

    word: str
    symbol: str
    tone: Tone


def _look(word: str, symbol: str, tone: Tone) -> Appearance:
    return Appearance(word=word, symbol=symbol, tone=tone)


# ✗ is the test saying no; ! is "we could not ask"; – is "nothing ran, and that is known".
_APPEARANCES = {
    "passed": _look("passed", "✓", Tone.GOOD),
    "failed": _look("failed", "✗", Tone.BAD),
    "flaky": _look("flaky", "~", Tone.UNSURE),
    "skipped": _look("skipped", "–", Tone.QUIET),
    "errored": _look("errored", "!", Tone.TROUBLE),
    "precluded": _look("precluded", "–", Tone.QUIET),
    "missing": _look("missing", "!", Tone.TROUBLE),
    "not_executable": _look("not executable here", "–", Tone.QUIET),
    "incomplete": _look("incomplete", "!", Tone.TROUBLE),
    "cancelled": _look("cancelled", "–", Tone.QUIET),
    "timed_out": _look("timed out", "!", Tone.TROUBLE),
    "lost": _look("lost", "!", Tone.TROUBLE),
    "preempted": _look("preempted", "!", Tone.TROUBLE),
    "undecided": _look("to come", "·", Tone.QUIET),
    "planned": _look("planned", "·", Tone.QUIET),
    "waiting": _look("waiting", "·", Tone.QUIET),
    "queued": _look("queued", "·", Tone.QUIET),
    "leased": _look("leased", "▸", Tone.BUSY),
    "started": _look("running", "▸", Tone.BUSY),
    "running": _look("running", "▸", Tone.BUSY),
    "finalizing": _look("finalizing", "▸", Tone.BUSY),
    "finalized": _look("finalized", "✓", Tone.QUIET),
    "done": _look("done", "✓", Tone.QUIET),
    "reused": _look("reused", "✓", Tone.GOOD),
    "improved": _look("improved", "✓", Tone.GOOD),
    "unchanged": _look("unchanged", "✓", Tone.GOOD),
    "regressed": _look("regressed", "✗", Tone.BAD),
    "inconclusive": _look("inconclusive", "~", Tone.UNSURE),
    "environment": _look("environment event", "~", Tone.UNSURE),
    "too_few": _look("too few runs", "·", Tone.QUIET),
    "worse": _look("worse", "✗", Tone.BAD),
    "better": _look("better", "✓", Tone.GOOD),
    "recorded": _look("recorded", "·", Tone.QUIET),
    "withdrawn": _look("withdrawn", "–", Tone.QUIET),
    "not_comparable": _look("not comparable", "–", Tone.QUIET),
}


def appearance(word: str) -> Appearance:
    """Return how `word` looks; a word this version does not know is shown as itself."""
    return _APPEARANCES.get(word) or _look(word.replace("_", " "), "?", Tone.UNSURE)


def known_words() -> frozenset[str]:
    """Return every word the table covers, so a test can hold it against the enums."""
    return frozenset(_APPEARANCES)
