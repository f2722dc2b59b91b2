"""Add what a service needs: devices, order, reuse, access, schedules, rollups.

A frozen copy of what the models added; never edit it once released, add a revision.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BIG = sa.BigInteger()
FLAG = sa.Boolean()
REAL: sa.Double[float] = sa.Double()
JSON = sa.JSON(none_as_null=True)
LONG = sa.Text()
STR = sa.String()
STR26 = sa.String(26)
STR64 = sa.String(64)
STR1024 = sa.String(1024)

PRIORITIES = ("gate", "pre-merge", "developer", "nightly", "backfill")
HEALTHS = ("good", "suspect", "bad", "maintenance", "retired")
ROLES = ("viewer", "developer", "operator", "admin")
OLD_KINDS = ("run", "cancel", "retry")
NEW_KINDS = (*OLD_KINDS, "release", "device")
"""A CHECK constraint's values: SQLite copies the table to change them."""

INDEXES = (
    ("verdict", ("run_id", "verdict", "cell_id", "test_id")),
    ("measurement", ("attempt_id",)),
    ("measurement", ("test_id", "series_key")),
    ("task", ("run_id", "id")),
    ("request", ("run_id", "id")),
    ("audit", ("outcome", "id")),
)
"""A page of a list reads about as many rows as it shows."""

MESSAGES = (("result", "message_id"), ("result", "detail_id"), ("verdict", "message_id"))
"""Who may need a message: without these its removal reads every result."""


def one_of(name: str, *values: str) -> sa.Enum:
    """Return a text column that admits only `values`."""
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=24)


def column(name: str, kind: Any, *rest: Any, null: bool = False) -> sa.Column[Any]:
    """Return a column; NULL is said aloud."""
    return sa.Column(name, kind, *rest, nullable=null)


def key_to(table: str) -> tuple[Any, ...]:
    """Return type and reference of a column that points to `table`."""
    return KEY, sa.ForeignKey(f"{table}.id")


def upgrade() -> None:
    """Bring the schema to this revision."""
    _create_devices()
    _create_operations()
    _create_access()
    _create_rollups()
    _extend_run()
    _extend_task_and_attempt()
    _change_kinds(OLD_KINDS, NEW_KINDS)
    _copy_measurements(partitioned=True)
    op.drop_index("ix_verdict_cell_id_verdict", "verdict")
    for table, columns in INDEXES:
        op.create_index(None, table, list(columns))
    for table, name in MESSAGES:
        is_there = sa.text(f"{name} IS NOT NULL")
        op.create_index(None, table, [name], sqlite_where=is_there, postgresql_where=is_there)


