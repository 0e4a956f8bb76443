"""Snapshots of several tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.snapshots import replace_snapshot, replace_snapshots
from copilot_pipeline.load.tables import TOPICS, WIN_LOSS_CONCLUSION
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.load.warehouse.rows import column

NAMES = "SELECT name FROM copilot.topics ORDER BY topic_id"


def topic(topic_id: str, name: str) -> SimpleNamespace:
    """A row of `topics`."""
    return SimpleNamespace(**{**dict.fromkeys(TOPICS.column_names), "topic_id": topic_id, "name": name})


def test_tables_of_a_mart_are_replaced_together(database: Database, home: Path) -> None:
    """If the rows of the second table fail, the first one stays as it was, in the warehouse and in the lake."""
    lake = Lake(str(home / "lake"))
    assert replace_snapshots(lake, database, [(TOPICS, [topic("1", "price")])]) == {"topics": 1}

    def broken() -> Iterator[SimpleNamespace]:
        assert column(database, NAMES) == ["price"]  # readers do not see the half
        raise ValueError("broken")
        yield

    with pytest.raises(ValueError, match="broken"):
        replace_snapshots(lake, database, [(TOPICS, [topic("1", "security")]), (WIN_LOSS_CONCLUSION, broken())])
    assert column(database, NAMES) == ["price"]
    assert [row["name"] for batch in lake.batches(TOPICS) for row in batch.to_pylist()] == ["price"]


def test_an_unchanged_snapshot_is_not_written_again(database: Database, home: Path) -> None:
    """But its time is, and rows that something else has deleted come back."""
    lake = Lake(str(home / "lake"))
    rows = [SimpleNamespace(**{**dict.fromkeys(TOPICS.column_names), "topic_id": each, "name": each}) for each in "ab"]
    times = "SELECT loaded_at FROM copilot_ops.snapshots WHERE name = 'topics'"
    versions = "SELECT xmin::text FROM copilot.topics ORDER BY topic_id"
    assert replace_snapshot(lake, database, TOPICS, rows) == 2
    written, (first,) = column(database, versions), column(database, times)
    assert replace_snapshot(lake, database, TOPICS, rows[::-1]) == 2
    (second,) = column(database, times)
    assert second > first
    assert column(database, versions) == written
    with database.connection() as connection:
        connection.execute("DELETE FROM copilot.topics WHERE topic_id = 'a'")
    assert replace_snapshot(lake, database, TOPICS, rows) == 2
    assert len(column(database, versions)) == 2
