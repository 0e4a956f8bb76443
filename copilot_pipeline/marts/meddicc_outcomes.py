"""MEDDICC coverage of won and lost deals: as counted, and at the same number of scored calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from math import floor, log
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from scipy.stats import fisher_exact
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import confint_proportions_2indep

from copilot_pipeline.marts.call_columns import Numbers, encoded
from copilot_pipeline.marts.circumstances import (
    Circumstances,
    Floats,
    circumstances,
    independent,
    mean_of_account,
)
from copilot_pipeline.marts.intervals import percent, share_of
from copilot_pipeline.marts.model import Deal
from copilot_pipeline.marts.outcomes import is_before_close
from copilot_pipeline.transform.deal_outcomes import DealOutcome

_EXACT_CALLS = 10  # up to here every number of calls is a stratum of its own
_STRATUM_RATIO = 1.2
_MIN_DEGREES_OF_FREEDOM = 10
# An account with so many deals, and such a share of all, is compared within itself; at most so many, the largest.
_MIN_DEALS_OF_ACCOUNT, _MIN_SHARE_OF_ACCOUNT, _MAX_ACCOUNTS = 8, 0.01, 40


class OutcomeRow(NamedTuple):
    """A row of `meddicc_outcomes`."""

    element: str
    outcome: str
    n: int
    uncovered: int
    share: float | None
    share_low: float | None
    share_high: float | None
    p_value: float | None
    sentence: str
    mean_calls: float
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    adjusted_n: int | None
    adjusted_difference: float | None
    adjusted_low: float | None
    adjusted_high: float | None
    adjusted_p_value: float | None


class _Deal(NamedTuple):
    """A deal, and whether no call covers the element. `calls` is the exposure: scored calls before the close."""

    outcome: DealOutcome
    is_uncovered: bool
    calls: int
    account: str | None = None
    circumstances: Circumstances = Circumstances()


class Difference(NamedTuple):
    """The share of lost deals without coverage minus that of won deals, with its 95 % interval."""

    value: float
    low: float
    high: float
    p_value: float | None
    n: int  # deals


def meddicc_outcomes(
    coverage: pa.Table | None, deals: Iterable[Deal], segment_field: str = "Segment"
) -> list[OutcomeRow]:
    """Return, per element and outcome, the deals in which no call before the close covered the element.

    Each deal with at least one such call counts once, however many calls it has. `coverage` has the columns `element`,
    `deal_id`, `started_at`, `is_covered` and, if known, `rep_id` of `meddicc_coverage`.
    """
    if coverage is None:
        return []
    by_id = {deal.deal_id: deal for deal in deals}
    (elements, of_element), (deal_ids, of_deal) = encoded(coverage["element"]), encoded(coverage["deal_id"])
    known = [by_id.get(deal_id) for deal_id in deal_ids]
    is_known = np.array([deal is not None for deal in known] + [False])[of_deal]
    started = coverage["started_at"].to_numpy().astype("datetime64[us]").astype(np.int64)
    covered = coverage["is_covered"].to_numpy()
    of_known = _circumstances(known, _reps(coverage, of_deal), segment_field)
    rows: list[OutcomeRow] = []
    for number in sorted(range(len(elements)), key=elements.__getitem__):
        chosen = is_known & (of_element == number)
        at = of_deal[chosen]
        before = is_before_close(known, at, started[chosen])
        calls = np.bincount(at[before], minlength=len(known))
        is_covered = np.bincount(at[before & covered[chosen]], minlength=len(known)) > 0
        observed = [
            _Deal(deal.outcome, not of_deal_covered, of_deal_calls, deal.account_name, at)
            for deal, of_deal_covered, of_deal_calls, at in zip(
                known, is_covered.tolist(), calls.tolist(), of_known, strict=True
            )
            if deal is not None and of_deal_calls
        ]
        rows += _rows(elements[number], observed)
    return rows


def _reps(coverage: pa.Table, of_deal: Numbers) -> Mapping[int, str]:
    """Return the rep of most calls of each deal, by the deal's position."""
    if "rep_id" not in coverage.column_names:
        return {}
    reps, of_rep = encoded(coverage["rep_id"])
    pairs, calls = np.unique(
        np.column_stack([of_deal, of_rep])[(of_deal >= 0) & (of_rep >= 0)], axis=0, return_counts=True
    )
    in_order = pairs[np.argsort(calls, kind="stable")].tolist()
    return {deal: reps[rep] for deal, rep in in_order}


