"""The view of each rep's MEDDICC coverage by week."""

from pathlib import Path

from alembic import op

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    """Create the view."""
    statements = Path(__file__).with_name("0038_meddicc_rep_week.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements.replace("%", "%%"))  # the driver reads % as a parameter


def downgrade() -> None:
    """Not offered: a downgrade would lose state."""
    raise NotImplementedError("restore a backup instead")
