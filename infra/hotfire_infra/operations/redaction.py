"""Secrets never reach a log: what looks like one is replaced before a line is written."""

from __future__ import annotations

import re

SHOWN = "[redacted]"

_PATTERNS = (
    # Our tokens; cookies and tokens of attempts are as long and come after their names.
    re.compile(r"\bhf_[A-Za-z0-9_-]{16,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),
    re.compile(r"(?i)(?<=bearer )[A-Za-z0-9._~+/=-]+"),
    re.compile(r"(?i)(?<=basic )[A-Za-z0-9+/=]{8,}"),
    re.compile(r"(?i)(?<=hotfire_login=)[^;\s\"']+"),
    re.compile(r"(?i)(?<=hotfire_sign_in=)[^;\s\"']+"),
    re.compile(r"(?<=://)[^/@\s:]*:[^/@\s]+(?=@)"),
    re.compile(
        r"(?i)(?<![a-z])((?:client_)?secret|password|passwd|code_verifier|id_token|access_token)"
        r"(['\"]?\s*[=:]\s*['\"]?)[^\s'\",;&}]+"
    ),
)
_NAMED = _PATTERNS[-1]
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)


def redacted(text: str) -> str:
    """Return the text without what looks like a secret."""
    text = _PRIVATE_KEY.sub(SHOWN, text)
    for pattern in _PATTERNS[:-1]:
        text = pattern.sub(SHOWN, text)
    return _NAMED.sub(lambda found: f"{found[1]}{found[2]}{SHOWN}", text)
