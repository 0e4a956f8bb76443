"""Descriptions of two columns of table_versions."""

from alembic import op

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    """Describe the columns."""
    op.execute(
        "COMMENT ON COLUMN copilot_ops.table_versions.call_date IS "
        "'Day of the partition; of an unpartitioned table a fixed date.'"
    )
    op.execute("COMMENT ON COLUMN copilot_ops.table_versions.built_at IS 'Time when the partition was built.'")


def downgrade() -> None:
    """Not offered: a downgrade would lose state."""
    raise NotImplementedError("restore a backup instead")
