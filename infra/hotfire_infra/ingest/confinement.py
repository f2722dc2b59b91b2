"""Names that others chose for files: only those that mean a file below one folder, on every system."""

from __future__ import annotations

import re
import unicodedata

NAME_CHARACTERS = 1000
PART_BYTES = 255
_DRIVE = re.compile(r"[A-Za-z]:")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})
"""Control, format (also those that turn the direction of text), surrogate, unassigned, separators."""


def name_problem(name: str, *, depth: int = 64) -> str | None:
    """Return why `name` is no relative path of a file, with `/` between folders; None: it is one.

    What another file system would take for something else (`\\`, `C:`, `..` followed by blanks or
    written with look-alike signs) is refused on all of them: the file may be fetched on any.
    """
    if not name or len(name) > NAME_CHARACTERS:
        return f"it has {len(name)} characters; allowed are 1 to {NAME_CHARACTERS}"
    if any(unicodedata.category(sign) in _UNSEEN for sign in name):
        return "it has a sign that cannot be seen"
    if _DRIVE.match(name):
        return "it begins with a drive"
    parts = name.split("/")
    if len(parts) > depth:
        return f"it is {len(parts)} folders deep; allowed are {depth}"
    for part in parts:
        problem = _part_problem(part)
        if problem is not None:
            return problem
    return None


def _part_problem(part: str) -> str | None:
    if not part.strip(". "):
        return f"{part!r} is no name of a file or folder"
    if len(part.encode()) > PART_BYTES:
        return f"a part of it is longer than {PART_BYTES} bytes"
    alike = unicodedata.normalize("NFKC", part)
    if "\\" in alike or "/" in alike:
        return "it has a backslash, or a sign that looks like a separator"
    if not alike.strip(". "):
        return f"{part!r} looks like a way upward"
    return None
