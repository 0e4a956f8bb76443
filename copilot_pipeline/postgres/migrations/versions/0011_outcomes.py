"""Outcomes in the deals' table, when a covered call was, and what the columns of all views hold."""

from pathlib import Path

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """A column more in two tables, and comments."""
    statements = Path(__file__).with_name("0011_outcomes.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements.replace("%", "%%"))  # the driver takes % for a parameter


def downgrade() -> None:
    """Not offered, as for the ones before."""
    raise NotImplementedError("restore a backup instead")
