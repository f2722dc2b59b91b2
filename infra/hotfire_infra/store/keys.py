"""A list of composite keys as a table to join with: SQLite takes no index for `(a, b) IN (…)`.

The list is one bound value, so that the statement stays the same and is compiled once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, FromClause, cast, column, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from hotfire_infra.store.postgres import is_postgres


def key_table(connection: Connection, keys: Sequence[tuple[int, ...]], *names: str) -> FromClause:
    """Return the keys, at least one, as a table with these columns."""
    if is_postgres(connection):
        arrays = [
            cast(literal([key[place] for key in keys], ARRAY(BigInteger)), ARRAY(BigInteger))
            for place in range(len(names))
        ]
        columns: list[Any] = [column(name, BigInteger) for name in names]
        return func.unnest(*arrays).table_valued(*columns, name="wanted").render_derived()
    each = func.json_each(json.dumps(keys)).table_valued("value", name="each_key")
    return select(
        *(
            func.json_extract(each.c.value, f"$[{place}]", type_=BigInteger).label(name)
            for place, name in enumerate(names)
        )
    ).subquery("wanted")
