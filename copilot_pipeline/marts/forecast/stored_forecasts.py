"""Read the forecasts that were made on former days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from psycopg.rows import class_row

from copilot_pipeline.marts.forecast.rows import TrackRecordRow
from copilot_pipeline.marts.forecast.track_record import StoredForecast
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries

ROWS_PER_READ = 10_000

_SQL = load_queries(__package__, "stored_forecasts.sql")


def former_rows(database: Database, before: date) -> Iterator[TrackRecordRow]:
    """Yield the rows of `forecast_track_record` of the days before one, a few thousand in memory at a time."""
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
