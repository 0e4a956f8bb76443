"""Deals that the CRM has deleted have an outcome of their own."""

from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Describe the outcome; the next refresh of the deals sets it."""
    op.execute(
        "COMMENT ON COLUMN copilot.deals.outcome IS 'won, lost or open, by the stage and the setting `marts.outcomes`; "
        "deleted: it was open, and the CRM mirror has it no longer. Marts leave deleted deals out.'"
    )


def downgrade() -> None:
    """Not offered: a downgrade would lose state."""
    raise NotImplementedError("restore a backup instead")
