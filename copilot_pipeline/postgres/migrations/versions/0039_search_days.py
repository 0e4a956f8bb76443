"""An index of the days of utterances, for searches."""

from pathlib import Path

from alembic import op

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    """Create the index. Reading goes on meanwhile."""
    statements = Path(__file__).with_name("0039_search_days.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements.replace("%", "%%"))  # the driver reads % as a parameter


def downgrade() -> None:
    """Not offered: a downgrade would lose state."""
    raise NotImplementedError("restore a backup instead")