def _create_devices() -> None:
    op.create_table(
        "device",
        column("id", KEY),
        column("ulid", STR26),
        column("identity", STR1024),
        column("pool", STR1024),
        column("kind", STR1024),
        column("executor", STR1024),
        column("facts", JSON),
        column("health", one_of("health", *HEALTHS)),
        column("reason", LONG),
        column("changed_ns", BIG),
        column("last_seen_ns", BIG),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("ulid"),
        sa.UniqueConstraint("identity"),
    )
    op.create_index(None, "device", ["pool", "health"])
    op.create_table(
        "device_evidence",
        column("id", KEY),
        column("device_id", *key_to("device")),
        column("attempt_id", *key_to("attempt"), null=True),
        column("kind", STR1024),
        column("failure_class", STR, null=True),
        column("source", STR1024),
        column("confidence", REAL),
        column("detail", LONG),
        column("at_ns", BIG),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(None, "device_evidence", ["device_id", "id"])
    op.create_table(
        "differential",
        column("id", KEY),
        column("ulid", STR26),
        column("device_id", *key_to("device")),
        column("attempt_id", *key_to("attempt")),
        column("state", STR1024),
        column("body", JSON),
        column("conclusion", STR, null=True),
        column("created_ns", BIG),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("ulid"),
    )
    op.create_index(None, "differential", ["device_id", "id"])
    op.create_index(None, "differential", ["state"])


def _create_operations() -> None:
    op.create_table(
        "hold",
        column("id", KEY),
        column("ulid", STR26),
        column("attempt_id", *key_to("attempt")),
        column("cpus", BIG),
        column("reason", LONG),
        column("held_by", STR1024),
        column("boot_id", STR1024),
        column("until_mono_ns", BIG),
        column("until_ns", BIG),
        column("released_ns", BIG, null=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("ulid"),
        sa.UniqueConstraint("attempt_id"),
    )
    op.create_index(None, "hold", ["released_ns"])
    op.create_table(
        "schedule",
        column("name", STR1024),
        column("definition", JSON),
        column("next_ns", BIG, null=True),
        column("paused", FLAG),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "firing",
        column("id", KEY),
        column("schedule", STR1024),
        column("due", STR1024),
        column("run_id", *key_to("run"), null=True),
        column("outcome", LONG),
        column("at_ns", BIG),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("schedule", "due"),
    )
    op.create_table(
        "invalidation",
        column("id", KEY),
        column("ulid", STR26),
        column("predicate", JSON),
        column("reason", LONG),
        column("requested_by", STR1024),
        column("attempts", BIG),
        column("created_ns", BIG),
        column("withdrawn_ns", BIG, null=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("ulid"),
    )


def _create_access() -> None:
    op.create_table(
        "token",
        column("id", KEY),
        column("ulid", STR26),
        column("name", STR1024),
        column("token_sha256", STR64),
        column("role", one_of("role", *ROLES)),
        column("team", STR, null=True),
        column("created_by", STR1024),
        column("created_ns", BIG),
        column("expires_ns", BIG, null=True),
        column("revoked_ns", BIG, null=True),
        column("last_used_ns", BIG, null=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("ulid"),
        sa.UniqueConstraint("token_sha256"),
    )
    op.create_table(
        "login",
        column("id", KEY),
        column("cookie_sha256", STR64),
        column("subject", STR1024),
        column("name", STR1024),
        column("role", one_of("role", *ROLES)),
        column("created_ns", BIG),
        column("expires_ns", BIG),
        column("revoked_ns", BIG, null=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("cookie_sha256"),
    )
    op.create_table(
        "audit",
        column("id", KEY),
        column("at_ns", BIG),
        column("actor", STR1024),
        column("action", STR1024),
        column("target", STR1024),
        column("outcome", STR1024),
        column("address", STR1024),
        column("detail", JSON),
        column("run_id", *key_to("run"), null=True),
        column("reason", LONG),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(None, "audit", ["actor", "id"])


def _create_rollups() -> None:
    op.create_table(
        "measurement_month",
        column("series_key", STR64),
        column("month", BIG),
        column("points", BIG),
        column("invalid", BIG),
        column("lowest", REAL, null=True),
        column("highest", REAL, null=True),
        column("median", REAL, null=True),
        column("quantiles", JSON),
        column("seen", BIG),
        sa.PrimaryKeyConstraint("series_key", "month"),
    )
    op.create_table(
        "result_month",
        column("test_id", *key_to("test")),
        column("variant_id", *key_to("variant")),
        column("month", BIG),
        column("passed", BIG),
        column("failed", BIG),
        column("other", BIG),
        column("duration_ns", BIG),
        column("seen", BIG),
        sa.PrimaryKeyConstraint("test_id", "variant_id", "month"),
    )


def _with_default(name: str, kind: Any, default: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, server_default=default)


def _extend_run() -> None:
    with op.batch_alter_table("run") as batch:
        batch.add_column(_with_default("priority", one_of("priority", *PRIORITIES), "developer"))
        batch.add_column(_with_default("team", STR1024, "default"))
        batch.add_column(column("change", STR, null=True))
        batch.add_column(column("superseded_by_run_id", KEY, null=True))
        batch.add_column(column("merge_base", STR, null=True))
        batch.add_column(_with_default("is_trusted", FLAG, sa.true()))
        batch.add_column(_with_default("hold_seconds", BIG, "0"))
        batch.add_column(_with_default("options", JSON, "{}"))
        batch.add_column(_with_default("purpose", STR1024, "result"))
        batch.create_foreign_key(
            "fk_run_superseded_by_run_id_run", "run", ["superseded_by_run_id"], ["id"]
        )
        batch.create_index("ix_run_change_state", ["change", "state"])
        batch.create_index("ix_run_superseded_by_run_id", ["superseded_by_run_id"])


def _extend_task_and_attempt() -> None:
    with op.batch_alter_table("attempt") as batch:
        batch.add_column(column("device_id", KEY, null=True))
        batch.add_column(column("evidence", JSON, null=True))
        batch.add_column(column("observed_digest", STR, null=True))
        batch.add_column(_with_default("purpose", STR1024, "result"))
        batch.add_column(column("invalidation_id", KEY, null=True))
        batch.create_foreign_key("fk_attempt_device_id_device", "device", ["device_id"], ["id"])
        batch.create_foreign_key(
            "fk_attempt_invalidation_id_invalidation", "invalidation", ["invalidation_id"], ["id"]
        )
        batch.add_column(_with_default("cpus", BIG, "1"))
        batch.create_index("ix_attempt_ended_ns", ["ended_ns"])
        batch.create_index("ix_attempt_device_id", ["device_id"])
        batch.create_index(
            "ix_attempt_invalidation_id",
            ["invalidation_id"],
            sqlite_where=sa.text("invalidation_id IS NOT NULL"),
            postgresql_where=sa.text("invalidation_id IS NOT NULL"),
        )
    with op.batch_alter_table("task") as batch:
        batch.add_column(column("origin_attempt_id", KEY, null=True))
        batch.add_column(_with_default("pending", LONG, ""))
        batch.add_column(column("queued_ns", BIG, null=True))
        batch.add_column(column("action_digest", STR, null=True))
        batch.create_foreign_key(
            "fk_task_origin_attempt_id_attempt", "attempt", ["origin_attempt_id"], ["id"]
        )
        batch.create_index("ix_task_requested_digest", ["requested_digest"])
        batch.create_index("ix_task_action_digest", ["action_digest"])
        batch.create_index("ix_task_state", ["state"])
    with op.batch_alter_table("lock") as batch:
        batch.add_column(_with_default("fence", BIG, "0"))


def _change_kinds(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    with op.batch_alter_table("request") as batch:
        batch.alter_column(
            "kind", existing_type=one_of("kind", *before), type_=one_of("kind", *after)
        )


def _copy_measurements(*, partitioned: bool) -> None:
    """Give PostgreSQL a table with a partition per month, or take that back."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("ALTER TABLE measurement RENAME TO measurement_before")
    op.execute("ALTER TABLE measurement_before DROP CONSTRAINT pk_measurement")
    op.execute("DROP INDEX ix_measurement_series_key_month_attempt_id")
    how = " PARTITION BY RANGE (month)" if partitioned else ""
    op.execute(f"CREATE TABLE measurement (LIKE measurement_before INCLUDING DEFAULTS){how}")
    op.create_primary_key("pk_measurement", "measurement", ["month", "attempt_id", "seq"])
    for other in ("attempt", "test", "variant"):
        op.create_foreign_key(
            f"fk_measurement_{other}_id_{other}", "measurement", other, [f"{other}_id"], ["id"]
        )
    op.create_index(
        "ix_measurement_series_key_month_attempt_id",
        "measurement",
        ["series_key", "month", "attempt_id"],
    )
    if partitioned:
        op.execute("CREATE TABLE measurement_default PARTITION OF measurement DEFAULT")
        months = op.get_bind().execute(sa.text("SELECT DISTINCT month FROM measurement_before"))
        for month in months.scalars().all():
            op.execute(
                f"CREATE TABLE measurement_{month:06d} PARTITION OF measurement"
                f" FOR VALUES FROM ({month:d}) TO ({month + 1:d})"
            )
    op.execute("INSERT INTO measurement SELECT * FROM measurement_before")
    op.execute("DROP TABLE measurement_before")


def downgrade() -> None:
    """Take the schema back to the revision before."""
    for table, name in MESSAGES:
        op.drop_index(f"ix_{table}_{name}", table)
    for table, columns in INDEXES:
        op.drop_index(f"ix_{table}_{'_'.join(columns)}", table)
    op.create_index("ix_verdict_cell_id_verdict", "verdict", ["cell_id", "verdict"])
    _copy_measurements(partitioned=False)
    op.execute(sa.text("DELETE FROM request WHERE kind IN ('release', 'device')"))
    _change_kinds(NEW_KINDS, OLD_KINDS)
    with op.batch_alter_table("lock") as batch:
        batch.drop_column("fence")
    with op.batch_alter_table("task") as batch:
        batch.drop_index("ix_task_state")
        batch.drop_index("ix_task_action_digest")
        batch.drop_index("ix_task_requested_digest")
        batch.drop_constraint("fk_task_origin_attempt_id_attempt", type_="foreignkey")
        batch.drop_column("action_digest")
        batch.drop_column("queued_ns")
        batch.drop_column("pending")
        batch.drop_column("origin_attempt_id")
    with op.batch_alter_table("attempt") as batch:
        batch.drop_index("ix_attempt_invalidation_id")
        batch.drop_index("ix_attempt_device_id")
        batch.drop_index("ix_attempt_ended_ns")
        batch.drop_column("cpus")
        batch.drop_constraint("fk_attempt_invalidation_id_invalidation", type_="foreignkey")
        batch.drop_constraint("fk_attempt_device_id_device", type_="foreignkey")
        for name in ("invalidation_id", "purpose", "observed_digest", "evidence", "device_id"):
            batch.drop_column(name)
    with op.batch_alter_table("run") as batch:
        batch.drop_index("ix_run_superseded_by_run_id")
        batch.drop_index("ix_run_change_state")
        batch.drop_constraint("fk_run_superseded_by_run_id_run", type_="foreignkey")
        batch.drop_constraint(op.f("ck_run_priority"), type_="check")
        for name in (
            "purpose", "options", "hold_seconds", "is_trusted", "merge_base", "superseded_by_run_id",
            "change", "team", "priority",
        ):  # fmt: skip
            batch.drop_column(name)
    for name in (
        "result_month", "measurement_month", "audit", "login", "token", "firing", "schedule",
        "hold", "differential", "device_evidence", "invalidation", "device",
    ):  # fmt: skip
        op.drop_table(name)
