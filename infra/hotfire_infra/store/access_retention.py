"""Lines of the audit log and sessions that are older than they are kept: they name people."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select

from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Audit, Base, Login

ROWS_AT_ONCE = 1_000
"""In one transaction: other writers wait milliseconds."""
ACCESS_TABLES: tuple[type[Base], ...] = (Audit, Login)


def _is_old(model: type[Base], before_ns: int) -> ColumnElement[bool]:
    if model is Audit:
        return Audit.at_ns < before_ns
    # A session goes once nobody can use it any more, whenever it began.
    return or_(Login.expires_ns < before_ns, Login.revoked_ns < before_ns)


def count_old(connection: Connection, model: type[Base], before_ns: int, width: Any) -> Any:
    """Return (rows, bytes) of a table that are older; `width`: the bytes of a row."""
    figures = select(func.count(), func.coalesce(func.sum(width), 0)).select_from(model.__table__)
    return connection.execute(figures.where(_is_old(model, before_ns))).one()


def remove_old(store: Store, before_ns: int) -> int:
    """Take them away, in short transactions; return how many rows went."""
    count = 0
    for model in ACCESS_TABLES:
        key = model.__table__.c.id
        old = select(key).where(_is_old(model, before_ns)).order_by(key).limit(ROWS_AT_ONCE)
        while True:
            with store.writing() as connection:
                keys = connection.execute(old).scalars().all()
                connection.execute(delete(model).where(key.in_(keys)))
            count += len(keys)
            if len(keys) < ROWS_AT_ONCE:
                break
    return count
