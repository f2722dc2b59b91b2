"""Dictionary tables: what results repeat is stored once and referred to by an integer."""

from __future__ import annotations

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hotfire_infra.store.models.base import Base, Json, Key, Name, Reason, Sha256


class Test(Base):
    """A test identifier `module/scheme/name`; all three parts are identity."""

    __tablename__ = "test"
    __table_args__ = (UniqueConstraint("module", "scheme", "name"),)

    id: Mapped[Key]
    module: Mapped[Name]
    scheme: Mapped[Name]
    name: Mapped[Name]


class Variant(Base):
    """The planned axes of results as a string map; its hash is the join key of history."""

    __tablename__ = "variant"

    id: Mapped[Key]
    hash: Mapped[Sha256] = mapped_column(unique=True)
    axes: Mapped[Json]


class Environment(Base):
    """What was observed on the machine, in canonical JSON, stored once per digest."""

    __tablename__ = "environment"

    id: Mapped[Key]
    sha256: Mapped[Sha256] = mapped_column(unique=True)
    fields: Mapped[Json]
    """Each field is a value, `{"absent": true}` or `{"unreadable": why}`; never null."""


class Message(Base):
    """A message of a test result; crashes and assertion texts repeat over hundreds of cases."""

    __tablename__ = "message"

    id: Mapped[Key]
    sha256: Mapped[Sha256] = mapped_column(unique=True)
    text: Mapped[Reason]
