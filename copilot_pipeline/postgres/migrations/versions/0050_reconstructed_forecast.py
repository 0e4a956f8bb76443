"""Comments of `forecast_track_record`: its third source."""

from alembic import op

revision = "0050"
down_revision = "0049"


def upgrade() -> None:
    """Replace the comments."""
    op.execute(
        "COMMENT ON TABLE copilot.forecast_track_record IS 'Every forecast as it was made, one row per day and deal, "
        "and its score once the deal has closed. Rows of `live` are kept for ever; a second run on a day replaces that "
        "day''s. Other rows are built again each time.'"
    )
    op.execute(
        "COMMENT ON COLUMN copilot.forecast_track_record.source IS 'live; or made later, from what was known on that "
        "day: backtest, and until there is a live forecast of a week before, reconstructed.'"
    )


def downgrade() -> None:
    """Not offered: a downgrade would lose state."""
    raise NotImplementedError("restore a backup instead")
