"""The inbox: what webhooks announced, and which deliveries were seen."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Two tables in `copilot_ops`."""
    statements = Path(__file__).with_name("0002_inbox.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements)


def downgrade() -> None:
    """Not offered: it would drop webhooks that were accepted and not yet followed."""
    raise NotImplementedError("restore a backup instead")
