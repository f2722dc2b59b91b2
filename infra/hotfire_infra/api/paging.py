"""Cursor paging: a page, and behind its last item an opaque word that leads to the next one."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from hotfire_infra.api.problems import ApiError

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=1000, description="How many items at most", examples=[100])]
Cursor = Annotated[
    str | None,
    Query(
        max_length=400,
        description="`next` of the page before; without it the list begins",
        examples=["WyJydW5zIiwxMl0"],
    ),
]


class Page(BaseModel, Generic[T]):
    """Some items of a list, in its order."""

    items: list[T]
    next: str | None = Field(
        default=None, description="Cursor of the next page; null behind the last item"
    )


def encode_cursor(name: str, *keys: int | str) -> str:
    """Return the cursor behind the item with these keys of the list `name`."""
    text = json.dumps([name, *keys], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(name: str, cursor: str | None, kinds: tuple[type, ...]) -> tuple[int | str, ...]:
    """Return the keys in a cursor of the list `name`, none without one; 400 for any other text."""
    if cursor is None:
        return ()
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        value = json.loads(base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, UnicodeError, RecursionError):
        value = None
    if not isinstance(value, list) or [type(item) for item in value] != [str, *kinds]:
        raise _refused(name, cursor)
    if value[0] != name or any(type(item) is int and abs(item) >= 1 << 63 for item in value):
        raise _refused(name, cursor)
    return tuple(value[1:])


def _refused(name: str, cursor: str) -> ApiError:
    return ApiError(
        400,
        f"{cursor!r} is no cursor of the list {name!r}",
        remedy="begin the list again without a cursor",
        kind="bad-cursor",
    )
