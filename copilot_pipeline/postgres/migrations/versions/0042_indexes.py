"""An exact index of the days of each table with partitions, and one of the calls that sensors look for."""

from alembic import op

revision = "0042"
down_revision = "0041"

TABLES = (
    "calls",
    "participants",
    "transcripts",
    "utterances",
    "topic_mentions",
    "competitor_mentions",
    "semarize_runs",
    "semarize_scores",
    "evidence",
)
# The calls that a run can fetch or store now. Calls that are never fetched, because they did not take place or were not
# transcribed, grow with time and are not in it.
WORK = """CREATE INDEX IF NOT EXISTS calls_with_work ON copilot_ops.calls (call_date, source)
WHERE is_dirty OR (readiness = 'ready' AND removed_at IS NULL AND fetched_version IS DISTINCT FROM version)"""


def upgrade() -> None:
    """Replace ranges of blocks by an exact index, table by table: reading goes on, loads of one table wait.

    Each statement is committed on its own. A migration that is interrupted continues with the next table.
    """
    with op.get_context().autocommit_block():
        for table in TABLES:
            op.execute(f"CREATE INDEX IF NOT EXISTS {table}_by_call_date ON copilot.{table} (call_date)")
            op.execute(f"DROP INDEX IF EXISTS copilot.{table}_by_date")
        op.execute(WORK)


def downgrade() -> None:
    """Not offered: a downgrade would lose state."""
    raise NotImplementedError("restore a backup instead")
