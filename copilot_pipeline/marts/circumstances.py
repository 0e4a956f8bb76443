"""Circumstances of deals as columns of numbers: groups, curves, and the date with its season."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from copilot_pipeline.marts.model import Deal

Floats = NDArray[np.float64]
Value = TypeVar("Value", datetime, float)
Ints = NDArray[np.int64]

_MIN_DEALS_PER_GROUP = 4
_DEALS_PER_GROUP = 8  # at most one group for so many deals
_DEALS_PER_COLUMN = 4  # fewer deals cannot hold as much constant
_SMALL = 1e-7
_MIN_SHARED, _MIN_WITHIN = 0.5, 0.2  # shares of the deals, and of the variance
_DAY_S = 86_400.0
_YEAR_S = 365.25 * _DAY_S
_SEASONS_FROM_S, _QUARTERS_FROM_S = 1.25 * _YEAR_S, 0.75 * _YEAR_S


class Circumstances(NamedTuple):
    """What deals must have in common to be compared, apart from their number of calls; None where it is unknown."""

    rep_id: str | None = None
    segment: str | None = None
    closed_at: datetime | None = None
    days: float | None = None  # from its creation to its close

    @classmethod
    def of(cls, deal: Deal, rep_id: str | None, segment_field: str) -> Circumstances:
        """Return those of a deal, whose rep is that of most of its calls."""
        closed_at = deal.closed_at or deal.close_date
        days = None
        if closed_at is not None and deal.created_at is not None:
            days = max(0.0, (closed_at - deal.created_at).total_seconds() / _DAY_S)
        return cls(rep_id, segment_of(deal, segment_field), closed_at, days)


def segment_of(deal: Deal, name: str) -> str | None:
    """Return the custom field of the account that holds the customer's segment."""
    fields = {key.strip().casefold(): value.strip() for key, value in deal.account_fields.items()}
    return fields.get(name.strip().casefold()) or None


def circumstances(deals: Sequence[Circumstances], taken: int) -> Floats:
    """Return a row per deal with columns of variance 1, in as far as there are four deals for each column.

    `taken` is the number of other columns. The length of the deal comes first, then the segment, the date of the
    close, the rep, and what each rep has in common with each segment. Of segments and reps those with the most deals
    have columns.
    """
    n = len(deals)
    kept = np.zeros((n, 0))
    closes = _filled([one.closed_at for one in deals])
    days = _filled([one.days for one in deals])
    segments, reps = [one.segment for one in deals], [one.rep_id for one in deals]
    pairs = [None if None in pair else pair for pair in zip(segments, reps, strict=True)]
    parts = (
        (curve(np.log1p(days)) if days else iter(()), False),
        (groups(segments, _MIN_DEALS_PER_GROUP), True),
        (dates(closes) if closes else iter(()), False),
        (groups(reps, _MIN_DEALS_PER_GROUP), True),
        (groups(pairs, _MIN_DEALS_PER_GROUP), True),
    )
    for part, is_divisible in parts:
        columns = [(column - column.mean()) / column.std() for column in part if column.std() > _SMALL]
        free = max(0, n // _DEALS_PER_COLUMN - taken - kept.shape[1])
        if is_divisible or len(columns) <= free:
            kept = independent(np.column_stack([kept, *columns[:free]]))
    return kept


def _filled(values: Sequence[Value | None]) -> list[Value]:
    """Return values with the median in place of unknown ones; empty if all are unknown."""
    known = sorted(value for value in values if value is not None)
    return [known[len(known) // 2] if value is None else value for value in values] if known else []


def mean_of_account(is_outcome: Floats, accounts: Ints) -> Floats:
    """Return a column with the mean of an outcome over the deals of each account; no column if few deals share one.

    Beside it, the coefficient of the outcome is that within accounts (Mundlak, Econometrica 46, 1978, 69-85): what the
    deals of an account have in common is no difference between won and lost deals. Deals that are alone in their
    account say nothing then, so at least half of the deals must share one, and their outcomes must differ within it.
    """
    sizes = np.bincount(accounts)
    means: Floats = (np.bincount(accounts, is_outcome) / sizes)[accounts]
    is_shared = (sizes[accounts] > 1).mean() >= _MIN_SHARED
    differs = ((is_outcome - means) ** 2).sum() >= _MIN_WITHIN * ((is_outcome - is_outcome.mean()) ** 2).sum()
    return means[:, np.newaxis] if is_shared and differs else np.zeros((len(means), 0))


def independent(columns: Floats) -> Floats:
    """Return the columns that are not a combination of those before them."""
    lengths = np.linalg.norm(columns, axis=0)
    left = np.abs(np.diag(np.linalg.qr(columns, mode="r")))
    kept = left > _SMALL * np.maximum(lengths[: len(left)], _SMALL)
    return np.asarray(columns[:, : len(left)][:, kept])


def curve(values: Floats) -> Iterator[Floats]:
    """Yield a line and a parabola."""
    spread = values.std()
    if spread > 1e-9:
        standard = (values - values.mean()) / spread
        yield standard
        yield standard**2


def groups(values: Sequence[object], min_deals: int) -> Iterator[Floats]:
    """Yield one column for each of the most frequent values; the others are one group together."""
    counts = Counter(value for value in values if value is not None)
    frequent = [value for value in counts if counts[value] >= min_deals]
    for value in sorted(frequent, key=lambda one: (-counts[one], str(one)))[: len(values) // _DEALS_PER_GROUP]:
        yield np.array([one == value for one in values], dtype=np.float64)


def dates(closed_at: Sequence[datetime]) -> Iterator[Floats]:
    """Yield a curve over the ranks, so that the number of deals per month does not matter, and the season of the year.

    The season is a wave with the period of a year (Stolwijk, Straatman and Zielhuis, Journal of Epidemiology and
    Community Health 53, 1999, 235-238), if the deals cover more than one. That of the quarter, at whose end deals are
    closed otherwise, is two waves with periods of a quarter and half of one, if the deals cover three quarters.
    """
    times = np.array([one.timestamp() for one in closed_at])
    ranks = rankdata(times) / len(times)
    yield from curve(ranks)
    yield (ranks - 0.5) ** 3
    if np.ptp(times) > _SEASONS_FROM_S:
        yield from _waves(times / _YEAR_S)
    if np.ptp(times) > _QUARTERS_FROM_S:
        yield from (wave for number in (4, 8) for wave in _waves(number * times / _YEAR_S))


def _waves(turns: Floats) -> Iterator[Floats]:
    yield from (np.sin(2 * np.pi * turns), np.cos(2 * np.pi * turns))
