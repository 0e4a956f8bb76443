"""Entry point of Alembic: one online upgrade, a transaction per migration; the version table is in `copilot_ops`."""

from typing import Any

import sqlalchemy
from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo

from copilot_pipeline.postgres.engines import configure_engine
from copilot_pipeline.postgres.migrate import FIRST_WITH_COMPATIBILITY

_RECORD = sqlalchemy.text(
    """UPDATE copilot_ops.schema_compatibility SET version = :version, updated_at = clock_timestamp(),
    oldest_supported = greatest(oldest_supported, :contracts)"""
)


def record_compatibility(ctx: MigrationContext, step: MigrationInfo, heads: Any, run_args: Any) -> None:
    """Record the version, and which releases the migration ends, in the transaction of the migration."""
    script = context.script.get_revision(step.up_revision_id or "head")
    if script.revision >= FIRST_WITH_COMPATIBILITY and ctx.connection is not None:
        contracts = getattr(script.module, "contracts", "")
        ctx.connection.execute(_RECORD, {"version": script.revision, "contracts": contracts})


engine = sqlalchemy.create_engine(context.config.attributes["url"], poolclass=sqlalchemy.NullPool)
configure_engine(engine)
with engine.connect() as connection:
    # A statement that waits for its lock holds up everything that comes after it.
    timeout = context.config.attributes["lock_timeout"]
    connection.execute(sqlalchemy.text("SELECT set_config('lock_timeout', :timeout, false)"), {"timeout": timeout})
    connection.execute(sqlalchemy.text("CREATE SCHEMA IF NOT EXISTS copilot_ops"))
    connection.commit()
    context.configure(
        connection=connection,
        version_table_schema="copilot_ops",
        transactional_ddl=True,
        transaction_per_migration=True,  # a lock is held for one migration, and what is done stays done
        on_version_apply=record_compatibility,
    )
    with context.begin_transaction():
        context.run_migrations()
