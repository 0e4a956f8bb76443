"""What runs measure: the duration of their steps, a line per day, and the size of the lake."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg

from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.lake.sizes import table_sizes
from copilot_pipeline.postgres import Database
from copilot_pipeline.progress import Progress
from copilot_pipeline.telemetry import otel
from copilot_pipeline.telemetry.metrics import LAKE_BYTES, LAKE_FILES, LAKE_MEASURED, STEP_SECONDS
from copilot_pipeline.telemetry.recorder import measured_at, recorder_of, replace_gauges

LAKE_INTERVAL_SECONDS = 3600.0
SUCCEEDED, FAILED = "succeeded", "failed"


def log_day(context: dg.AssetExecutionContext | dg.OpExecutionContext, progress: Progress, line: str) -> None:
    """Log a line about a day: in the UI, on the console of a run worker, and in the log of a command."""
    context.log.info(line)
    progress.log(line)


@contextmanager
def measured_step(step: str, resources: Mapping[str, Any]) -> Iterator[None]:
    """Record the duration and the result of the block, in the database of the resource `postgres` if there is one."""
    database, started, result = _database_of(resources), time.perf_counter(), FAILED
    with otel.span(f"step {step}", {"step": step}):
        try:
            yield
            result = SUCCEEDED
        finally:
            if database is not None:
                seconds = time.perf_counter() - started
                recorder_of(database).observe(STEP_SECONDS, seconds, step=step, result=result)


def _database_of(resources: Mapping[str, Any]) -> Database | None:
    holder = resources.get("postgres") or getattr(resources.get("deliveries"), "postgres", None)
    database = getattr(holder, "database", None)
    return database if isinstance(database, Database) else None


def measure_lake(lake: Lake, database: Database) -> bool:
    """Record the number and the size of the files of each table, unless it was done within an hour."""
    measured = measured_at(database, LAKE_MEASURED)
    if measured is not None and time.time() - measured < LAKE_INTERVAL_SECONDS:
        return False
    sizes = table_sizes(lake)
    replace_gauges(
        database,
        {
            LAKE_FILES: {table: float(size.files) for table, size in sizes.items()},
            LAKE_BYTES: {table: float(size.bytes) for table, size in sizes.items()},
            LAKE_MEASURED: {"": time.time()},
        },
        "table",
    )
    return True
