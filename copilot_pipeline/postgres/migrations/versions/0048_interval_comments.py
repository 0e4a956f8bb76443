"""Comments of columns: when a driver is confirmed, and which intervals the forecast and claims have."""

from alembic import op

revision = "0048"
down_revision = "0047"

COMMENTS = {
    "forecast_summary.forecast_low": (
        "Lower end of the 95 % interval: 2.5th percentile of the simulated sum of won amounts."
    ),
    "forecast_summary.forecast_high": "Upper end of it: 97.5th percentile of the simulated sum of won amounts.",
    "claim_accuracy.claims_per_hour_shrunk": (
        "The rate shrunk to those of the others of its grain (gamma-Poisson); null if no call has a duration."
    ),
    "claim_accuracy.claims_per_hour_low": (
        "Lower end of the 95 % interval of the shrunk rate; claims of a call come together."
    ),
    "win_loss_drivers.is_confirmed": (
        "Whether it is significant on the older deals and holds on the newer ones among comparable deals "
        "(setting `adjust_for`): is_significant, and confirmed_p_value is at most `confirm_level`."
    ),
    "win_loss_drivers.confirmed_p_value": (
        "P value of the adjusted test on the newer deals, corrected for all tested there (Holm); among deals "
        "of one stage, too, if the condition goes with the stage; null: not tested."
    ),
    "win_loss_drivers.q_value": (
        "P value corrected for thresholds tried, conditions of this size (Benjamini-Hochberg) and number of "
        "sizes; the smallest over the rounds (setting `search_shares`), not corrected for their number."
    ),
    "win_loss_drivers.is_significant": (
        "Whether it is significant on the older deals of any round: q_value is at most "
        "`false_discovery_rate`, and a conjunction is significantly better than its parts."
    ),
}
COMMENTS["win_drivers.confirmed_p_value"] = COMMENTS["win_loss_drivers.confirmed_p_value"]  # a view


def upgrade() -> None:
    """Replace the comments."""
    for column, comment in COMMENTS.items():
        op.execute(f"COMMENT ON COLUMN copilot.{column} IS '{comment}'")


def downgrade() -> None:
    """Not offered: a downgrade would lose state."""
    raise NotImplementedError("restore a backup instead")
