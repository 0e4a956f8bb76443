"""Stands in for the inbox of another branch."""

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Nothing."""


def downgrade() -> None:
    """Nothing."""
