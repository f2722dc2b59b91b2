"""Base of all tables: constraint names, column aliases, closed sets."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from sqlalchemy import BigInteger, Enum, Integer, LargeBinary, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import JSON

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

# SQLite makes a rowid alias only of INTEGER; PostgreSQL wants the wide type.
_KEY = BigInteger().with_variant(Integer, "sqlite")

Key = Annotated[int, mapped_column(_KEY, primary_key=True, autoincrement=True)]
"""An integer surrogate; never leaves the store."""
Ulid = Annotated[str, mapped_column(String(26), unique=True)]
"""The id that people and other programs see."""
Sha256 = Annotated[str, mapped_column(String(64))]
"""Lower-case hexadecimal digest."""
Name = Annotated[str, mapped_column(String(1024))]
"""Short text that people read."""
Reason = Annotated[str, mapped_column(Text)]
"""One or two sentences for people."""
Nanoseconds = Annotated[int, mapped_column(BigInteger)]
"""A duration, or a point in time since 1970 (`…_ns`) or since boot (`…_mono_ns`)."""
Count = Annotated[int, mapped_column(BigInteger)]
"""A number of things, or a size in bytes."""
Json = Annotated[Any, mapped_column(JSON(none_as_null=True))]
"""Structure that is read whole and never queried."""
Bytes = Annotated[bytes, mapped_column(LargeBinary)]
"""Small binary content (bitmaps); logs and artifacts are blobs, never rows."""


class Base(DeclarativeBase):
    """All tables are singular nouns of DESIGN's vocabulary."""

    metadata = MetaData(naming_convention=NAMES)


def closed(values: type[StrEnum] | type[Any], name: str) -> Enum:
    """Return a column type that admits only the values of an enum, checked by the database too."""
    return Enum(
        values,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=24,
        values_callable=lambda enum: [member.value for member in enum],
    )
