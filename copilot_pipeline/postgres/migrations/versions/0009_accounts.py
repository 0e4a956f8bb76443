"""Accounts: a table for analysts, and what was read from the CRM mirror."""

from pathlib import Path

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Two tables."""
    statements = Path(__file__).with_name("0009_accounts.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements)


def downgrade() -> None:
    """Not offered: what was read would have to be asked for again."""
    raise NotImplementedError("restore a backup instead")
