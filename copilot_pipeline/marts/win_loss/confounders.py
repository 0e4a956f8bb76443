"""What deals must have in common to be compared: exposure, size, people and time, as columns of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

from copilot_pipeline.marts.circumstances import curve, dates, groups
from copilot_pipeline.marts.win_loss.adjustment import Labels
from copilot_pipeline.marts.win_loss.deal_observations import Observation
from copilot_pipeline.marts.win_loss.saddlepoint import Floats

_MIN_DEALS_PER_GROUP = 4
_MIN_DEALS_PER_ACCOUNT = 8


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


def cells(observed: Sequence[Observation], adjust_for: Sequence[str]) -> Labels:
    """Return the number of each deal's rep and segment together; without both, or without adjustment, it is alone."""
    is_adjusted = {"rep", "segment"} <= set(adjust_for)
    names = [
        f"{one.rep_id}\n{one.segment}" if is_adjusted and one.rep_id and one.segment else f"\ndeal {one.deal_id}"
        for one in observed
    ]
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
    """Their number, mean length and mean number of prospects, as logarithms; the median for what is not known."""
    yield from curve(np.log([one.calls for one in observed]))
    for values in ([one.hours for one in observed], [one.prospects for one in observed]):
        numbers = np.array([np.nan if value is None else value for value in values])
        if (known := ~np.isnan(numbers)).any():
            yield from curve(np.log(np.where(known, numbers, np.median(numbers[known]))))


def _duration(observed: Sequence[Observation]) -> Iterator[Floats]:
    """From the creation of the deal (else the first call) to the close, and between the first and the last call."""
    yield from curve(np.log1p([one.days for one in observed]))
    yield np.log1p([one.days_between_calls for one in observed])


def _amount(observed: Sequence[Observation]) -> Iterator[Floats]:
    """By rank, so that neither a single large deal nor the currency matters much."""
    amounts = np.array([np.nan if one.amount is None else one.amount for one in observed])
    known = ~np.isnan(amounts)
    ranks = np.full(len(amounts), 0.5)
    ranks[known] = (rankdata(amounts[known]) - 0.5) / max(1, known.sum())
    yield known.astype(np.float64)
    yield from curve(ranks)


def _named(
    value: Callable[[Observation], str | None], min_deals: int = _MIN_DEALS_PER_GROUP
) -> Callable[[Sequence[Observation]], Iterator[Floats]]:
    return lambda observed: groups([value(one) for one in observed], min_deals)


_COLUMNS: Mapping[str, Callable[[Sequence[Observation]], Iterator[Floats]]] = {
    "calls": _calls,
    "duration": _duration,
    "segment": _named(lambda one: one.segment),
    "amount": _amount,
    "rep": _named(lambda one: one.rep_id),
    "account": _named(lambda one: one.account, _MIN_DEALS_PER_ACCOUNT),
    "stage": _named(lambda one: one.stage),
    "close_date": lambda observed: dates([one.closed_at for one in observed]),
}
