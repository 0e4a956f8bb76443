"""The forecast of the open deals: which probability is shown, why, and the rows of `deal_forecast`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from copilot_pipeline.config.forecast import ForecastSettings
from copilot_pipeline.marts.forecast.backtest import MIN_PER_OUTCOME, Backtest, Forecaster, backtest, train
from copilot_pipeline.marts.forecast.comparison import Comparison, compare, verdict
from copilot_pipeline.marts.forecast.data import DAY_SECONDS, DealFacts, Floats, ForecastData, LastCall
from copilot_pipeline.marts.forecast.deal_states import UNKNOWN_STAGE
from copilot_pipeline.marts.forecast.evidence import evidence_of_calls
from copilot_pipeline.marts.forecast.features import FeatureBuilder, Snapshots
from copilot_pipeline.marts.forecast.reasons import Reason, reasons
from copilot_pipeline.marts.forecast.rows import DealForecastRow

MODEL, STAGE, NONE = "model", "stage", "none"


@dataclass(frozen=True, slots=True)
class Forecast:
    """The forecast of all open deals at a time, and the backtest behind it."""

    data: ForecastData
    builder: FeatureBuilder
    forecaster: Forecaster
    past: Backtest
    record: Comparison | None  # of the backtest
    basis: str
    note: str
    snapshots: Snapshots  # of the open deals
    probability: Floats  # nan without a basis
    low: Floats
    high: Floats

    def draws(self, count: int, rng: np.random.Generator) -> Floats:
        """Return log-odds (open deals, count) under the uncertainty of the basis, shared by all deals."""
        model, baselines = self.forecaster.model, self.forecaster.baselines
        if self.basis == MODEL and model is not None:
            return model.draws(self.snapshots, count, rng)
        if self.basis == STAGE and baselines is not None:
            return baselines.draws(self.snapshots.stage, count, rng)
        return np.full((len(self.snapshots.deal), count), np.nan)


def forecast(data: ForecastData, settings: ForecastSettings, at: int, live: Comparison | None = None) -> Forecast:
    """Fit the model, test it on the past, and forecast the open deals.

    The model is the basis if it beats the win rate of the stage in the backtest and `live`, the record of the
    forecasts that were made, does not contradict.
    """
    builder = FeatureBuilder(data)
    min_deals, half_life, seed = settings.min_deals, settings.half_life_days, settings.seed
    forecaster = train(data, builder, at, min_deals=min_deals, half_life_days=half_life, seed=seed)
    past = backtest(data, builder, at, min_deals=min_deals, half_life_days=half_life, seed=seed)
    evidence = evidence_of_calls(forecaster, data, builder, at, settings) if forecaster.model is not None else None
    record = compare(past.deal, past.won, past.model, past.stage, past.base, evidence)
    open_deals = np.flatnonzero(data.outcome < 0)
    snapshots = builder.snapshots(open_deals, np.full(len(open_deals), at, np.int64))
    basis, note = _basis(forecaster, record, live, settings)
    probability = low = high = np.full(len(open_deals), np.nan)
    if basis == MODEL and forecaster.model is not None:
        probability = forecaster.model.probability(snapshots)
        low, high = forecaster.model.interval(snapshots)
    elif basis == STAGE and forecaster.baselines is not None:
        probability = forecaster.baselines.stage_rate(snapshots.stage)
        low, high = forecaster.baselines.interval(snapshots.stage)
    return Forecast(data, builder, forecaster, past, record, basis, note, snapshots, probability, low, high)


def _basis(
    forecaster: Forecaster, record: Comparison | None, live: Comparison | None, settings: ForecastSettings
) -> tuple[str, str]:
    """Return what the shown probability is based on, and why."""
    closed, won = forecaster.closed, forecaster.won
    if forecaster.model is None:
        found = f"{closed:,} closed deal{'s' if closed != 1 else ''}, {won:,} of them won"
        return NONE, (
            f"No forecast: {found}. It needs {settings.min_deals} that were open for at least a day, "
            f"{MIN_PER_OUTCOME} of them won and {MIN_PER_OUTCOME} lost."
        )
    decision, sentence = verdict(record, "in the backtest")
    of_live, live_sentence = verdict(live, "with forecasts as they were made")
    if of_live == "worse":
        return STAGE, f"{live_sentence} The win rate of the stage is shown."
    if decision == "better":
        return MODEL, sentence
    return STAGE, f"{sentence} The win rate of the stage is shown."


def deal_rows(found: Forecast, made_on: date) -> list[DealForecastRow]:
    """Return one row per open deal, by deal id."""
    data, forecaster, snapshots = found.data, found.forecaster, found.snapshots
    n = len(snapshots.deal)
    unknown = np.full(n, np.nan)
    model, baselines = forecaster.model, forecaster.baselines
    of_model = model.probability(snapshots) if model else unknown
    has_rates = baselines is not None and found.basis != NONE
    rates = baselines.stage_rate(snapshots.stage) if baselines and has_rates else unknown
    base = baselines.base_rate if baselines and has_rates else None
    explained = reasons(data, found.builder, model, snapshots) if model and found.basis == MODEL else [[]] * n
    first, end = data.calls.until(snapshots.deal, snapshots.at)
    rows = []
    for row, number in enumerate(snapshots.deal.tolist()):
        silent = (snapshots.at[row] - data.calls.at[end[row] - 1]) / DAY_SECONDS if end[row] > first[row] else None
        texts, details = _explanation(found, row, explained[row], rates)
        rows.append(
            DealForecastRow(
                **_facts(data.deals[number], data.last_calls.get(number, LastCall(""))),
                win_probability=_number(found.probability[row]),
                win_low=_number(found.low[row]),
                win_high=_number(found.high[row]),
                basis=found.basis,
                model_probability=_number(of_model[row]),
                stage_win_rate=_number(rates[row]),
                base_rate=base,
                reasons=texts,
                reason_details=details,
                note=found.note,
                age_days=round(float(snapshots.at[row] - data.started_at[number]) / DAY_SECONDS, 1),
                calls=int(end[row] - first[row]),
                days_since_last_call=round(float(silent), 1) if silent is not None else None,
                trained_on=len(np.unique(forecaster.training.snapshots.deal)),
                made_on=made_on,
            )
        )
    return rows


def _facts(deal: DealFacts, last: LastCall) -> dict[str, Any]:
    """Return the columns that say which deal it is, what the CRM says, and who spoke last."""
    return {
        "deal_id": deal.deal_id,
        "deal_name": deal.name,
        "account_name": deal.account_name,
        "rep_id": last.rep_id,
        "rep_name": last.rep_name,
        "manager_id": last.manager_id,
        "stage": deal.stage,
        "forecast_category": deal.forecast_category,
        "close_date": deal.close_date,
        "amount": deal.amount,
        "currency": deal.currency,
        "crm_probability": deal.probability,
        "last_call_id": last.call_id or None,
        "last_call_url": last.review_url,
    }


def _explanation(found: Forecast, row: int, explained: Sequence[Reason], rates: Floats) -> tuple[list[str], str | None]:
    """Return the reasons as sentences and as JSON."""
    if found.basis == STAGE:
        stage = found.builder.past.stages[found.snapshots.stage[row]]
        of_what = "deals whose stage is not recorded" if stage == UNKNOWN_STAGE else f"stage {stage}"
        interval = f"95 % interval {found.low[row] * 100:.0f} to {found.high[row] * 100:.0f} %"
        return [f"historical win rate of {of_what}: {rates[row] * 100:.0f} % ({interval})"], None
    details = []
    for reason in explained:
        call_id, url = found.data.call_ids.get(reason.call, (None, None))
        details.append(
            {
                "feature": reason.feature,
                "points": round(reason.points, 1),
                "text": reason.text,
                "call_id": call_id,
                "review_url": url,
            }
        )
    return [reason.sentence for reason in explained], json.dumps(details, ensure_ascii=False) if details else None


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
