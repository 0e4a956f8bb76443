"""Rows for tests of the warehouse, with defaults for required columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from copilot_pipeline.load.contents import RowsByCall
from copilot_pipeline.load.tables import CALLS, SEMARIZE_SCORES, UTTERANCES, Table
from copilot_pipeline.load.warehouse import WarehouseLoader
from copilot_pipeline.postgres import Database

DAY = date(2026, 11, 3)
TABLES = (CALLS, UTTERANCES)


def call(call_id: str, day: date = DAY, **fields: Any) -> dict[str, Any]:
    """A row of `calls`."""
    return {
        "call_id": call_id,
        "call_date": day,
        "started_at": datetime(2026, 11, 3, 12, tzinfo=UTC),
        "status": "ready",
        "has_crm_link": False,
        "has_transcript": True,
        **fields,
    }


def utterance(call_id: str, seq: int, text: str, day: date = DAY, **fields: Any) -> dict[str, Any]:
    """A row of `utterances`."""
    return {
        "call_id": call_id,
        "seq": seq,
        "call_date": day,
        "speaker": "Dana",
        "side": "rep",
        "text": text,
        **fields,
    }


def score(brick: str, value: Any, *, call_id: str = "c-1", kit: str = "deal") -> dict[str, Any]:
    """A row of `semarize_scores` with the value in the column of its kind.

    Lists are given as JSON bytes.
    """
    kind = {bool: "bool", float: "num", int: "num", str: "text", bytes: "json", type(None): "null"}[type(value)]
    row = {
        "call_id": call_id,
        "kit": kit,
        "brick": brick,
        "call_date": DAY,
        "value_kind": kind,
        "transcript_hash": "hash",
    }
    if kind != "null":
        row[f"value_{kind}"] = value.decode() if isinstance(value, bytes) else value
    return row


def arrow(table: Table, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows as Arrow."""
    return pa.Table.from_pylist(list(rows), schema=table.arrow_schema)


def load(database: Database, *batches: Mapping[Table, Sequence[dict[str, Any]]], day: date = DAY) -> dict[str, int]:
    """Replace a day of the tables with these batches and return the rows by table."""
    tables = tuple(batches[0]) if batches else TABLES
    with WarehouseLoader(database) as loader:
        copy = loader.start(tables, day)
        for batch in batches:
            call_ids = sorted({str(row["call_id"]) for rows in batch.values() for row in rows})
            copy.append([RowsByCall(table, arrow(table, rows)) for table, rows in batch.items()], call_ids)
        return copy.commit(lambda connection, checksums: None).result()


def load_scores(database: Database, *scores: dict[str, Any]) -> None:
    """Replace the scores of the day."""
    load(database, {SEMARIZE_SCORES: scores})


def column(database: Database, query: str) -> list[Any]:
    """The first column of a query."""
    with database.connection() as connection:
        return [row[0] for row in connection.execute(query.encode()).fetchall()]
