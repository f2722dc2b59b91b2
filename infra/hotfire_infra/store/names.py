"""How long a name may be: the same on every database, decided before a row is made.

PostgreSQL refuses a name that is longer than its column, and an index entry beyond a third of a
page; SQLite takes both. What is refused on one must not be history on the other.
"""

from __future__ import annotations

LONGEST_NAME = 1024
"""Signs: the length of a column of type `Name`."""
LONGEST_KEY_BYTES = 2_600
"""Of all texts of one key together, in UTF-8; PostgreSQL's limit for an index entry is 2,704."""
SHORT_NAME = LONGEST_KEY_BYTES // 4
"""Signs of a text that fits into a key whatever its letters."""
SHOWN = 60
"""Signs of a refused name that its problem repeats."""


def fault_of_names(what: str, *names: str) -> str | None:
    """Say why texts that form one key cannot be stored; None: they can."""
    for name in names:
        if len(name) > LONGEST_NAME:
            return (
                f"{what} {name[:SHOWN]!r}… has {len(name)} signs, at most {LONGEST_NAME} are "
                "stored; shorten it"
            )
    # Four bytes a sign at most: only long names are worth encoding.
    if sum(map(len, names)) * 4 <= LONGEST_KEY_BYTES:
        return None
    size = sum(len(name.encode("utf-8", "replace")) for name in names)
    if size <= LONGEST_KEY_BYTES:
        return None
    return (
        f"{what} {'/'.join(names)[:SHOWN]!r}… has {size} bytes, at most {LONGEST_KEY_BYTES} are "
        "stored; shorten it"
    )


def fault_of_test(identifier: str) -> str | None:
    """Say why a test cannot be stored; None: it can."""
    # Nearly all of them: short enough whatever their letters, and of three parts.
    if len(identifier) <= SHORT_NAME and identifier.count("/") >= 2:
        return None
    parts = identifier.split("/", 2)
    if len(parts) < 3:
        return f"test {identifier[:SHOWN]!r} is no identifier; write module/scheme/name"
    return fault_of_names("test", *parts)
