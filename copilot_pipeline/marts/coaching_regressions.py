"""One row per regression of a rep's skill, from the rows of `coaching_scores`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import NamedTuple

from copilot_pipeline.marts.coaching import CoachingRow
from copilot_pipeline.marts.model import Rep, monday


class RegressionRow(NamedTuple):
    """A row of `coaching_regressions`."""

    rep_id: str
    skill: str
    first_call_id: str
    rep_name: str | None
    manager_id: str | None
    manager_name: str | None
    manager_email: str | None
    first_call_at: datetime
    detected_call_id: str
    detected_at: datetime
    detected_week: date
    calls: int
    threshold: float
    lowest: float
    latest: float
    calls_since_training: int | None
    is_over: bool
    recovered_call_id: str | None
    recovered_at: datetime | None
    earlier_calls: int
    earlier_mean: float
    mean: float
    drop: float
    drop_p_value: float
    run_chance: float | None


def coaching_regressions(rows: Iterable[CoachingRow], reps: Mapping[str, Rep]) -> Iterator[RegressionRow]:
    """Yield one row per detected regression. `reps`, by id, have the names of the managers.

    `rows` are in the order of rep, skill and time.
    """
    for _, of_series in groupby(rows, key=lambda row: (row.rep_id, row.skill)):
        series = list(of_series)
        position_of = {row.call_id: position for position, row in enumerate(series)}
        for first_call_id, of_regression in groupby(series, key=lambda row: row.regression_first_call_id):
            if first_call_id is not None:
                detected = list(of_regression)
                last = position_of[detected[-1].call_id]
                recovery = series[last + 1] if last + 1 < len(series) else None
                calls = series[position_of[first_call_id] : last + 1]
                yield _regression(calls, detected[0], recovery, reps.get(detected[0].rep_id))


def _regression(
    calls: Sequence[CoachingRow], detected: CoachingRow, recovery: CoachingRow | None, rep: Rep | None
) -> RegressionRow:
    first = calls[0]
    mean = sum(row.score for row in calls) / len(calls)
    earlier_mean = detected.earlier_mean or 0.0
    return RegressionRow(
        rep_id=first.rep_id,
        skill=first.skill,
        first_call_id=first.call_id,
        rep_name=first.rep_name,
        manager_id=rep.manager_id if rep else calls[-1].manager_id,
        manager_name=rep.manager_name if rep else None,
        manager_email=rep.manager_email if rep else None,
        first_call_at=first.started_at,
        detected_call_id=detected.call_id,
        detected_at=detected.started_at,
        detected_week=monday(detected.call_date),
        calls=len(calls),
        threshold=detected.threshold,
        lowest=min(row.score for row in calls),
        latest=calls[-1].score,
        earlier_calls=detected.earlier_calls or 0,
        earlier_mean=earlier_mean,
        mean=mean,
        drop=earlier_mean - mean,
        drop_p_value=detected.drop_p_value if detected.drop_p_value is not None else 1.0,
        run_chance=detected.run_chance,
        calls_since_training=detected.calls_since_training,
        is_over=recovery is not None,
        recovered_call_id=recovery.call_id if recovery else None,
        recovered_at=recovery.started_at if recovery else None,
    )
