"""Replace whole unpartitioned tables in the lake and in the warehouse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby, islice

import pyarrow as pa

from copilot_pipeline.errors import SnapshotRefused
from copilot_pipeline.load.history import Versions
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.read_ahead import read_ahead
from copilot_pipeline.load.snapshot_content import SnapshotContent
from copilot_pipeline.load.tables import Table, rows_to_arrow
from copilot_pipeline.load.warehouse import load_snapshot
from copilot_pipeline.load.warehouse.snapshots import replace_rows
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection

ROWS_PER_BATCH = 20_000
MIN_SHARE = 0.5  # of the stored rows, for tables that are read from the vendor
MIN_ROWS_COMPARED = 10  # in a smaller table, only the loss of all rows is implausible


def replace_snapshot(
    lake: Lake,
    database: Database,
    table: Table,
    rows: Iterable[object],
    *,
    min_share: float = 0.0,
    history: Versions | None = None,
) -> int:
    """Replace `table` with `rows` and return the number of rows.

    Each row has an attribute for every column of the table. Memory holds one batch at a time. Values that are too long
    are truncated, and rows that PostgreSQL refuses are quarantined. With `history`, what changed is kept there, in the
    same transaction. Raises `SnapshotRefused` if the table had rows and would have none, or less than `min_share` of
    them; nothing is changed then. If the rows are those of the last time, only the time of the snapshot is changed.
    """
    rows = list(rows)
    content = _content(lake, database, table, rows, history)
    if content.confirm():
        return len(rows)
    loaded_at: datetime | None = None
    with lake.writers([table, history.table] if history else [table]) as writers:
        writer, of_history = writers[table.name], writers[history.table.name] if history else None

        def finish(connection: Connection, before: int, after: int) -> None:
            nonlocal loaded_at
            loaded_at = content.loaded_at(connection)
            _refuse_loss(table, before, after, min_share)
            if history is not None and of_history is not None:
                for versions in _recorded(history, connection, lake, min_share):
                    of_history.append(versions)

        loaded = load_snapshot(database, table, _batches(lake, table, rows), writer.append, finish)
    if loaded == len(rows):  # otherwise rows were refused, and are reported again the next time
        content.record(loaded_at)
    return loaded


def confirm_snapshot(
    lake: Lake, database: Database, table: Table, rows: Sequence[object], *, history: Versions | None = None
) -> bool:
    """Return whether both stores have exactly these rows; if so, the time of the snapshot is now.

    `history` is the one that the table is replaced with.
    """
    return _content(lake, database, table, rows, history).confirm()


def _content(
    lake: Lake, database: Database, table: Table, rows: Sequence[object], history: Versions | None
) -> SnapshotContent:
    return SnapshotContent(lake, database, (table, history.table) if history else (table,), rows)


def replace_snapshots(
    lake: Lake, database: Database, content: Sequence[tuple[Table, Iterable[object]]]
) -> dict[str, int]:
    """Replace several tables in one transaction, in their order, and return the number of rows by table.

    The rows are objects with an attribute for every column, or Arrow tables with its columns. Those of a table are read
    when those of the tables before it have been, so they may be results of these; a batch is computed while PostgreSQL
    takes the one before it.
    """
    with lake.writers(table for table, _ in content) as writers, database.transaction() as connection:
        return {
            table.name: replace_rows(connection, table, batches, writers[table.name].append).after
            for table, batches in ((table, read_ahead(_batches(lake, table, rows))) for table, rows in content)
        }


def _recorded(history: Versions, connection: Connection, lake: Lake, min_share: float) -> Iterator[pa.Table]:
    """Add what has changed to the history, and yield all of it in batches. Raises `SnapshotRefused`."""
    private = lake.private_columns
    history.restore(connection, lake)
    present = history.present(connection)
    if private.affects(history.table):
        history.hide(connection, lambda versions: private.apply(history.table, versions))
    history.record(connection)
    _refuse_loss(history.table, present, history.present(connection), min_share)
    yield from history.rows(connection)


def _batches(lake: Lake, table: Table, rows: Iterable[object]) -> Iterator[pa.Table]:
    """Yield the rows as Arrow tables without private columns. Those that are Arrow tables stay as they are."""
    for is_arrow, of_kind in groupby(rows, key=lambda one: isinstance(one, pa.Table)):
        if is_arrow:
            yield from (lake.private_columns.apply(table, batch) for batch in _joined(of_kind))
            continue
        while batch := list(islice(of_kind, ROWS_PER_BATCH)):
            yield lake.private_columns.apply(table, rows_to_arrow(table, batch))


def _joined(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield tables with at least the rows of a batch, but for the last one. Each column is one chunk."""
    waiting, rows = list[pa.Table](), 0
    for table in tables:
        waiting.append(table)
        rows += table.num_rows
        if rows >= ROWS_PER_BATCH:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting, rows = [], 0
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()


def _refuse_loss(table: Table, before: int, after: int, min_share: float) -> None:
    is_lost = after == 0 < before or (before >= MIN_ROWS_COMPARED and after < before * min_share)
    if is_lost and min_share > 0:
        raise SnapshotRefused(
            f"{table.name}: there would be {after:,} rows where {before:,} are stored, so this is refused, and the "
            "stored rows stay. Check that the API key is that of the right workspace and that the calls are complete. "
            "If so many were really removed, set advanced.snapshots.min_share: 0 in pipeline.yaml for one run"
        )
