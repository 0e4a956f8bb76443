"""Build the tables of the forecast."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta

from threadpoolctl import threadpool_limits

from copilot_pipeline.config.marts import MartSettings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.snapshots import replace_snapshots
from copilot_pipeline.load.tables import (
    DEAL_FORECAST,
    FORECAST_ACCURACY,
    FORECAST_SUMMARY,
    FORECAST_TRACK_RECORD,
    Table,
)
from copilot_pipeline.marts.forecast.deal_forecast import Forecast, deal_rows, forecast
from copilot_pipeline.marts.forecast.reader import read_forecast_data
from copilot_pipeline.marts.forecast.reconstruction import DAYS_BEFORE, reconstructed_rows
from copilot_pipeline.marts.forecast.rows import DealForecastRow, TrackRecordRow
from copilot_pipeline.marts.forecast.stored_forecasts import forecasts_of_closed_deals, former_rows
from copilot_pipeline.marts.forecast.summary import summary_rows
from copilot_pipeline.marts.forecast.track_record import (
    accuracy_rows,
    backtest_rows,
    endings,
    live_rows,
    scored_backtest,
    scored_live,
)
from copilot_pipeline.postgres import Database


def build_forecast(lake: Lake, database: Database, settings: MartSettings, now: datetime) -> tuple[dict[str, int], str]:
    """Replace the tables of the forecast and return the rows written by table, and why its basis was chosen.

    Forecasts of former days stay in `forecast_track_record`; those of today are replaced.
    """
    made_on = now.astimezone(UTC).date()
    # As of the end of the day, so that a second run on a day makes the same forecast of the same data.
    at = int(datetime.combine(made_on + timedelta(days=1), time(), UTC).timestamp())
    data = read_forecast_data(database, settings, now)
    ends = endings(data)
    live = scored_live(forecasts_of_closed_deals(database), ends)
    # The matrices are small: more threads of the linear algebra only wait for one another.
    with threadpool_limits(limits=1):
        found = forecast(data, settings.forecast, at, live.comparison)
    rows = deal_rows(found, made_on)

    def track_record() -> Iterator[TrackRecordRow]:
        # Read when the table is locked: a second run that replaces it cannot lose rows of the first.
        first_day = made_on
        for row in live_rows(former_rows(lake, database, made_on), rows, ends, made_on):
            first_day = min(first_day, row.made_on)
            yield row
        yield from backtest_rows(found, ends)
        if first_day > made_on - timedelta(days=DAYS_BEFORE):
            with threadpool_limits(limits=1):
                yield from reconstructed_rows(found, settings.forecast, ends, made_on)

    accuracy = [*accuracy_rows(live), *accuracy_rows(scored_backtest(found))]
    summary = summary_rows(found, rows, _names(found, rows), settings.forecast)
    content: list[tuple[Table, Iterable[object]]] = [
        (DEAL_FORECAST, rows),
        (FORECAST_SUMMARY, summary),
        (FORECAST_TRACK_RECORD, track_record()),
        (FORECAST_ACCURACY, accuracy),
    ]
    return replace_snapshots(lake, database, content), found.note


def _names(found: Forecast, rows: list[DealForecastRow]) -> dict[str, str]:
    teams = {
        last.manager_id: last.manager_name
        for last in found.data.last_calls.values()
        if last.manager_id and last.manager_name
    }
    return teams | {row.rep_id: row.rep_name for row in rows if row.rep_id and row.rep_name}
