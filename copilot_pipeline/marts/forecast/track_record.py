"""The track record: forecasts as they were made, their scores once deals close, and their calibration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple

import numpy as np

from copilot_pipeline.marts.forecast.comparison import Comparison, Difference, compare, per_deal, verdict
from copilot_pipeline.marts.forecast.data import Floats, ForecastData, Ints
from copilot_pipeline.marts.forecast.deal_forecast import MODEL, Forecast
from copilot_pipeline.marts.forecast.evidence import Evidence
from copilot_pipeline.marts.forecast.rows import DealForecastRow, ForecastAccuracyRow, TrackRecordRow
from copilot_pipeline.marts.intervals import share_of
from copilot_pipeline.transform.deal_outcomes import DealOutcome

LIVE, BACKTEST, RECONSTRUCTED = "live", "backtest", "reconstructed"
DECILES = 10


class StoredForecast(NamedTuple):
    """The probabilities of a forecast that was made."""

    deal_id: str
    made_on: date
    model_probability: float
    stage_win_rate: float
    base_rate: float


class Ending(NamedTuple):
    """How a deal has ended by now."""

    outcome: DealOutcome
    closed_on: date | None


@dataclass(frozen=True, slots=True)
class ScoredForecasts:
    """Forecasts of deals that have closed since, one entry each; deals are numbered."""

    source: str
    deal: Ints
    made_on: Sequence[date]
    model: Floats
    stage: Floats
    base: Floats
    won: Floats
    evidence: Evidence | None = None  # of the backtest: of what calls add to the CRM

    @property
    def comparison(self) -> Comparison | None:
        """The model against both baselines."""
        return compare(self.deal, self.won, self.model, self.stage, self.base, self.evidence)


def endings(data: ForecastData) -> dict[str, Ending]:
    """Return how each deal has ended by now, by id."""
    return {
        deal.deal_id: Ending(deal.outcome, _day(deal.closed_at) if deal.closed_at is not None else None)
        for deal in data.deals
    }


def _day(at: int) -> date:
    return datetime.fromtimestamp(at, UTC).date()


# --- rows ----------------------------------------------------------------------------------------------------------


def live_rows(
    former: Iterable[TrackRecordRow],
    rows: Iterable[DealForecastRow],
    ends: Mapping[str, Ending],
    made_on: date,
) -> Iterator[TrackRecordRow]:
    """Yield the forecasts of former days with their outcomes as of now, then those of today.

    Nothing of a former forecast changes but its outcome and scores.
    """
    for row in former:
        yield scored(row, ends.get(row.deal_id, Ending(DealOutcome.OPEN, None)))
    for deal in rows:
        yield TrackRecordRow(
            source=LIVE,
            made_on=made_on,
            deal_id=deal.deal_id,
            stage=deal.stage,
            amount=deal.amount,
            currency=deal.currency,
            close_date=deal.close_date,
            win_probability=deal.win_probability,
            win_low=deal.win_low,
            win_high=deal.win_high,
            basis=deal.basis,
            model_probability=deal.model_probability,
            stage_win_rate=deal.stage_win_rate,
            base_rate=deal.base_rate,
        )


def backtest_rows(found: Forecast, ends: Mapping[str, Ending]) -> Iterator[TrackRecordRow]:
    """Yield the forecasts of the backtest, with what was known about each deal then; one per deal and day."""
    past, data = found.past, found.data
    states = found.builder.past.deal_as_of(past.deal, past.snapshots.at)
    seen: set[tuple[date, int]] = set()
    for row, number in enumerate(past.deal.tolist()):
        deal, made_on = data.deals[number], _day(int(past.snapshots.at[row]))
        if (made_on, number) in seen:
            continue
        seen.add((made_on, number))
        yield scored(
            TrackRecordRow(
                source=BACKTEST,
                made_on=made_on,
                deal_id=deal.deal_id,
                stage=found.builder.past.stages[past.snapshots.stage[row]],
                amount=None if np.isnan(states.amount[row]) else float(states.amount[row]),
                currency=deal.currency,
                close_date=None,
                win_probability=float(past.model[row]),
                win_low=float(past.low[row]),
                win_high=float(past.high[row]),
                basis=MODEL,
                model_probability=float(past.model[row]),
                stage_win_rate=float(past.stage[row]),
                base_rate=float(past.base[row]),
            ),
            ends[deal.deal_id],
        )


def scored(row: TrackRecordRow, end: Ending) -> TrackRecordRow:
    """Return the row with the outcome, and with scores unless the deal had closed before the forecast was made."""
    counts = end.closed_on is not None and end.closed_on >= row.made_on
    won = float(end.outcome is DealOutcome.WON)

    def brier(probability: float | None) -> float | None:
        return (probability - won) ** 2 if counts and probability is not None else None

    return row._replace(
        outcome=end.outcome.value,
        closed_on=end.closed_on,
        brier=brier(row.win_probability),
        model_brier=brier(row.model_probability),
        stage_brier=brier(row.stage_win_rate),
        base_brier=brier(row.base_rate),
    )


# --- scores --------------------------------------------------------------------------------------------------------


def scored_live(rows: Iterable[StoredForecast], ends: Mapping[str, Ending]) -> ScoredForecasts:
    """Return the forecasts that were made by the model on former days for deals that have closed since."""
    numbers = {deal_id: number for number, deal_id in enumerate(ends)}
    closed = [
        row
        for row in rows
        if (end := ends.get(row.deal_id)) and end.closed_on is not None and end.closed_on >= row.made_on
    ]
    model, stage, base = (
        np.array([getattr(row, name) for row in closed], dtype=np.float64)
        for name in ("model_probability", "stage_win_rate", "base_rate")
    )
    return ScoredForecasts(
        LIVE,
        np.array([numbers[row.deal_id] for row in closed], dtype=np.int64),
        [row.made_on for row in closed],
        model,
        stage,
        base,
        np.array([ends[row.deal_id].outcome is DealOutcome.WON for row in closed], dtype=np.float64),
    )


def scored_backtest(found: Forecast) -> ScoredForecasts:
    """Return the forecasts of the backtest."""
    past = found.past
    days = [_day(at) for at in past.snapshots.at.tolist()]
    evidence = found.record.evidence if found.record is not None else None
    return ScoredForecasts(BACKTEST, past.deal, days, past.model, past.stage, past.base, past.won, evidence)


def accuracy_rows(scored: ScoredForecasts) -> list[ForecastAccuracyRow]:
    """Return the verdict over all forecasts, and the calibration in tenths of the model's forecasts."""
    if not len(scored.deal):
        return []
    where = "in the backtest" if scored.source == BACKTEST else "with forecasts as they were made"
    decision, sentence = verdict(scored.comparison, where)
    whole = np.arange(len(scored.deal))
    tenths = np.array_split(np.argsort(scored.model, kind="stable"), DECILES)
    return [
        _accuracy_row(scored, "all", whole, scored.comparison, decision, sentence),
        *(
            _accuracy_row(scored, str(number), chosen, None, None, None)
            for number, chosen in enumerate(tenths, 1)
            if len(chosen)
        ),
    ]


