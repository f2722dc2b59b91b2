"""Add what the statistics remember: the state of each series, its points and its changes.

A frozen copy of what the models added; never edit it once released, add a revision.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BIG = sa.BigInteger()
REAL: sa.Double[float] = sa.Double()
JSON = sa.JSON(none_as_null=True)
LONG = sa.Text()
STR = sa.String()
STR26 = sa.String(26)
STR64 = sa.String(64)
STR1024 = sa.String(1024)

CHANGES = ("series_change", "series_point", "series_state")
QUALITY = ("kernel_error", "detector_check")
DECISIONS = ("quarantine", "acceptance", "confirmation")
"""In the order in which they may be dropped."""


def column(name: str, kind: Any, *rest: Any, null: bool = False) -> sa.Column[Any]:
    """Return a column; NULL is said aloud."""
    return sa.Column(name, kind, *rest, nullable=null)


def key_to(table: str) -> tuple[Any, ...]:
    """Return type and reference of a column that points to `table`."""
    return KEY, sa.ForeignKey(f"{table}.id")


def upgrade() -> None:
    """Go from 0002 to this revision."""
    # For a day main made these tables under the name 0002: what it wrote is kept as it is.
    if not sa.inspect(op.get_bind()).has_table("series_state"):
        _create_changes()
    op.add_column("series_change", column("operators", STR, null=True))
    _create_decisions()
    _create_quality()


def _create_changes() -> None:
    op.create_table(
        "series_state",
        column("series_key", STR64),
        column("version", BIG),
        column("run_id", *key_to("run")),
        column("points", BIG),
        column("state", JSON),
        sa.PrimaryKeyConstraint("series_key"),
    )
    op.create_table(
        "series_point",
        column("series_key", STR64),
        column("run_id", *key_to("run")),
        column("position", BIG, null=True),
        column("reason", LONG),
        sa.PrimaryKeyConstraint("series_key", "run_id"),
    )
    op.create_index(None, "series_point", ["series_key", "position"])
    op.create_table(
        "series_change",
        column("id", KEY),
        column("ulid", STR26),
        column("series_key", STR64),
        column("test_id", *key_to("test")),
        column("variant_id", *key_to("variant")),
        column("metric", STR1024),
        column("kind", STR1024),
        column("position", BIG, null=True),
        column("run_id", *key_to("run")),
        column("after_run_id", *key_to("run"), null=True),
        column("until_run_id", *key_to("run")),
        column("before", REAL),
        column("after", REAL),
        column("confidence", REAL),
        column("effect", REAL, null=True),
        column("direction", STR1024),
        column("state", STR1024),
        column("reason", LONG),
        column("cause", STR, null=True),
        column("noticed_run_id", *key_to("run")),
        column("withdrawn_run_id", *key_to("run"), null=True),
        column("label", STR, null=True),
        column("labelled_by", STR, null=True),
        column("labelled_ns", BIG, null=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("ulid"),
    )
    op.create_index(None, "series_change", ["series_key", "id"])
    for name in ("noticed_run_id", "withdrawn_run_id", "cause"):
        op.create_index(None, "series_change", [name])


def _create_decisions() -> None:
    op.create_table(
        "confirmation",
        column("id", KEY),
        column("ulid", STR26),
        column("run_id", *key_to("run")),
        column("change_id", *key_to("series_change"), null=True),
        column("state", STR1024),
        column("answer", STR, null=True),
        column("reason", LONG),
        column("budget_seconds", BIG),
        column("body", JSON),
        column("result", JSON, null=True),
        column("requested_by", STR1024),
        column("created_ns", BIG),
        column("decided_ns", BIG, null=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("ulid"),
    )
    for name in ("change_id", "run_id", "state"):
        op.create_index(None, "confirmation", [name])
    op.create_table(
        "acceptance",
        column("id", KEY),
        column("series_key", STR64),
        column("change_id", *key_to("series_change")),
        column("run_id", *key_to("run")),
        column("until_run_id", *key_to("run")),
        column("reason", LONG),
        column("accepted_by", STR1024),
        column("accepted_ns", BIG),
        column("withdrawn_ns", BIG, null=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(None, "acceptance", ["series_key", "id"])
    op.create_index(None, "acceptance", ["change_id"])
    op.create_table(
        "quarantine",
        column("id", KEY),
        column("ulid", STR26),
        column("test_id", *key_to("test")),
        column("variant_id", *key_to("variant")),
        column("state", STR1024),
        column("owner", STR1024),
        column("bug", STR1024),
        column("reason", LONG),
        column("signatures", JSON),
        column("limit_rate", REAL),
        column("confidence", REAL),
        column("since_ns", BIG),
        column("expires_ns", BIG),
        column("requested_by", STR1024),
        column("created_ns", BIG),
        column("ended_ns", BIG, null=True),
        column("ended_reason", LONG),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("ulid"),
    )
    op.create_index(None, "quarantine", ["test_id", "variant_id"])
    op.create_index(None, "quarantine", ["state"])


def _create_quality() -> None:
    op.create_table(
        "kernel_error",
        column("run_id", *key_to("run")),
        column("kernel", STR1024),
        column("dtype", STR1024),
        column("shape", STR1024),
        column("arch", STR1024),
        column("cases", BIG),
        column("ulp", JSON),
        column("relative", JSON),
        column("over_bound", REAL),
        column("ulp_level", REAL),
        column("relative_level", REAL),
        sa.PrimaryKeyConstraint("run_id", "kernel", "dtype", "shape", "arch"),
    )
    op.create_index(None, "kernel_error", ["kernel", "run_id"])
    op.create_table(
        "detector_check",
        column("id", KEY),
        column("ulid", STR26),
        column("checked_ns", BIG),
        column("seed", BIG),
        column("series", BIG),
        column("body", JSON),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("ulid"),
    )


def downgrade() -> None:
    """Go back to 0002."""
    for name in (*QUALITY, *DECISIONS, *CHANGES):
        op.drop_table(name)
