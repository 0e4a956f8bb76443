"""What deals must have in common to be compared: exposure, size, people and time, as columns of numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

from copilot_pipeline.marts.win_loss.adjustment import Labels
from copilot_pipeline.marts.win_loss.deal_observations import Observation
from copilot_pipeline.marts.win_loss.saddlepoint import Floats

_MIN_DEALS_PER_GROUP = 4
_MIN_DEALS_PER_ACCOUNT = 8
_DEALS_PER_GROUP = 8  # at most one group for so many deals
_YEAR_S = 365.25 * 86_400
_SEASONS_FROM_S, _QUARTERS_FROM_S = 1.25 * _YEAR_S, 0.75 * _YEAR_S


def covariates(observed: Sequence[Observation], adjust_for: Sequence[str]) -> Floats:
    """Return a row per deal: a column of ones, then columns of variance 1 for each confounder that differs."""
    columns = [column for name in adjust_for for column in _COLUMNS[name](observed)]
    standard = [(column - column.mean()) / column.std() for column in columns if column.std() > 1e-9]
    return np.column_stack([np.ones(len(observed)), *standard])


def adjusted_for(observed: Sequence[Observation], adjust_for: Sequence[str]) -> list[str]:
    """Return the confounders that differ between the deals."""
    return [name for name in adjust_for if any(column.std() > 1e-9 for column in _COLUMNS[name](observed))]


def clusters(observed: Sequence[Observation]) -> Labels:
    """Return the number of each deal's account; a deal without one is alone."""
    names = [f"account {one.account}" if one.account is not None else f"deal {one.deal_id}" for one in observed]
    found: Labels = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return found


def stages(observed: Sequence[Observation]) -> Labels | None:
    """Return the number of each deal's last stage before the close; None if all have one, or none is recorded."""
    names = [one.stage or "" for one in observed]
    if len(set(names)) < 2:
        return None
    found: Labels = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return found


def _calls(observed: Sequence[Observation]) -> Iterator[Floats]:
    """Their number and their mean length, on the scale of logarithms. A length that is not known is the median."""
    yield from _curve(np.log([one.calls for one in observed]))
    hours = np.array([np.nan if one.hours is None else one.hours for one in observed])
    if (known := ~np.isnan(hours)).any():
        yield from _curve(np.log(np.where(known, hours, np.median(hours[known]))))


def _duration(observed: Sequence[Observation]) -> Iterator[Floats]:
    """From the creation of the deal (else the first call) to the close, and between the first and the last call."""
    yield from _curve(np.log1p([one.days for one in observed]))
    yield np.log1p([one.days_between_calls for one in observed])


def _amount(observed: Sequence[Observation]) -> Iterator[Floats]:
    """By rank, so that neither a single large deal nor the currency matters much."""
    amounts = np.array([np.nan if one.amount is None else one.amount for one in observed])
    known = ~np.isnan(amounts)
    ranks = np.full(len(amounts), 0.5)
    ranks[known] = (rankdata(amounts[known]) - 0.5) / max(1, known.sum())
    yield known.astype(np.float64)
    yield from _curve(ranks)


def _close_date(observed: Sequence[Observation]) -> Iterator[Floats]:
    """A curve over the ranks, so that the number of deals per month does not matter, and the season of the year.

    The season is a wave with the period of a year (Stolwijk, Straatman and Zielhuis, Journal of Epidemiology and
    Community Health 53, 1999, 235-238), if the deals cover more than one. That of the quarter, at whose end deals are
    closed otherwise, is two waves with periods of a quarter and half of one, if the deals cover three quarters.
    """
    times = np.array([one.closed_at.timestamp() for one in observed])
    ranks = rankdata(times) / len(observed)
    yield from _curve(ranks)
    yield (ranks - 0.5) ** 3
    if np.ptp(times) > _SEASONS_FROM_S:
        yield from _waves(times / _YEAR_S)
    if np.ptp(times) > _QUARTERS_FROM_S:
        yield from (wave for number in (4, 8) for wave in _waves(number * times / _YEAR_S))


def _waves(turns: Floats) -> Iterator[Floats]:
    yield from (np.sin(2 * np.pi * turns), np.cos(2 * np.pi * turns))


def _named(
    value: Callable[[Observation], str | None], min_deals: int = _MIN_DEALS_PER_GROUP
) -> Callable[[Sequence[Observation]], Iterator[Floats]]:
    return lambda observed: _groups([value(one) for one in observed], min_deals)


def _curve(values: Floats) -> Iterator[Floats]:
    """A line and a parabola."""
    spread = values.std()
    if spread > 1e-9:
        standard = (values - values.mean()) / spread
        yield standard
        yield standard**2


def _groups(values: Sequence[object], min_deals: int) -> Iterator[Floats]:
    """One column for each of the most frequent values; the others are one group together."""
    counts = Counter(value for value in values if value is not None)
    frequent = [value for value in counts if counts[value] >= min_deals]
    for value in sorted(frequent, key=lambda one: (-counts[one], str(one)))[: len(values) // _DEALS_PER_GROUP]:
        yield np.array([one == value for one in values], dtype=np.float64)


_COLUMNS: Mapping[str, Callable[[Sequence[Observation]], Iterator[Floats]]] = {
    "calls": _calls,
    "duration": _duration,
    "segment": _named(lambda one: one.segment),
    "amount": _amount,
    "rep": _named(lambda one: one.rep_id),
    "account": _named(lambda one: one.account, _MIN_DEALS_PER_ACCOUNT),
    "stage": _named(lambda one: one.stage),
    "close_date": _close_date,
}
