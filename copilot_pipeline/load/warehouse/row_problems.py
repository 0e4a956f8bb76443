"""Record truncated values and refused rows in the transaction that loads the others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date

from copilot_pipeline.load.tables import Table
from copilot_pipeline.load.tables.limits import TruncatedValue
from copilot_pipeline.load.warehouse.copying import RefusedRow
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.state.quarantine import delete_quarantined, quarantine

_SQL = load_queries(__package__, "row_problems.sql")
ORIGIN = "row of "  # the prefix of the origin of refused rows in the quarantine


def record_truncated(
    connection: Connection, tables: Sequence[Table], day: date | None, truncated: Sequence[TruncatedValue]
) -> None:
    """Replace the truncated values of a day (None: of an unpartitioned table)."""
    connection.execute(_SQL["delete_truncated"], {"tables": [table.name for table in tables], "day": day})
    if truncated:
        values = {
            "tables": [value.table for value in truncated],
            "columns": [value.column for value in truncated],
            "keys": [value.row_key for value in truncated],
            "chars": [value.original_chars for value in truncated],
            "hashes": [value.sha256 for value in truncated],
            "day": day,
        }
        connection.execute(_SQL["add_truncated"], values)


def record_refused(
    connection: Connection, tables: Sequence[Table], day: date | None, refused: Sequence[RefusedRow]
) -> None:
    """Replace the refused rows of a day (None: of an unpartitioned table) in the quarantine."""
    delete_quarantined(connection, day, [f"{ORIGIN}{table.name}" for table in tables])
    for row in refused:
        call_id = json.loads(row.key).get("call_id")
        reason = f"PostgreSQL refuses the row {row.key}: {row.reason}"
        quarantine(connection, call_id, day, f"{ORIGIN}{row.table.name}", reason, row.body)
