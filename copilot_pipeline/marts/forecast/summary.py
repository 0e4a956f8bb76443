"""The forecast by close month, team and rep, with an interval from a simulation of the open deals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from copilot_pipeline.config.forecast import ForecastSettings
from copilot_pipeline.marts.forecast.comparison import per_deal
from copilot_pipeline.marts.forecast.data import Flags, Floats, Ints
from copilot_pipeline.marts.forecast.deal_forecast import MODEL, Forecast
from copilot_pipeline.marts.forecast.rows import DealForecastRow, ForecastSummaryRow

DRAWS = 2000
PERCENTILES = (0.025, 0.975)
MIN_MONTHS = 6  # closed months, below which a common effect of a month cannot be estimated
UNKNOWN, NO_MONTH = "unknown", "none"

Group = tuple[str, str, str, str]  # grain, id, close month, currency


def summary_rows(
    found: Forecast, rows: Sequence[DealForecastRow], names: Mapping[str, str], settings: ForecastSettings
) -> list[ForecastSummaryRow]:
    """Return one row per grain, close month and currency; `names` are those of teams and reps by id."""
    effect = month_effect(found)
    months = [_month(row.close_date) for row in rows]
    won = _simulated(found, months, effect or 0.0, settings.seed)
    groups: defaultdict[Group, list[int]] = defaultdict(list)
    for number, (row, month) in enumerate(zip(rows, months, strict=True)):
        for grain, grain_id in (("all", "all"), ("team", row.manager_id), ("rep", row.rep_id)):
            groups[grain, grain_id or UNKNOWN, month, row.currency or UNKNOWN].append(number)
    build = _row_builder(rows, won, names, settings, effect)
    return [build(group, np.array(members)) for group, members in sorted(groups.items())]


def month_effect(found: Forecast) -> float | None:
    """Return the standard deviation, in log-odds, of what deals that close in one month have in common.

    The moment estimator of DerSimonian and Laird ("Meta-analysis in clinical trials", 1986), applied to the months of
    the backtest: by how much the wins of a month differ from the forecast more than independent deals would. None if
    there are too few months.
    """
    past = found.past
    forecast = past.model if found.basis == MODEL else past.stage
    if not len(forecast):
        return None
    deals = np.unique(past.deal)
    expected, won = per_deal(past.deal, forecast), per_deal(past.deal, past.won)
    _, month = np.unique(_months(found.data.closed_at[deals]), return_inverse=True)
    variance = np.bincount(month, expected * (1 - expected))
    excess = np.bincount(month, won - expected) ** 2 - variance
    if len(variance) < MIN_MONTHS:
        return None
    return float(np.sqrt(max(0.0, excess.sum() / (variance**2).sum())))


def _months(at: Ints) -> Ints:
    return at.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)


def _month(close_date: datetime | None) -> str:
    return f"{close_date.astimezone(UTC):%Y-%m}" if close_date is not None else NO_MONTH


def _simulated(found: Forecast, months: Sequence[str], effect: float, seed: int) -> NDArray[np.float32]:
    """Return whether each open deal is won (deals, draws), as 0 or 1.

    Deals share the uncertainty of the coefficients or of their stage's rate, and the effect of their close month.
    """
    rng = np.random.default_rng(seed)
    _, month = np.unique(np.array(months, dtype=str), return_inverse=True)
    won = np.zeros((len(months), DRAWS), dtype=np.float32)
    log_odds = found.draws(DRAWS, rng)
    effects = effect * rng.standard_normal((int(month.max(initial=-1)) + 1, DRAWS))
    for row in range(len(months)):  # row by row: a matrix of uniform numbers would double the memory
        won[row] = rng.random(DRAWS) < expit(log_odds[row] + effects[month[row]])
    return won


def _row_builder(
    rows: Sequence[DealForecastRow],
    won: NDArray[np.float32],
    names: Mapping[str, str],
    settings: ForecastSettings,
    effect: float | None,
) -> Callable[[Group, Ints], ForecastSummaryRow]:
    amounts = np.array([row.amount or 0.0 for row in rows])
    probability = np.array([np.nan if row.win_probability is None else row.win_probability for row in rows])
    by_stage = np.array(list(_stage_probabilities(rows)))
    commit = _in_category(rows, settings.commit)
    best_case = commit | _in_category(rows, settings.best_case)

    def build(group: Group, members: Ints) -> ForecastSummaryRow:
        grain, grain_id, month, currency = group
        amount = amounts[members]
        low, high = _interval(amount, won[members]) if not np.isnan(probability[members]).any() else (None, None)
        return ForecastSummaryRow(
            grain=grain,
            grain_id=grain_id,
            grain_name=names.get(grain_id),
            close_month=month,
            currency=currency,
            deals=len(members),
            deals_without_amount=sum(rows[number].amount is None for number in members),
            deals_without_probability=int(np.isnan(probability[members]).sum()),
            pipeline=float(amount.sum()),
            stage_weighted=_sum(amount * by_stage[members]),
            forecast=_sum(amount * probability[members]),
            forecast_low=low,
            forecast_high=high,
            wins=_sum(probability[members]),
            commit=float(amount[commit[members]].sum()),
            best_case=float(amount[best_case[members]].sum()),
            month_effect=effect,
        )

    return build


def _interval(amount: Floats, won: NDArray[np.float32]) -> tuple[float, float]:
    # The sums of draws are bounded by float32's 7 digits, far below their own spread.
    low, high = np.quantile(amount.astype(np.float32) @ won, PERCENTILES)
    return float(low), float(high)


def _stage_probabilities(rows: Sequence[DealForecastRow]) -> Iterator[float]:
    for row in rows:
        known = row.crm_probability if row.crm_probability is not None else row.stage_win_rate
        yield np.nan if known is None else known


def _in_category(rows: Sequence[DealForecastRow], names: Sequence[str]) -> Flags:
    plain = {name.strip().casefold() for name in names}
    return np.array([(row.forecast_category or "").strip().casefold() in plain for row in rows], dtype=np.bool_)


def _sum(values: Floats) -> float | None:
    return None if np.isnan(values).any() else float(values.sum())