def _accuracy_row(
    scored: ScoredForecasts,
    decile: str,
    chosen: Ints,
    comparison: Comparison | None,
    decision: str | None,
    sentence: str | None,
) -> ForecastAccuracyRow:
    deal, won = scored.deal[chosen], scored.won[chosen]
    of_deals = per_deal(deal, won)
    share = share_of(int(of_deals.sum()), len(of_deals))
    model, stage, base = (
        float(per_deal(deal, (values[chosen] - won) ** 2).mean())
        for values in (scored.model, scored.stage, scored.base)
    )
    days = [scored.made_on[number] for number in chosen.tolist()]
    return ForecastAccuracyRow(
        source=scored.source,
        decile=decile,
        forecasts=len(chosen),
        deals=len(of_deals),
        mean_forecast=float(per_deal(deal, scored.model[chosen]).mean()),
        won=int(of_deals.sum()),
        share=share.share,
        share_low=share.low,
        share_high=share.high,
        model_brier=model,
        stage_brier=stage,
        base_brier=base,
        **_gains(comparison),
        verdict=decision,
        sentence=sentence,
        first_made_on=min(days),
        last_made_on=max(days),
    )


def _gains(comparison: Comparison | None) -> dict[str, float | None]:
    unknown = Difference(np.nan, np.nan, np.nan)
    stage, base = (comparison.over_stage, comparison.over_base) if comparison else (unknown, unknown)
    return {
        "gain_over_stage": _finite(stage.mean),
        "gain_over_stage_low": _finite(stage.low),
        "gain_over_stage_high": _finite(stage.high),
        "gain_over_base": _finite(base.mean),
        "gain_over_base_low": _finite(base.low),
        "gain_over_base_high": _finite(base.high),
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
