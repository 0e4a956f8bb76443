"""Coaching: the skills of each rep in call order, regressions, trainings and recovery.

A regression is a skill below its threshold on several consecutive calls; the first call at or above the threshold is
the recovery. A call without a score of the skill (null, or not scored by the kit) is skipped: it neither continues nor
ends a regression.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from copilot_pipeline.config.marts import CoachingSettings, TrainingSettings
from copilot_pipeline.marts.brick_roles import Skill, scale_of
from copilot_pipeline.marts.model import Rep, ScoredCall, monday
from copilot_pipeline.marts.trends import slope


class CoachingRow(NamedTuple):
    """A row of `coaching_scores`."""

    rep_id: str
    skill: str
    call_id: str
    call_date: date
    week: date
    started_at: datetime
    rep_name: str | None
    manager_id: str | None
    call_number: int
    score: float
    threshold: float
    is_below: bool
    calls_below: int
    regression_detected: bool
    regression_first_call_id: str | None
    rolling_mean: float
    trend: float | None
    calls_since_training: int | None
    training: str | None
    kit_version_id: str | None
    review_url: str | None


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


@dataclass(frozen=True, slots=True)
class _Scored:
    """A call of a rep with its score of a skill."""

    call: ScoredCall
    rep: Rep
    score: float


def coaching_scores(
    calls: Iterable[ScoredCall], skills: Mapping[str, Skill], settings: CoachingSettings
) -> list[CoachingRow]:
    """Return one row per rep, skill and scored call; calls without a rep are left out. Ties in time go by call id."""
    by_rep_and_skill: defaultdict[tuple[str, str], list[_Scored]] = defaultdict(list)
    highest: dict[str, float] = {}
    for call in calls:
        if call.rep is None:
            continue
        for name, skill in skills.items():
            answer = call.bricks.get(skill.brick)
            value = answer.value if answer else None
            if not isinstance(value, int | float) or isinstance(value, bool):
                continue
            by_rep_and_skill[call.rep.rep_id, name].append(_Scored(call, call.rep, float(value)))
            highest[name] = max(float(value), highest.get(name, float(value)))
    rows: list[CoachingRow] = []
    for (_, name), scored in sorted(by_rep_and_skill.items()):
        scored.sort(key=lambda one: (one.call.started_at, one.call.call_id))
        rows += _rows(name, skills[name], scored, _threshold(skills[name], highest[name], settings), settings)
    return rows


def _threshold(skill: Skill, highest: float, settings: CoachingSettings) -> float:
    """Return the threshold in the brick's unit: 0.60 becomes 0.60 on a scale to 1 and 60 on a scale to 100."""
    if skill.threshold is not None:
        return skill.threshold
    low, high = scale_of(skill.scale, highest)
    return low + settings.threshold * (high - low)


def _rows(
    name: str, skill: Skill, scored: Sequence[_Scored], threshold: float, settings: CoachingSettings
) -> list[CoachingRow]:
    rows: list[CoachingRow] = []
    below = 0
    first: str | None = None
    for index, one in enumerate(scored):
        is_below = one.score < threshold
        below = below + 1 if is_below else 0
        first = (first or one.call.call_id) if is_below else None
        latest = [earlier.score for earlier in scored[max(0, index + 1 - settings.rolling_calls) : index + 1]]
        training, since = _since_training(name, scored[: index + 1], settings.trainings)
        rows.append(
            CoachingRow(
                rep_id=one.rep.rep_id,
                skill=name,
                call_id=one.call.call_id,
                call_date=one.call.call_date,
                week=one.call.week,
                started_at=one.call.started_at,
                rep_name=one.rep.name,
                manager_id=one.rep.manager_id,
                call_number=index + 1,
                score=one.score,
                threshold=threshold,
                is_below=is_below,
                calls_below=below,
                regression_detected=below >= settings.consecutive_calls,
                regression_first_call_id=first,
                rolling_mean=sum(latest) / len(latest),
                trend=slope(latest),
                calls_since_training=since,
                training=training,
                kit_version_id=one.call.kit_version_id(skill.brick[0]),
                review_url=one.call.review_url,
            )
        )
    return rows


def _since_training(
    skill: str, scored: Sequence[_Scored], trainings: Iterable[TrainingSettings]
) -> tuple[str | None, int | None]:
    """Return the newest training before the last of these calls, and the number of calls after the training.

    A call on the day of a training counts as before it.
    """
    newest = scored[-1]
    applicable = [
        training
        for training in trainings
        if training.date < newest.call.call_date
        and (not training.skills or skill in training.skills)
        and _is_for(training, newest.rep)
    ]
    if not applicable:
        return None, None
    last = max(applicable, key=lambda training: (training.date, training.name))
    return last.name, sum(one.call.call_date > last.date for one in scored)


def _is_for(training: TrainingSettings, rep: Rep) -> bool:
    names = {text.strip().casefold() for text in (rep.rep_id, rep.email, rep.name) if text}
    return not training.reps or any(named.strip().casefold() in names for named in training.reps)


def coaching_regressions(rows: Iterable[CoachingRow], reps: Mapping[str, Rep]) -> list[RegressionRow]:
    """Return one row per detected regression. `reps`, by id, have the names of the managers."""
    series: defaultdict[tuple[str, str], list[CoachingRow]] = defaultdict(list)
    for row in rows:
        series[row.rep_id, row.skill].append(row)
    regressions = []
    for _, of_rep in sorted(series.items()):
        of_rep.sort(key=lambda row: row.call_number)
        below: list[CoachingRow] = []
        for row in of_rep:
            if row.is_below:
                below.append(row)
                continue
            regressions += _regression(below, row, reps)
            below = []
        regressions += _regression(below, None, reps)
    return regressions


def _regression(
    below: Sequence[CoachingRow], recovery: CoachingRow | None, reps: Mapping[str, Rep]
) -> list[RegressionRow]:
    """Return the regression that consecutive calls below the threshold make; none if they are too few."""
    detected = next((row for row in below if row.regression_detected), None)
    if detected is None:
        return []
    first, rep = below[0], reps.get(below[0].rep_id)
    return [
        RegressionRow(
            rep_id=first.rep_id,
            skill=first.skill,
            first_call_id=first.call_id,
            rep_name=first.rep_name,
            manager_id=rep.manager_id if rep else below[-1].manager_id,
            manager_name=rep.manager_name if rep else None,
            manager_email=rep.manager_email if rep else None,
            first_call_at=first.started_at,
            detected_call_id=detected.call_id,
            detected_at=detected.started_at,
            detected_week=monday(detected.call_date),
            calls=len(below),
            threshold=detected.threshold,
            lowest=min(row.score for row in below),
            latest=below[-1].score,
            calls_since_training=detected.calls_since_training,
            is_over=recovery is not None,
            recovered_call_id=recovery.call_id if recovery else None,
            recovered_at=recovery.started_at if recovery else None,
        )
    ]
