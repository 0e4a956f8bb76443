"""Hashes of the rows of each call, so that a rebuild writes only what differs; no index of days that no query uses."""

from alembic import op

revision = "0047"
down_revision = "0046"

STATEMENTS = (
    "ALTER TABLE copilot_ops.table_versions ADD COLUMN IF NOT EXISTS contents jsonb, "
    "ADD COLUMN IF NOT EXISTS contents_at timestamptz",
    "COMMENT ON COLUMN copilot_ops.table_versions.contents IS "
    "'Hashes of the rows of each call, by table and by a hash of the call id; null if rows were refused.'",
    "COMMENT ON COLUMN copilot_ops.table_versions.contents_at IS "
    "'When the contents were recorded. They are outdated unless this is the time at which the partition was built.'",
    # Migration 0039 made it for searches that read days by it; since 0042 utterances_by_call_date serves all queries.
    "DROP INDEX IF EXISTS copilot.utterances_by_day",
)


def upgrade() -> None:
    """Add the columns, and drop the index.

    Partitions that were built before have no contents: their next rebuild writes all rows.
    """
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Not offered: a downgrade would lose state."""
    raise NotImplementedError("restore a backup instead")
