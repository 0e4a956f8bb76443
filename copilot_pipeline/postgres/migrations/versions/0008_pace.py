"""The pace keeps quiet at the turn of the week, and remembers how it was closed."""

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """A column, and the function anew."""
    statements = Path(__file__).with_name("0008_pace.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements)


def downgrade() -> None:
    """Not offered: the pace would forget why it is closed."""
    raise NotImplementedError("restore a backup instead")
