"""What is to be delivered, what was, and who is told of failures."""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """The outbox and what belongs to it."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Not offered: it would drop the knowledge of what went out, and all of it would go out again."""
    raise NotImplementedError("restore a backup instead")
