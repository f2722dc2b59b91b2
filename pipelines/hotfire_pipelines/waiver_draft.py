"""Drafts a waiver file from an imported list; what the list does not say is left open.

An open key has no value, and a file with one is refused: nothing that was imported waives before a
person has named owner, signature and end.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import date

from hotfire_pipelines.waivers import SCHEMA
from hotfire_pipelines.waives_txt import ImportedWaiver, WaiveList
from hotfire_testframework.contract.identifiers import pytest_test_id

OPEN = "# OPEN:"
_ASKED = {
    "owner": "who answers for it",
    "signature": "regular expression that the failure's message contains",
    "expires": "last day, at most 90 days after `created`",
}


def draft(found: WaiveList, today: date) -> str:
    """Return a waiver file as text, one entry for each of the list's, findings as comments."""
    said: dict[int, list[str]] = defaultdict(list)
    for finding in found.findings:
        said[finding.line].append(f"{finding.kind}: {finding.message}")
    entries = {waiver.line for waiver in found.waivers}
    lines = [f"# Drafted from a list of {len(found.waivers)} waivers; it is refused while a key"]
    lines.append(f"# marked `{OPEN}` has no value.")
    for line in sorted(set(said) - entries):
        lines += [f"# Line {line} is left out: {text}" for text in said[line]]
    lines += [f"schema: {SCHEMA}", "waivers:" if found.waivers else "waivers: []"]
    for waiver in found.waivers:
        lines += _entry(waiver, said.get(waiver.line, ()), today)
    return "\n".join(lines) + "\n"


def _entry(waiver: ImportedWaiver, findings: list[str] | tuple[()], today: date) -> list[str]:
    lines = [f"  # Line {waiver.line}, {waiver.mark}", *(f"  # {text}" for text in findings)]
    test = _pattern(waiver.test)
    lines.append(
        f"  - test: {_quoted(test)}" if test else f"  - test: {OPEN} pattern for {waiver.test!r}"
    )
    if waiver.scope is not None:
        lines.append(f"    variant: {OPEN} axes of {waiver.scope!r}, as {{platform: …}}")
    lines.append(f"    owner: {OPEN} {_ASKED['owner']}")
    bugs = ", ".join(waiver.bugs)
    lines.append(f"    bug: {_quoted(bugs) if bugs else f'{OPEN} where it is worked on'}")
    reason = waiver.reason
    lines.append(f"    reason: {_quoted(reason) if reason else f'{OPEN} why it does not block'}")
    lines.append(f"    signature: {OPEN} {_ASKED['signature']}")
    lines.append(f"    created: {today}")
    lines.append(f"    expires: {OPEN} {_ASKED['expires']}")
    return lines


def _pattern(test: str) -> str | None:
    """Return the identifiers that an entry means; None where a selection names no tests."""
    if re.search(r"[\s,]", re.sub(r"\[[^\]]*\]", "", test)):
        return None
    if "::" in test:
        return str(pytest_test_id(test))
    if test.endswith(".py"):
        return str(pytest_test_id(f"{test}::*"))
    module = pytest_test_id(f"{test.rstrip('/')}::*").module
    return f"{module}.*/pytest/*"


def _quoted(text: str) -> str:
    # A JSON string is a YAML scalar in double quotes.
    return json.dumps(text, ensure_ascii=False)
