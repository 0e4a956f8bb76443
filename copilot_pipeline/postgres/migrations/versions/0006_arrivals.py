"""Arrivals: calls on their way from a door to their scores."""

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """A table, and indexes for what the sensor asks."""
    statements = Path(__file__).with_name("0006_arrivals.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements)


def downgrade() -> None:
    """Not offered: calls on their way would stop where they are."""
    raise NotImplementedError("restore a backup instead")
