"""Replace a whole unpartitioned table in the lake and in the warehouse."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import pyarrow as pa

from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import Table, rows_to_arrow
from copilot_pipeline.load.warehouse import load_snapshot
from copilot_pipeline.postgres import Database

ROWS_PER_BATCH = 20_000


def replace_snapshot(lake: Lake, database: Database, table: Table, rows: Iterable[object]) -> int:
    """Replace `table` with `rows` and return the number of rows.

    Each row has an attribute for every column of the table. Memory holds one batch at a time. Values that are too long
    are truncated, and rows that PostgreSQL refuses are quarantined.
    """

    def batches() -> Iterable[pa.Table]:
        remaining = iter(rows)
        while batch := list(islice(remaining, ROWS_PER_BATCH)):
            yield rows_to_arrow(table, batch)

    with lake.writer(table) as writer:
        return load_snapshot(database, table, batches(), writer.append)
