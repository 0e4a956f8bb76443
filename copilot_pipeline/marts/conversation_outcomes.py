"""Conversation metrics of won and lost deals: the difference that is left when deals of equal exposure are compared.

The unit is the deal: the mean of a metric over its calls before the close, so that a deal with many calls counts once.
The difference is the coefficient of `won` in a linear regression of that mean on the outcome, the number of calls and
the length of the deal (both as logarithms) and, over all reps, one constant per rep: reps differ in how they talk and
in how much they win. Standard errors are the larger of those clustered by rep (Liang & Zeger 1986; Cameron & Miller
2015, https://doi.org/10.3368/jhr.50.2.317) and those robust to unequal variances (HC3: MacKinnon & White 1985; Long &
Ervin 2000); with fewer than `MIN_CLUSTERS` reps, and for one rep, the latter. Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import false_discovery_control
from statsmodels.regression.linear_model import OLS

from copilot_pipeline.marts.circumstances import Circumstances, circumstances, mean_of_account
from copilot_pipeline.marts.model import Deal
from copilot_pipeline.marts.outcomes import before_close
from copilot_pipeline.transform.deal_outcomes import DealOutcome

MIN_DEALS = 10  # won, and lost, over all reps
MIN_DEALS_OF_REP = 5  # won, and lost, of one rep
MIN_CLUSTERS = 10
FALSE_DISCOVERY_RATE = 0.05
ALL, REP = "all", "rep"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric, and how a difference is written."""

    words: str
    unit: str
    factor: float = 1.0  # from the unit of the table to that of the sentence


METRICS: Mapping[str, Metric] = {
    "talk_share": Metric("The rep's own share of the speech", "percentage points", 100),
    "longest_monologue_s": Metric("The longest monologue", "seconds"),
    "rep_questions_per_hour": Metric("Questions of reps per hour", "questions"),
    "prospect_questions_per_hour": Metric("Questions of prospects per hour", "questions"),
}


class CallMetrics(NamedTuple):
    """The metrics of a call of a deal; None where one is unknown."""

    call_id: str
    deal_id: str
    rep_id: str
    rep_name: str | None
    started_at: datetime
    talk_share: float | None
    longest_monologue_s: float | None
    rep_questions_per_hour: float | None
    prospect_questions_per_hour: float | None
    prospects: int | None = None  # on the call


class ConversationOutcomeRow(NamedTuple):
    """A row of `conversation_outcomes`."""

    grain: str
    grain_id: str
    metric: str
    grain_name: str | None
    n: int
    won: int
    lost: int
    calls: int
    mean_won: float | None
    mean_lost: float | None
    difference: float | None
    adjusted_difference: float | None
    adjusted_low: float | None
    adjusted_high: float | None
    p_value: float | None
    q_value: float | None
    is_significant: bool
    sentence: str


class DealMetric(NamedTuple):
    """The mean of a metric over the calls of a closed deal."""

    rep_id: str
    is_won: bool
    value: float
    calls: int
    days: float  # from the first to the last of the calls
    circumstances: Circumstances = Circumstances()
    account: str | None = None
    prospects: float | None = None  # on its calls, on average


class Difference(NamedTuple):
    """The adjusted difference between won and lost deals, with its 95 % interval."""

    value: float
    low: float
    high: float
    p_value: float


