"""A list of composite keys as a table to join with: SQLite takes no index for `(a, b) IN (…)`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import CTE, BigInteger, column, values


def key_table(keys: Sequence[tuple[int, ...]], *names: str) -> CTE:
    """Return the keys, at least one, as a table with these columns."""
    columns = [column(name, BigInteger) for name in names]
    return values(*columns, name="wanted").data(list(keys)).cte("wanted")