def _circumstances(deals: Sequence[Deal | None], reps: Mapping[int, str], segment_field: str) -> list[Circumstances]:
    return [
        Circumstances.of(deal, reps.get(number), segment_field) if deal is not None else Circumstances()
        for number, deal in enumerate(deals)
    ]


def _rows(element: str, deals: Sequence[_Deal]) -> Iterator[OutcomeRow]:
    groups: Mapping[DealOutcome, Sequence[_Deal]] = {
        outcome: [deal for deal in deals if deal.outcome is outcome] for outcome in DealOutcome
    }
    won, lost = groups[DealOutcome.WON], groups[DealOutcome.LOST]
    raw, adjusted = _raw_difference(lost, won), adjusted_difference([*lost, *won])
    for outcome, of_outcome in groups.items():
        if not of_outcome:
            continue
        is_closed = outcome is not DealOutcome.OPEN
        n, uncovered = len(of_outcome), sum(deal.is_uncovered for deal in of_outcome)
        share = share_of(uncovered, n)
        compared, at_exposure = (raw, adjusted) if is_closed else (None, None)
        yield OutcomeRow(
            element=element,
            outcome=outcome.value,
            n=n,
            uncovered=uncovered,
            share=share.share,
            share_low=share.low,
            share_high=share.high,
            mean_calls=sum(deal.calls for deal in of_outcome) / n,
            p_value=compared.p_value if compared else None,
            difference=compared.value if compared else None,
            difference_low=compared.low if compared else None,
            difference_high=compared.high if compared else None,
            adjusted_n=at_exposure.n if at_exposure else None,
            adjusted_difference=at_exposure.value if at_exposure else None,
            adjusted_low=at_exposure.low if at_exposure else None,
            adjusted_high=at_exposure.high if at_exposure else None,
            adjusted_p_value=at_exposure.p_value if at_exposure else None,
            sentence=(
                f"Of {n:,} {outcome.value} deal{'s' if n != 1 else ''} {percent(uncovered / n)} ({uncovered:,}, 95 % "
                f"interval {percent(share.low or 0)} to {percent(share.high or 0)}) had no coverage of "
                f"{element.replace('_', ' ')}.{_comparison(at_exposure)}"
            ),
        )


def _comparison(adjusted: Difference | None) -> str:
    if adjusted is None:
        return ""
    points = round(adjusted.value * 100)
    how = f"{abs(points)} points {'more' if points > 0 else 'less'} often than" if points else "as often as"
    return (
        f" At the same number of scored calls lost deals lacked it {how} won ones "
        f"({adjusted.low * 100:+.0f} to {adjusted.high * 100:+.0f} points, {adjusted.n:,} deals)."
    )


def _raw_difference(lost: Sequence[_Deal], won: Sequence[_Deal]) -> Difference | None:
    """Return the difference as counted: Newcombe's interval and Fisher's exact test; None without both outcomes."""
    if not won or not lost:
        return None
    counts = [sum(deal.is_uncovered for deal in group) for group in (lost, won)]
    table = np.array([[counts[0], len(lost) - counts[0]], [counts[1], len(won) - counts[1]]])
    low, high = confint_proportions_2indep(
        counts[0], len(lost), counts[1], len(won), compare="diff", method="newcomb", alpha=0.05
    )
    value = counts[0] / len(lost) - counts[1] / len(won)
    return Difference(value, float(low), float(high), float(fisher_exact(table).pvalue), len(lost) + len(won))


