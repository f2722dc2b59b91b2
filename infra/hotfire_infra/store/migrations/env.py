"""Alembic's entry: runs revisions on the connection that `store.schema` hands over."""

from alembic import context

from hotfire_infra.store.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite cannot alter a constraint in place: batch mode copies the table.
    render_as_batch=True,
    # One transaction for the whole upgrade is the caller's; Alembic must not commit in the middle.
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
