"""The marts, and views that answer one question each."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Tables made anew every day, and views over them."""
    here = Path(__file__).parent
    for name in ("0005_marts.sql", "0005_views.sql"):
        statements = (here / name).read_text(encoding="utf-8")
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))  # the driver takes % for a parameter


def downgrade() -> None:
    """Not offered: views that others built would go with the tables."""
    raise NotImplementedError("restore a backup instead")
