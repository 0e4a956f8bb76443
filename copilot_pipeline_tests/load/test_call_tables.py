"""The call tables of a day are rebuilt from its raw partition."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from copilot_pipeline.load.call_tables import CallTables
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import CALLS, RAW_CALL_DETAILS
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore, SemarizeRunStore
from copilot_pipeline.transform.transcripts import UserDirectory
from copilot_pipeline_tests.load.warehouse.rows import DAY, column

REMOVED_AT = datetime(2026, 11, 9, tzinfo=UTC)


def test_rebuilds_from_raw_files_with_former_column_names(database: Database, tmp_path: Path) -> None:
    """The value of `gone_at` becomes `removed_at` in both stores."""
    lake = Lake(str(tmp_path))
    listed = json.dumps(
        {"id": "c-1", "title": "Intro", "time": "2026-11-03T12:00:00Z", "status": "POST_PROCESSING_DONE"}
    )
    row = {
        "call_id": "c-1",
        "dialect": "rest",
        "listed": listed.encode(),
        "listed_is_newer": True,
        "removed_at": REMOVED_AT,
    }
    schema = pa.schema([field for field in RAW_CALL_DETAILS.arrow_schema if field.name != "call_date"])
    content = pa.Table.from_pylist([row], schema=schema)
    names = ["gone_at" if name == "removed_at" else name for name in content.column_names]
    path = Path(lake.path(RAW_CALL_DETAILS, DAY))
    path.parent.mkdir(parents=True)
    pq.write_table(content.rename_columns(names), path)

    calls = CallStore(database, ZoneInfo("UTC"))
    tables = CallTables(lake, database, calls, SemarizeRunStore(database), UserDirectory())
    (loaded,) = tables.build([DAY])
    assert (loaded.problem, loaded.quarantined, loaded.rows["calls"]) == (None, 0, 1)
    assert column(database, "SELECT removed_at FROM copilot.calls") == [REMOVED_AT]
    (batch,) = lake.batches(CALLS, DAY, columns=["call_id", "removed_at"])
    assert batch.to_pylist() == [{"call_id": "c-1", "removed_at": REMOVED_AT}]
    assert "removed_at" in pq.read_schema(lake.path(CALLS, DAY)).names
