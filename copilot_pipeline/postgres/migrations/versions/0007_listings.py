"""Listings that survive anything: halves of a window, and the days that were listed."""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Columns beside what is there."""
    statements = Path(__file__).with_name("0007_listings.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements)


def downgrade() -> None:
    """Not offered: positions would be lost."""
    raise NotImplementedError("restore a backup instead")
