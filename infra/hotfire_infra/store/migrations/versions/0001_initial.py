"""Create the tables of the first release.

A frozen copy of the models of that day; never edit it once released, add a revision.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from hotfire_infra.store.models.base import NAMES

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

metadata = sa.MetaData(naming_convention=NAMES)

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BIG = sa.BigInteger()
FLAG = sa.Boolean()
REAL: sa.Double[float] = sa.Double()
BYTES = sa.LargeBinary()
JSON = sa.JSON(none_as_null=True)
LONG = sa.Text()
STR = sa.String()
STR26 = sa.String(26)
STR64 = sa.String(64)
STR1024 = sa.String(1024)


def one_of(name: str, *values: str) -> sa.Enum:
    """Return a text column that admits only `values`."""
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=24)


def column(name: str, kind: Any, *rest: Any, null: bool = False) -> sa.Column[Any]:
    """Return a column; NULL is said aloud."""
    return sa.Column(name, kind, *rest, nullable=null)


def table(name: str, *parts: Any) -> None:
    """Add a table to the frozen schema."""
    sa.Table(name, metadata, *parts)


TASK_STATES = ("waiting", "queued", "running", "done")
RESOLUTIONS = ("reused", "precluded", "not_executable", "cancelled")


table(
    "blob",
    column("sha256", STR64),
    column("size", BIG),
    sa.PrimaryKeyConstraint("sha256"),
)
table(
    "environment",
    column("id", KEY),
    column("sha256", STR64),
    column("fields", JSON),
    sa.PrimaryKeyConstraint("id"),
    sa.UniqueConstraint("sha256"),
)
table(
    "history",
    column("id", KEY),
    column("entity", STR1024),
    column("entity_id", BIG),
    column("from_state", STR, null=True),
    column("to_state", STR),
    column("reason", LONG),
    column("at_ns", BIG),
    column("by", STR1024),
    sa.PrimaryKeyConstraint("id"),
    sa.Index(None, "entity", "entity_id"),
)
table(
    "inventory",
    column("digest", STR64),
    column("sha256", STR64),
    column("tests", BIG),
    sa.PrimaryKeyConstraint("digest"),
)
table(
    "lock",
    column("name", STR1024),
    column("holder", STR),
    column("boot_id", STR1024),
    column("mono_ns", BIG),
    column("info", JSON),
    sa.PrimaryKeyConstraint("name"),
)
table(
    "message",
    column("id", KEY),
    column("sha256", STR64),
    column("text", LONG),
    sa.PrimaryKeyConstraint("id"),
    sa.UniqueConstraint("sha256"),
)
table(
    "source_stamp",
    column("id", KEY),
    column("repository", STR1024),
    column("revision", STR1024),
    column("patch_digest", STR),
    column("archive_sha256", STR, null=True),
    column("subject", LONG),
    sa.PrimaryKeyConstraint("id"),
    sa.UniqueConstraint("repository", "revision", "patch_digest"),
)
table(
    "test",
    column("id", KEY),
    column("module", STR1024),
    column("scheme", STR1024),
    column("name", STR1024),
    sa.PrimaryKeyConstraint("id"),
    sa.UniqueConstraint("module", "scheme", "name"),
)
table(
    "variant",
    column("id", KEY),
    column("hash", STR64),
    column("axes", JSON),
    sa.PrimaryKeyConstraint("id"),
    sa.UniqueConstraint("hash"),
)
table(
    "run",
    column("id", KEY),
    column("ulid", STR26),
    column("number", BIG),
    column("pipeline", STR1024),
    column("source_stamp_id", KEY, sa.ForeignKey("source_stamp.id")),
    column("plan_digest", STR64),
    column("plan_sha256", STR64),
    column("state", one_of("state", "planned", "running", "finalizing", "finalized", "cancelled")),
    column(
        "verdict",
        one_of("verdict", "passed", "failed", "errored", "incomplete", "cancelled"),
        null=True,
    ),
    column("reason", LONG),
    column("headline", LONG),
    column("parent_run_id", KEY, sa.ForeignKey("run.id"), null=True),
    column("requested_by", STR1024),
    column("created_ns", BIG),
    column("started_ns", BIG, null=True),
    column("finalized_ns", BIG, null=True),
    column("cancel_requested_ns", BIG, null=True),
    sa.PrimaryKeyConstraint("id"),
    sa.UniqueConstraint("number"),
    sa.UniqueConstraint("ulid"),
    sa.Index(None, "pipeline", "id"),
    sa.Index(None, "state"),
)
table(
    "cell",
    column("id", KEY),
    column("run_id", KEY, sa.ForeignKey("run.id")),
    column("key", STR1024),
    column("task", STR1024),
    column("platform", STR1024),
    column("variant_id", KEY, sa.ForeignKey("variant.id")),
    column("required", STR1024),
    column("requires", JSON),
    column("inventory_digest", STR, null=True),
    column("left_out", BIG),
    column("state", one_of("state", *TASK_STATES, *RESOLUTIONS)),
    column("verdict", STR, null=True),
    column("reason", LONG),
    column("failure_class", STR, null=True),
    sa.PrimaryKeyConstraint("id"),
    sa.UniqueConstraint("run_id", "key"),
)
table(
    "comparison",
    column("run_id", KEY, sa.ForeignKey("run.id")),
    column("series_key", STR64),
    column("test_id", KEY, sa.ForeignKey("test.id")),
    column("variant_id", KEY, sa.ForeignKey("variant.id")),
    column("metric", STR1024),
    column("outcome", STR1024),
    column("estimate", REAL, null=True),
    column("low", REAL, null=True),
    column("high", REAL, null=True),
    column("baseline_points", BIG),
    column("reason", LONG),
    column("body", JSON),
    sa.PrimaryKeyConstraint("run_id", "series_key"),
)
table(
    "exoneration",
    column("id", KEY),
    column("run_id", KEY, sa.ForeignKey("run.id")),
    column("test_id", KEY, sa.ForeignKey("test.id"), null=True),
    column("variant_id", KEY, sa.ForeignKey("variant.id"), null=True),
    column("kind", STR1024),
    column("reason", LONG),
    column("evidence", JSON),
    column("created_ns", BIG),
    sa.PrimaryKeyConstraint("id"),
    sa.Index(None, "run_id"),
)
table(
    "finding",
    column("id", KEY),
    column("run_id", KEY, sa.ForeignKey("run.id")),
    column("kind", STR1024),
    column("text", LONG),
    column("body", JSON),
    sa.PrimaryKeyConstraint("id"),
    sa.Index(None, "run_id"),
)
table(
    "outbox",
    column("id", KEY),
    column("topic", STR1024),
    column("run_id", KEY, sa.ForeignKey("run.id"), null=True),
    column("payload", JSON),
    column("created_ns", BIG),
    column("delivered_ns", BIG, null=True),
    sa.PrimaryKeyConstraint("id"),
    sa.Index(None, "run_id"),
)
table(
    "recorded_inventory",
    column("pipeline", STR1024),
    column("cell_key", STR1024),
    column("digest", STR64, sa.ForeignKey("inventory.digest")),
    column("run_id", KEY, sa.ForeignKey("run.id")),
    sa.PrimaryKeyConstraint("pipeline", "cell_key"),
)
table(
    "request",
    column("id", KEY),
    column("ulid", STR26),
    column("kind", one_of("kind", "run", "cancel", "retry")),
    column("run_id", KEY, sa.ForeignKey("run.id"), null=True),
    column("payload", JSON),
    column("state", one_of("state", "open", "done", "refused")),
    column("reason", LONG),
    column("requested_by", STR1024),
    column("created_ns", BIG),
    sa.PrimaryKeyConstraint("id"),
    sa.UniqueConstraint("ulid"),
    sa.Index(None, "state"),
)
table(
    "task",
    column("id", KEY),
    column("run_id", KEY, sa.ForeignKey("run.id")),
    column("cell_id", KEY, sa.ForeignKey("cell.id")),
    column("key", STR1024),
    column("shard", BIG),
    column("shards", BIG),
    column("spec", JSON),
    column("requested_digest", STR),
    column("state", one_of("state", *TASK_STATES, *RESOLUTIONS)),
    column("resolution", one_of("resolution", *TASK_STATES, *RESOLUTIONS), null=True),
    column("reason", LONG),
    sa.PrimaryKeyConstraint("id"),
    sa.UniqueConstraint("run_id", "key"),
    sa.Index(None, "cell_id"),
)
table(
    "attempt",
    column("id", KEY),
    column("ulid", STR26),
    column("task_id", KEY, sa.ForeignKey("task.id")),
    column("number", BIG),
    column(
        "state",
        one_of(
            "state",
            "leased",
            "started",
            "passed",
            "failed",
            "errored",
            "timed_out",
            "lost",
            "preempted",
            "cancelled",
        ),
    ),
    column("reason", LONG),
    column("failure_class", STR, null=True),
    column("failure_source", STR, null=True),
    column("confidence", REAL, null=True),
    column("executor", STR1024),
    column("pool", STR1024),
    column("holder", STR, null=True),
    column("fence", BIG),
    column("token_sha256", STR64),
    column("boot_id", STR1024),
    column("lease_expires_mono_ns", BIG),
    column("exit_code", sa.Integer(), null=True),
    column("created_ns", BIG),
    column("started_ns", BIG, null=True),
    column("ended_ns", BIG, null=True),
    column("acked_seq", BIG),
    column("acked_bytes", BIG),
    column("in_flight", JSON),
    column("environment_id", KEY, sa.ForeignKey("environment.id"), null=True),
    sa.PrimaryKeyConstraint("id"),
    sa.UniqueConstraint("task_id", "number"),
    sa.UniqueConstraint("ulid"),
    sa.Index(None, "state"),
)
table(
    "edge",
    column("run_id", KEY, sa.ForeignKey("run.id")),
    column("from_task_id", KEY, sa.ForeignKey("task.id")),
    column("to_task_id", KEY, sa.ForeignKey("task.id")),
    column("kind", STR),
    sa.PrimaryKeyConstraint("run_id", "from_task_id", "to_task_id", "kind"),
)
table(
    "accuracy_sample",
    column("attempt_id", KEY, sa.ForeignKey("attempt.id")),
    column("seq", BIG),
    column("test_id", KEY, sa.ForeignKey("test.id"), null=True),
    column("variant_id", KEY, sa.ForeignKey("variant.id")),
    column("task", STR1024),
    column("dataset", STR),
    column("item", STR1024),
    column("prompt", STR),
    column("decode_seed", BIG),
    column("outcome", STR1024),
    column("score", REAL, null=True),
    column("blob", STR, null=True),
    sa.PrimaryKeyConstraint("attempt_id", "seq"),
    sa.Index(None, "task", "dataset", "item"),
)
table(
    "artifact",
    column("attempt_id", KEY, sa.ForeignKey("attempt.id")),
    column("name", STR1024),
    column("sha256", STR64, sa.ForeignKey("blob.sha256")),
    column("size", BIG),
    column("media_type", STR1024),
    sa.PrimaryKeyConstraint("attempt_id", "name"),
)
table(
    "collected",
    column("attempt_id", KEY, sa.ForeignKey("attempt.id")),
    column("test_id", KEY, sa.ForeignKey("test.id")),
    sa.PrimaryKeyConstraint("attempt_id", "test_id"),
)
table(
    "coverage",
    column("run_id", KEY, sa.ForeignKey("run.id")),
    column("attempt_id", KEY, sa.ForeignKey("attempt.id")),
    column("suite", STR1024),
    column("platform", STR1024),
    column("language", STR1024),
    column("path", STR1024),
    column("file_sha256", STR64),
    column("executable", BYTES),
    column("hit", BYTES),
    sa.PrimaryKeyConstraint("attempt_id", "suite", "language", "path", "file_sha256"),
    sa.Index(None, "run_id", "path"),
)
table(
    "log_chunk",
    column("attempt_id", KEY, sa.ForeignKey("attempt.id")),
    column("stream", STR1024),
    column("offset", BIG),
    column("size", BIG),
    column("sha256", STR64, sa.ForeignKey("blob.sha256")),
    sa.PrimaryKeyConstraint("attempt_id", "stream", "offset"),
)
table(
    "measurement",
    column("month", BIG),
    column("attempt_id", KEY, sa.ForeignKey("attempt.id")),
    column("seq", BIG),
    column("test_id", KEY, sa.ForeignKey("test.id")),
    column("variant_id", KEY, sa.ForeignKey("variant.id")),
    column("metric", STR1024),
    column("version", BIG),
    column("unit", STR1024),
    column("value", REAL),
    column("estimator", STR1024),
    column("replicates", JSON),
    column("launches", JSON),
    column("inner", BIG),
    column("probe_metric", STR, null=True),
    column("probe_value", REAL, null=True),
    column("canary", REAL, null=True),
    column("valid", FLAG),
    column("reason", LONG),
    column("definition", STR),
    column("environment_class", STR, null=True),
    column("series_key", STR, null=True),
    sa.PrimaryKeyConstraint("month", "attempt_id", "seq"),
    sa.Index(None, "series_key", "month", "attempt_id"),
)
table(
    "record",
    column("attempt_id", KEY, sa.ForeignKey("attempt.id")),
    column("seq", BIG),
    column("kind", STR1024),
    column("body", JSON),
    sa.PrimaryKeyConstraint("attempt_id", "seq"),
)
table(
    "result",
    column("attempt_id", KEY, sa.ForeignKey("attempt.id")),
    column("seq", BIG),
    column("test_id", KEY, sa.ForeignKey("test.id")),
    column("variant_id", KEY, sa.ForeignKey("variant.id")),
    column("try_number", BIG),
    column("outcome", STR1024),
    column("failure_class", STR, null=True),
    column("duration_ns", BIG),
    column("message_id", KEY, sa.ForeignKey("message.id"), null=True),
    column("detail_id", KEY, sa.ForeignKey("message.id"), null=True),
    column("environment_class", STR, null=True),
    column("params", JSON, null=True),
    column("metrics", JSON, null=True),
    sa.PrimaryKeyConstraint("attempt_id", "seq"),
    sa.Index(None, "test_id", "variant_id", "attempt_id"),
)
table(
    "stream_problem",
    column("attempt_id", KEY, sa.ForeignKey("attempt.id")),
    column("offset", BIG),
    column("reason", LONG),
    sa.PrimaryKeyConstraint("attempt_id", "offset"),
)
table(
    "verdict",
    column("run_id", KEY, sa.ForeignKey("run.id")),
    column("cell_id", KEY, sa.ForeignKey("cell.id")),
    column("test_id", KEY, sa.ForeignKey("test.id")),
    column("variant_id", KEY, sa.ForeignKey("variant.id")),
    column("verdict", STR1024),
    column("failure_class", STR, null=True),
    column("attempt_id", KEY, sa.ForeignKey("attempt.id"), null=True),
    column("seq", BIG, null=True),
    column("tries", BIG),
    column("duration_ns", BIG),
    column("message_id", KEY, sa.ForeignKey("message.id"), null=True),
    column("is_new", FLAG),
    sa.PrimaryKeyConstraint("run_id", "cell_id", "test_id"),
    sa.Index(None, "cell_id", "verdict"),
    sa.Index(None, "test_id", "variant_id", "run_id"),
)


def upgrade() -> None:
    """Bring the schema to this revision."""
    metadata.create_all(op.get_bind(), checkfirst=False)


def downgrade() -> None:
    """Take the schema back to the revision before."""
    metadata.drop_all(op.get_bind(), checkfirst=False)
