"""Scoring: where evidence was said, scoring again on purpose, and the transcripts that were scored before."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """A table for analysts, and the state behind it."""
    statements = Path(__file__).with_name("0004_scoring.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements)


def downgrade() -> None:
    """Not offered: it would drop answers that were paid for."""
    raise NotImplementedError("restore a backup instead")
