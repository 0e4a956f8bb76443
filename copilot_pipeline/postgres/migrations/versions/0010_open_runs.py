"""Runs that take long are looked at again later and later; which calls have no score, empty answers included."""

from pathlib import Path

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """A column of the ledger of runs, an index on announced runs, a view made anew."""
    statements = Path(__file__).with_name("0010_open_runs.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements)


def downgrade() -> None:
    """Not offered, as for the ones before."""
    raise NotImplementedError("restore a backup instead")
