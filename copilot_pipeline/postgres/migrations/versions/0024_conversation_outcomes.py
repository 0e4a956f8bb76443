"""Conversation metrics against the outcome of deals."""

from pathlib import Path

from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Add the table."""
    statements = Path(__file__).with_name("0024_conversation_outcomes.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements.replace("%", "%%"))  # the driver reads % as a parameter


def downgrade() -> None:
    """Not offered: a downgrade would lose state."""
    raise NotImplementedError("restore a backup instead")
