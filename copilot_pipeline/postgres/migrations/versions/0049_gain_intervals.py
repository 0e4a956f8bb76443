"""Comments of columns: the intervals of a forecast's gain are at 95 %, like all others."""

from alembic import op

revision = "0049"
down_revision = "0048"

COMMENTS = {
    "gain_over_stage_low": "Lower end of its 95 % interval (paired t-test over deals).",
    "gain_over_stage_high": "Upper end of its 95 % interval.",
    "gain_over_base_low": "Lower end of its 95 % interval.",
    "gain_over_base_high": "Upper end of its 95 % interval.",
}


def upgrade() -> None:
    """Replace the comments."""
    for column, comment in COMMENTS.items():
        op.execute(f"COMMENT ON COLUMN copilot.forecast_accuracy.{column} IS '{comment}'")


def downgrade() -> None:
    """Not offered: a downgrade would lose state."""
    raise NotImplementedError("restore a backup instead")
