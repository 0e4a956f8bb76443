"""Replacing an unpartitioned table in both stores, whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

import pyarrow as pa

from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import Table
from copilot_pipeline.load.warehouse import load_snapshot
from copilot_pipeline.postgres import Database

ROWS_AT_ONCE = 20_000


def replace_snapshot(lake: Lake, database: Database, table: Table, rows: Iterable[Sequence[object]]) -> int:
    """Replaces `table` by `rows` (its columns, in order). Returns the rows written. Memory holds a batch at a time."""

    def batches() -> Iterable[pa.Table]:
        remaining = iter(rows)
        while batch := list(islice(remaining, ROWS_AT_ONCE)):
            content = pa.table(list(map(list, zip(*batch, strict=True))), schema=table.arrow_schema)
            writer.append(content)
            yield content

    with lake.writer(table) as writer:
        return load_snapshot(database, table, batches())
