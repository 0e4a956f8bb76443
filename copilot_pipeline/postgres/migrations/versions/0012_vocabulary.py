"""Names of the glossary for tables, columns, functions and states."""

from pathlib import Path

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Rename; only rows whose stored words change are rewritten."""
    here = Path(__file__).parent
    for part in ("state", "delivery", "warehouse", "comments"):
        statements = (here / f"0012_{part}.sql").read_text(encoding="utf-8")
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))  # the driver reads % as a parameter


def downgrade() -> None:
    """Not offered: a downgrade would lose state."""
    raise NotImplementedError("restore a backup instead")
