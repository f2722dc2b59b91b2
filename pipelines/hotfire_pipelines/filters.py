"""Path patterns with the meaning of GitHub Actions' `paths:` filters."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

MAXIMUM_SIGNS = 200
_QUANTIFIERS = "?+"


def matches(patterns: Sequence[str], path: str) -> bool:
    """Whether a path, from the root of the source, fits the list.

    The last pattern that fits decides; one that begins with `!` takes out what an earlier one took
    in. Raises ValueError for a pattern that means nothing.
    """
    found = False
    for pattern in patterns:
        is_exception = pattern.startswith("!")
        if _compiled(pattern.removeprefix("!")).fullmatch(path):
            found = not is_exception
    return found


def check(patterns: Sequence[str]) -> None:
    """Refuse, by ValueError, patterns that can never mean what their author wants."""
    for pattern in patterns:
        _compiled(pattern.removeprefix("!"))
    if patterns and all(pattern.startswith("!") for pattern in patterns):
        raise ValueError(f"{patterns[0]!r} takes out of nothing: a pattern without ! comes before")


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Translate: `*` stays in one folder, `**` does not, `?` and `+` repeat the sign before."""
    if not pattern or len(pattern) > MAXIMUM_SIGNS:
        raise ValueError(f"a pattern has 1 to {MAXIMUM_SIGNS} signs")
    if pattern.startswith(("/", "./", "../")):
        raise ValueError(f"{pattern!r}: paths start at the root of the source, without / or ./")
    if pattern.endswith("/"):
        raise ValueError(f"{pattern!r} is a folder, and only files change: write {pattern}**")
    parts: list[str] = []
    at, is_atom = 0, False
    while at < len(pattern):
        part, at, is_atom = _part(pattern, at, is_atom=is_atom)
        parts.append(part)
    return re.compile("".join(parts), re.DOTALL)


def _part(pattern: str, at: int, *, is_atom: bool) -> tuple[str, int, bool]:
    """Return one piece as a regular expression, where the next begins, and whether it can repeat."""
    sign = pattern[at]
    if pattern.startswith("**/", at) and (at == 0 or pattern[at - 1] == "/"):
        return "(?:.*/)?", at + 3, False
    if pattern.startswith("**", at):
        return ".*", at + 2, False
    if sign == "*":
        return "[^/]*", at + 1, False
    if sign in _QUANTIFIERS:
        if not is_atom:
            raise ValueError(f"{pattern!r}: nothing stands before {sign!r} that it could repeat")
        return sign, at + 1, False
    if sign == "[":
        end = pattern.find("]", at + 1)
        inside = pattern[at + 1 : end]
        if end < 0 or not re.fullmatch(r"(?:[A-Za-z0-9_.](?:-[A-Za-z0-9_.])?)+", inside):
            raise ValueError(f"{pattern!r}: [ ] holds letters, digits and ranges such as [0-9a-f]")
        try:
            re.compile(f"[{inside}]")
        except re.error:
            raise ValueError(f"{pattern!r}: [{inside}] is a range that runs backwards") from None
        return f"[{inside}]", end + 1, True
    if sign == "\\" and at + 1 < len(pattern):
        return re.escape(pattern[at + 1]), at + 2, True
    return re.escape(sign), at + 1, True
