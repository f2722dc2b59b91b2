"""Addresses of pages: each thing has one, and it holds the complete state of the page."""

from __future__ import annotations

from urllib.parse import quote


def run_address(number: int) -> str:
    """Return the page of a run."""
    return f"/r/{number}"


def compare_address(before: int, after: int) -> str:
    """Return the page of two runs."""
    return f"/compare/{before}/{after}"


def cell_anchor(key: str) -> str:
    """Return the fragment of a cell on its run's page: only signs that need no escaping."""
    return "cell-" + "".join(sign if sign.isalnum() else "-" for sign in key)


def test_address(identifier: str) -> str:
    """Return the page of a test.

    A segment of dots would be folded away by the browser, so such a name travels in the query.
    """
    if any(segment in {"", ".", ".."} for segment in identifier.split("/")):
        return f"/t?id={quote(identifier, safe='')}"
    return f"/t/{quote(identifier, safe='/')}"


def series_address(key: str) -> str:
    """Return the page of a series, by a prefix of its key that people can paste."""
    return f"/p/{key[:16]}"


def test_document_address(identifier: str) -> str:
    """Return the JSON twin of a test's page; a name may itself end in `.json`, so it is a query."""
    return f"/t.json?id={quote(identifier, safe='')}"
