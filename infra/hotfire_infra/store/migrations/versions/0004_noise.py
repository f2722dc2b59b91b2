"""Add the noise of series between runs of the same code, and the way from a source to its runs.

A frozen copy of what the models added; never edit it once released, add a revision.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BIG = sa.BigInteger()
REAL: sa.Double[float] = sa.Double()
STR64 = sa.String(64)
STR1024 = sa.String(1024)

SQUARES = ("within_squares", "process_squares", "run_squares", "build_squares")
FREEDOMS = ("within_freedom", "process_freedom", "run_freedom", "build_freedom")
SIZES = ("process_size", "build_size")


def column(name: str, kind: Any, *rest: Any, null: bool = False) -> sa.Column[Any]:
    """Return a column; NULL is said aloud."""
    return sa.Column(name, kind, *rest, nullable=null)


def upgrade() -> None:
    """Go from 0003 to this revision."""
    op.create_table(
        "series_noise",
        column("series_key", STR64),
        column("metric", STR1024),
        column("environment_class", STR1024),
        column("run_id", KEY, sa.ForeignKey("run.id")),
        column("updated_ns", BIG),
        column("is_stale", sa.Boolean()),
        column("attempts", BIG),
        column("codes", BIG),
        *(column(name, REAL) for name in (*SQUARES, *SIZES)),
        *(column(name, BIG) for name in FREEDOMS),
        sa.PrimaryKeyConstraint("series_key"),
    )
    op.create_index(None, "series_noise", ["metric", "environment_class"])
    op.create_index(None, "run", ["source_stamp_id"])


def downgrade() -> None:
    """Go back to 0003."""
    op.drop_index("ix_run_source_stamp_id", table_name="run")
    op.drop_table("series_noise")
