"""ULIDs: 26 characters that sort by time, the identity of runs, tasks and attempts outside the store."""

from __future__ import annotations

import re
import secrets
import time
from typing import NewType

from hotfire_testframework.errors import IdentifierError

Ulid = NewType("Ulid", str)

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_FORM = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


def new_ulid(*, time_ms: int | None = None, randomness: int | None = None) -> Ulid:
    """Return a fresh ULID: 48 bits of Unix milliseconds, then 80 random bits."""
    moment = time.time_ns() // 1_000_000 if time_ms is None else time_ms
    noise = secrets.randbits(80) if randomness is None else randomness
    if not 0 <= moment < 1 << 48 or not 0 <= noise < 1 << 80:
        raise IdentifierError(f"ULID parts out of range: time_ms={moment}, randomness={noise}")
    number = moment << 80 | noise
    return Ulid("".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5)))


def parse_ulid(text: str) -> Ulid:
    """Return the text as a ULID; lower case is refused, so that one attempt has one spelling."""
    if not _FORM.fullmatch(text):
        raise IdentifierError(
            f"{text!r} is no ULID: 26 characters of {ALPHABET}, the first at most 7"
        )
    return Ulid(text)


def ulid_time_ms(ulid: Ulid) -> int:
    """Return the Unix milliseconds in a ULID."""
    value = 0
    for character in ulid[:10]:
        value = value * 32 + ALPHABET.index(character)
    return value
