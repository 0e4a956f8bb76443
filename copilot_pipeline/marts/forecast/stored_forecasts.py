"""Read the forecasts that were made on former days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from psycopg.rows import class_row

from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import FORECAST_TRACK_RECORD
from copilot_pipeline.marts.forecast.rows import TrackRecordRow
from copilot_pipeline.marts.forecast.track_record import LIVE, StoredForecast
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_values

ROWS_PER_READ = 10_000

_SQL = load_queries(__package__, "stored_forecasts.sql")


def former_rows(lake: Lake, database: Database, before: date) -> Iterator[TrackRecordRow]:
    """Yield the live rows of `forecast_track_record` of the days before one, a few thousand in memory at a time.

    They are read from the lake if the warehouse has no row at all, as after the loss of the database.
    """
    with database.connection() as connection:
        (is_empty,) = fetch_values(connection, _SQL["is_empty"])
    if is_empty and lake.exists(FORECAST_TRACK_RECORD):
        for batch in lake.batches(FORECAST_TRACK_RECORD):
            rows = (TrackRecordRow(**row) for row in batch.to_pylist())
            yield from (row for row in rows if row.source == LIVE and row.made_on < before)
        return
    with (
        database.transaction() as connection,
        connection.cursor("former_forecasts", row_factory=class_row(TrackRecordRow)) as cursor,
    ):
        cursor.itersize = ROWS_PER_READ
        yield from cursor.execute(_SQL["former_rows"], {"before": before})


def forecasts_of_closed_deals(database: Database) -> list[StoredForecast]:
    """Return the forecasts that were made with a model for deals that are closed by now."""
    with database.connection() as connection, connection.cursor(row_factory=class_row(StoredForecast)) as cursor:
        return cursor.execute(_SQL["forecasts_of_closed_deals"]).fetchall()
