"""The waterfall of each week: from the pipeline at its beginning to that at its end, step by step. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta

from copilot_pipeline.marts.history import pipeline
from copilot_pipeline.marts.history.pipeline import Change, PipelineHistory, by_week
from copilot_pipeline.marts.history.rows import WaterfallRow

OPENING, CLOSING = "opening", "closing"
STEPS = (
    OPENING,
    pipeline.NEW,
    pipeline.REOPENED,
    pipeline.GROWN,
    pipeline.SHRUNK,
    pipeline.CURRENCY_CHANGED,
    pipeline.WON,
    pipeline.LOST,
    pipeline.REMOVED,
    CLOSING,
)
_ONE_WEEK = timedelta(days=7)


def waterfall(history: PipelineHistory, first_observed: date | None, this_week: date) -> Iterator[WaterfallRow]:
    """Yield one row per week, currency and step, up to the present week, which is incomplete.

    Weeks before `first_observed`, the week of the first refresh, are computed from the CRM's own history. A currency
    has rows from the first week in which it occurs.
    """
    changes = by_week(history.changes)
    if first_observed is None:
        return
    amounts: defaultdict[str, float] = defaultdict(float)
    deals: defaultdict[str, int] = defaultdict(int)
    for opening in history.openings:
        amounts[opening.currency] += opening.amount
        deals[opening.currency] += 1
    week = min([first_observed, *changes])
    while week <= this_week:
        of_currency: defaultdict[str, list[Change]] = defaultdict(list)
        for change in changes.get(week, ()):
            of_currency[change.currency].append(change)
        for currency in sorted({*amounts, *of_currency}):
            steps: dict[str, tuple[int, float]] = {OPENING: (deals[currency], amounts[currency])}
            for step in STEPS[1:-1]:
                effects = [change.change for change in of_currency[currency] if change.kind == step]
                steps[step] = len(effects), math.fsum(effects)
                amounts[currency] += steps[step][1]
            deals[currency] += sum(change.deals_added for change in of_currency[currency])
            steps[CLOSING] = deals[currency], amounts[currency]
            for position, (step, (count, amount)) in enumerate(steps.items()):
                yield WaterfallRow(
                    week=week,
                    currency=currency,
                    step=step,
                    position=position,
                    deals=count,
                    amount=amount,
                    is_observed=week > first_observed,
                    is_complete=week < this_week,
                )
        week += _ONE_WEEK
