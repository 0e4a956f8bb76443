"""Which releases work with the schema. From the next migration on, migrations only expand it or declare `contracts`."""

from pathlib import Path

from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    """Create the table with its row."""
    op.execute(Path(__file__).with_name("0034_compatibility.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Not offered: a downgrade would lose state."""
    raise NotImplementedError("restore a backup instead")
