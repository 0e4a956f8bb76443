"""Calls whose bytes are missing from the lake."""

from pathlib import Path

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add a nullable column, a partial index and a view."""
    statements = (Path(__file__).parent / "0013_lake.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements.replace("%", "%%"))  # the driver reads % as a parameter


def downgrade() -> None:
    """Not offered: a downgrade would lose state."""
    raise NotImplementedError("restore a backup instead")