def adjusted_difference(deals: Sequence[_Deal]) -> Difference | None:
    """Return the difference among deals with the same number of scored calls; None if too few can be compared.

    A linear regression of "not covered" on "lost" with a constant for each number of calls. Its standard error is the
    largest of three: the classical one, one that is robust to unequal variances (HC3: MacKinnon and White, Journal of
    Econometrics 29, 1985, 305-325), and one that is clustered by account if accounts have several deals (Liang and
    Zeger, Biometrika 73, 1986, 13-22). With few won deals robust ones are too small by chance. The
    coefficient is the Mantel-Haenszel risk difference (Greenland and Robins, Biometrics 41, 1985, 55-68): the
    differences within the strata, weighted by what they can compare. A stratum with one outcome compares nothing.
    An account with many deals has a constant of its own, so that what its deals have in common is no difference; if
    most deals share an account, all are compared within accounts. The segment, the date of the close, the rep and the
    rep's part of the segment are columns, too, as far as there are deals for them.
    """
    strata: defaultdict[int, list[_Deal]] = defaultdict(list)
    for deal in deals:
        strata[stratum(deal.calls)].append(deal)
    usable = [group for group in strata.values() if len({deal.outcome for deal in group}) > 1]
    n = sum(map(len, usable))
    if n - len(usable) - 1 < _MIN_DEGREES_OF_FREEDOM:
        return None
    ordered = list(chain(*usable))
    of_stratum = np.repeat(np.arange(len(usable)), [len(group) for group in usable])
    constants = (of_stratum[:, np.newaxis] == np.arange(len(usable))).astype(float)
    accounts = np.unique([deal.account or f"deal {n}" for n, deal in enumerate(ordered)], return_inverse=True)[1]
    fitted = _fitted(ordered, constants, accounts.astype(np.int64))
    value, error = float(fitted.params[0]), float(fitted.bse[0])
    if not np.isfinite(error) or error <= 1e-9:
        return None  # every deal covers the element, or none does: nothing varies
    low, high = fitted.conf_int()[0]
    return Difference(value, float(low), float(high), float(fitted.pvalues[0]), n)


def _fitted(deals: Sequence[_Deal], constants: Floats, accounts: Numbers) -> Any:
    """Return the regression whose first coefficient has the largest standard error."""
    is_lost = np.array([deal.outcome is DealOutcome.LOST for deal in deals], dtype=float)
    is_uncovered = np.array([deal.is_uncovered for deal in deals], dtype=float)
    sizes = np.bincount(accounts)
    least = max(_MIN_DEALS_OF_ACCOUNT, _MIN_SHARE_OF_ACCOUNT * len(deals))
    large = [account for account in np.argsort(-sizes, kind="stable") if sizes[account] >= least]
    of_large = (accounts[:, np.newaxis] == np.array(large[:_MAX_ACCOUNTS], dtype=np.int64)).astype(float)
    fixed = independent(np.hstack([constants, of_large, mean_of_account(is_lost, accounts)]))
    alike = circumstances([deal.circumstances for deal in deals], fixed.shape[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        model = OLS(is_uncovered, np.column_stack([is_lost, independent(np.hstack([fixed, alike]))]))
        errors = [model.fit(use_t=True), model.fit(cov_type="HC3", use_t=True)]
        if 1 < len(sizes) < len(accounts):
            errors.append(model.fit(cov_type="cluster", cov_kwds={"groups": accounts}, use_t=True))
        return max(errors, key=lambda one: float(np.nan_to_num(one.bse[0])))


def stratum(calls: int) -> int:
    """Return the stratum of a number of calls: exact up to ten, then groups a fifth wide."""
    if calls <= _EXACT_CALLS:
        return calls
    return _EXACT_CALLS + 1 + floor(log((calls - 1) / _EXACT_CALLS) / log(_STRATUM_RATIO))
