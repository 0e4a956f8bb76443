"""Checksums of the rows of each table of a partition, which `run --force` compares with the rows that are there."""

from alembic import op

revision = "0052"
down_revision = "0051"

STATEMENTS = (
    "ALTER TABLE copilot_ops.table_versions ADD COLUMN IF NOT EXISTS checksums jsonb",
    "COMMENT ON COLUMN copilot_ops.table_versions.checksums IS "
    "'Number of rows and exclusive or of their hashes, by table, as the load left them; null if unknown.'",
)


def upgrade() -> None:
    """Add the column.

    Partitions that were built before have no checksums: `run --force` writes all of their rows.
    """
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Not offered: a downgrade would lose state."""
    raise NotImplementedError("restore a backup instead")
