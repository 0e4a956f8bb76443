"""The tables analysts read (schema `copilot`) and the pipeline's own state (schema `copilot_ops`)."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Both schemas, whole."""
    here = Path(__file__).parent
    for name in ("0001_state.sql", "0001_tables.sql"):
        op.get_bind().exec_driver_sql((here / name).read_text(encoding="utf-8"))


def downgrade() -> None:
    """Not offered: it would drop the ledger, and with it the knowledge of what was paid for."""
    raise NotImplementedError("restore a backup instead")
