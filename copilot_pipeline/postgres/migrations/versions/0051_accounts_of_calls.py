"""An index of the accounts of calls, so that the nightly reading of new accounts does not scan all calls."""

from alembic import op

revision = "0051"
down_revision = "0050"


def upgrade() -> None:
    """Add the index: reading goes on, loads of calls wait for it."""
    op.execute("CREATE INDEX calls_by_account ON copilot.calls (account_id) WHERE account_id IS NOT NULL")


def downgrade() -> None:
    """Not offered: a downgrade would lose state."""
    raise NotImplementedError("restore a backup instead")
