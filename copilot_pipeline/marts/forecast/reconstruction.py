"""The forecast of a week before, as it would have been made, while there is none that was made then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from copilot_pipeline.config.forecast import ForecastSettings
from copilot_pipeline.marts.forecast.backtest import train
from copilot_pipeline.marts.forecast.data import ForecastData, Ints
from copilot_pipeline.marts.forecast.deal_forecast import MODEL, NONE, Forecast
from copilot_pipeline.marts.forecast.deal_states import UNKNOWN_STAGE
from copilot_pipeline.marts.forecast.rows import TrackRecordRow
from copilot_pipeline.marts.forecast.track_record import RECONSTRUCTED, Ending, scored

DAYS_BEFORE = 7


def reconstructed_rows(
    found: Forecast, settings: ForecastSettings, ends: Mapping[str, Ending], made_on: date
) -> Iterator[TrackRecordRow]:
    """Yield the forecast that would have been made a week before a day, of all deals that were open then.

    Model and win rates are fitted on the deals that had closed by then. The basis is that of the present forecast, so
    that another one is not taken for a change of the deals; without enough deals for it there are no rows.
    """
    day = made_on - timedelta(days=DAYS_BEFORE)
    at = int(datetime.combine(day + timedelta(days=1), time(), UTC).timestamp())
    data, builder = found.data, found.builder
    open_then = _open_at(data, at)
    forecaster = train(
        data, builder, at, min_deals=settings.min_deals, half_life_days=settings.half_life_days, seed=settings.seed
    )
    model, rates = forecaster.model, forecaster.baselines
    if not len(open_then) or found.basis == NONE or model is None or rates is None:
        return
    snapshots = builder.snapshots(open_then, np.full(len(open_then), at, np.int64))
    amounts = builder.past.deal_as_of(snapshots.deal, snapshots.at).amount
    of_model, of_stage = model.probability(snapshots), rates.stage_rate(snapshots.stage)
    shown = of_model if found.basis == MODEL else of_stage
    low, high = model.interval(snapshots) if found.basis == MODEL else rates.interval(snapshots.stage)
    for row, number in enumerate(open_then.tolist()):
        deal, stage = data.deals[number], builder.past.stages[snapshots.stage[row]]
        made_then = TrackRecordRow(
            source=RECONSTRUCTED,
            made_on=day,
            deal_id=deal.deal_id,
            stage=None if stage == UNKNOWN_STAGE else stage,
            amount=None if np.isnan(amounts[row]) else float(amounts[row]),
            currency=deal.currency,
            close_date=None,
            win_probability=float(shown[row]),
            win_low=float(low[row]),
            win_high=float(high[row]),
            basis=found.basis,
            model_probability=float(of_model[row]),
            stage_win_rate=float(of_stage[row]),
            base_rate=rates.base_rate,
        )
        yield scored(made_then, ends[deal.deal_id])


def _open_at(data: ForecastData, at: int) -> Ints:
    """Return the numbers of the deals that were open at a time, in seconds since 1970."""
    return np.flatnonzero((data.started_at < at) & ((data.outcome < 0) | (data.closed_at >= at)))
