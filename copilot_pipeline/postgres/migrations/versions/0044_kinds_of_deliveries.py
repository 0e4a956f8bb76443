"""Description of the kinds of deliveries, with e-mail."""

from alembic import op

revision = "0044"
down_revision = "0043"


def upgrade() -> None:
    """Describe the column."""
    op.execute("COMMENT ON COLUMN copilot_ops.outbox.kind IS 'slack, salesforce, hubspot, webhook or email.'")


def downgrade() -> None:
    """Not offered: a downgrade would lose state."""
    raise NotImplementedError("restore a backup instead")