def conversation_outcomes(
    calls: Iterable[CallMetrics], deals: Iterable[Deal], segment_field: str = "Segment"
) -> list[ConversationOutcomeRow]:
    """Return one row per metric over all reps, and one per metric and rep."""
    names: dict[str, str | None] = {}
    of_deal: defaultdict[str, list[CallMetrics]] = defaultdict(list)
    for call in calls:
        of_deal[call.deal_id].append(call)
        names[call.rep_id] = call.rep_name or names.get(call.rep_id)
    closed = [
        (deal, considered)
        for deal in deals
        if deal.outcome is not DealOutcome.OPEN and (considered := before_close(deal, of_deal.get(deal.deal_id, ())))
    ]
    rows: list[ConversationOutcomeRow] = []
    for metric in METRICS:
        observed = [one for deal, considered in closed for one in _deal_metric(deal, considered, metric, segment_field)]
        rows += _corrected([_row(ALL, (ALL, None), metric, observed)])
        reps: defaultdict[str, list[DealMetric]] = defaultdict(list)
        for one in observed:
            reps[one.rep_id].append(one)
        rows += _corrected(
            [_row(REP, (rep_id, names.get(rep_id)), metric, of_rep) for rep_id, of_rep in sorted(reps.items())]
        )
    return rows


def _deal_metric(deal: Deal, calls: Sequence[CallMetrics], metric: str, segment_field: str) -> Iterator[DealMetric]:
    """Yield the mean of a metric; nothing if no call has it. The deal belongs to the rep of most of its calls."""
    known = [(call, value) for call in calls if (value := getattr(call, metric)) is not None]
    if not known:
        return
    times = [call.started_at for call in calls]
    prospects = [call.prospects for call in calls if call.prospects]
    rep_id = Counter(call.rep_id for call in reversed(calls)).most_common(1)[0][0]  # of equal ones the newest
    yield DealMetric(
        rep_id=rep_id,
        is_won=deal.outcome is DealOutcome.WON,
        value=float(np.mean([value for _, value in known])),
        calls=len(calls),
        days=(max(times) - min(times)).total_seconds() / 86_400,
        circumstances=Circumstances.of(deal, rep_id, segment_field),
        account=deal.account_name,
        prospects=float(np.mean(prospects)) if prospects else None,
    )


def _row(grain: str, rep: tuple[str, str | None], metric: str, deals: Sequence[DealMetric]) -> ConversationOutcomeRow:
    won = [deal.value for deal in deals if deal.is_won]
    lost = [deal.value for deal in deals if not deal.is_won]
    difference = adjusted_difference(deals, MIN_DEALS if grain == ALL else MIN_DEALS_OF_REP)
    mean_won, mean_lost = (float(np.mean(values)) if values else None for values in (won, lost))
    return ConversationOutcomeRow(
        grain=grain,
        grain_id=rep[0],
        metric=metric,
        grain_name=rep[1],
        n=len(deals),
        won=len(won),
        lost=len(lost),
        calls=sum(deal.calls for deal in deals),
        mean_won=mean_won,
        mean_lost=mean_lost,
        difference=mean_won - mean_lost if mean_won is not None and mean_lost is not None else None,
        adjusted_difference=difference.value if difference else None,
        adjusted_low=difference.low if difference else None,
        adjusted_high=difference.high if difference else None,
        p_value=difference.p_value if difference else None,
        q_value=None,
        is_significant=False,
        sentence="",
    )


def _corrected(rows: Sequence[ConversationOutcomeRow]) -> Iterator[ConversationOutcomeRow]:
    """Yield the rows with q values over all of them, which is a correction for the number of reps."""
    p_values = [row.p_value for row in rows if row.p_value is not None]
    q_values = iter(false_discovery_control(p_values) if p_values else ())
    for row in rows:
        q_value = float(next(q_values)) if row.p_value is not None else None
        complete = row._replace(q_value=q_value, is_significant=q_value is not None and q_value <= FALSE_DISCOVERY_RATE)
        yield complete._replace(sentence=_sentence(complete))


