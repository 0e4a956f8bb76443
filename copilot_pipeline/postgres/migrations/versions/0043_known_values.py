"""Indexes from which the known bricks and the known amounts are read without scanning all scores and calls."""

from alembic import op

revision = "0043"
down_revision = "0042"

INDEXES = (
    "CREATE INDEX IF NOT EXISTS semarize_scores_by_brick ON copilot.semarize_scores (kit, brick, value_kind)",
    # An entry of an index has a limited size, and an amount is as long as the vendor sends it.
    """CREATE INDEX IF NOT EXISTS calls_by_amount ON copilot.calls ("left"(deal_value_raw, 200))
    WHERE "left"(deal_value_raw, 200) IS NOT NULL""",
)


def upgrade() -> None:
    """Create each index in a transaction of its own: reading goes on, loads of one table wait."""
    with op.get_context().autocommit_block():
        for statement in INDEXES:
            op.execute(statement)


def downgrade() -> None:
    """Not offered: a downgrade would lose state."""
    raise NotImplementedError("restore a backup instead")
