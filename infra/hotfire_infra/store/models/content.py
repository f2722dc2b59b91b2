"""Tables that point into the blob directory: blob, artifact, log chunk."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from hotfire_infra.store.models.base import Base, Count, Name, Sha256


class Blob(Base):
    """Content that is known to be on disk, named by its digest."""

    __tablename__ = "blob"

    sha256: Mapped[Sha256] = mapped_column(primary_key=True)
    size: Mapped[Count]
    """Bytes."""


class Artifact(Base):
    """A named output of an attempt."""

    __tablename__ = "artifact"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    name: Mapped[Name] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("blob.sha256"))
    size: Mapped[Count]
    """Bytes."""
    media_type: Mapped[Name]


class LogChunk(Base):
    """A piece of an attempt's output; pieces join up by (stream, offset) without gap or overlap."""

    __tablename__ = "log_chunk"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    stream: Mapped[Name] = mapped_column(primary_key=True)
    """`stdout` or `stderr`."""
    offset: Mapped[Count] = mapped_column(primary_key=True)
    """Byte at which the chunk begins."""
    size: Mapped[Count]
    sha256: Mapped[str] = mapped_column(ForeignKey("blob.sha256"))