def adjusted_difference(deals: Sequence[DealMetric], min_deals: int) -> Difference | None:
    """Return the difference of won minus lost deals of equal exposure; None with fewer won or lost deals than that.

    Deals of one rep are compared with each other, and deals with as many prospects on their calls; of the same length
    and date, and in the same segment, as far as there are deals for it; within accounts if most deals share one. None
    as well if the outcome cannot be separated from the exposure.
    """
    won = sum(deal.is_won for deal in deals)
    if min(won, len(deals) - won) < min_deals:
        return None
    reps = np.unique([deal.rep_id for deal in deals], return_inverse=True)[1]
    names = [deal.account or f"deal {number}" for number, deal in enumerate(deals)]
    accounts = np.unique(names, return_inverse=True)[1].astype(np.int64)
    columns = np.column_stack(
        [
            [float(deal.is_won) for deal in deals],
            np.log([deal.calls for deal in deals]),
            np.log1p([deal.days for deal in deals]),
            np.log1p([deal.prospects or 1.0 for deal in deals]),
            *mean_of_account(np.array([float(deal.is_won) for deal in deals]), accounts).T,
        ]
    )
    alike = circumstances([deal.circumstances for deal in deals], int(reps.max()) + 5)
    columns = np.column_stack([columns, alike])
    values, columns = _within(np.array([deal.value for deal in deals]), reps), _within(columns, reps)
    constants = int(reps.max()) + 1  # one per rep, which `_within` has removed
    columns = np.column_stack([columns[:, :1], _independent(columns[:, :1], columns[:, 1:])])
    freedom = len(deals) - columns.shape[1] - constants
    if freedom < min_deals or np.linalg.norm(columns[:, 0]) < 1e-9 or np.linalg.matrix_rank(columns) < columns.shape[1]:
        return None
    return _fitted(values, columns, reps, constants)


def _fitted(values: Any, columns: Any, reps: Any, constants: int) -> Difference | None:
    """Return the first coefficient with the larger of its standard errors: by rep, and robust to unequal variances."""
    model = OLS(values, columns)
    by_rep = [model.fit(cov_type="cluster", cov_kwds={"groups": reps}, use_t=True)] if constants >= MIN_CLUSTERS else []
    model.df_resid -= constants
    results = [*by_rep, model.fit(cov_type="HC3", use_t=True)]
    result = max(results, key=lambda one: float(np.nan_to_num(one.pvalues[0], nan=2.0)))
    low, high = result.conf_int()[0]
    difference = Difference(float(result.params[0]), float(low), float(high), float(result.pvalues[0]))
    return difference if np.isfinite(difference).all() else None


def _within(values: Any, groups: Any) -> Any:
    """Return the values minus the mean of their group: the same as a constant for each group (Frisch-Waugh-Lovell)."""
    counts = np.bincount(groups)
    if values.ndim == 1:
        return values - (np.bincount(groups, values) / counts)[groups]
    return np.column_stack([_within(column, groups) for column in values.T])


def _independent(first: Any, others: Any) -> Any:
    """Return the columns that add something to those before them: with one call per deal, there is no exposure."""
    kept = first
    for column in others.T:
        candidate = np.column_stack([kept, column])
        if np.linalg.norm(column) > 1e-9 and np.linalg.matrix_rank(candidate) == candidate.shape[1]:
            kept = candidate
    return kept[:, 1:]


def _sentence(row: ConversationOutcomeRow) -> str:
    metric = METRICS[row.metric]
    whose = f" of {row.grain_name or row.grain_id}" if row.grain == REP else ""
    deals = f"{row.won:,} won and {row.lost:,} lost deals{whose}"
    if row.adjusted_difference is None or row.adjusted_low is None or row.adjusted_high is None:
        return f"{metric.words}: {deals} are too few, or too unlike in their number of calls, for a comparison."
    value, low, high = (
        bound * metric.factor for bound in (row.adjusted_difference, row.adjusted_low, row.adjusted_high)
    )
    verdict = "" if row.is_significant else " Nothing beyond chance."
    return (
        f"{metric.words} was {abs(value):.1f} {metric.unit} {'higher' if value >= 0 else 'lower'} in won than in lost "
        f"deals with as many calls (95 % interval {low:+.1f} to {high:+.1f}; {deals}).{verdict}"
    )
