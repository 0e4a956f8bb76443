"""Coaching: a rep's skills in call order, slides below the threshold, trainings, recovery.

A call on which a skill has no score (null, or not asked) is no call of that skill: it neither goes on with a slide nor
ends one.
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
    """A call of one rep with a score of one skill."""

    call: ScoredCall
    rep: Rep
    score: float


def coaching_scores(
    conversations: Iterable[ScoredCall], skills: Mapping[str, Skill], settings: CoachingSettings
) -> list[CoachingRow]:
    """One row per rep, skill and scored call; calls nobody of ours held are left out. Ties in time go by call id."""
    found: defaultdict[tuple[str, str], list[_Scored]] = defaultdict(list)
    highest: dict[str, float] = {}
    for call in conversations:
        if call.rep is None:
            continue
        for name, skill in skills.items():
            answer = call.bricks.get(skill.brick)
            value = answer.value if answer else None
            if not isinstance(value, int | float) or isinstance(value, bool):
                continue
            found[call.rep.rep_id, name].append(_Scored(call, call.rep, float(value)))
            highest[name] = max(float(value), highest.get(name, float(value)))
    rows: list[CoachingRow] = []
    for (_, name), scored in sorted(found.items()):
        scored.sort(key=lambda one: (one.call.started_at, one.call.call_id))
        rows += _rows(name, skills[name], scored, _threshold(skills[name], highest[name], settings), settings)
    return rows


def _threshold(skill: Skill, highest: float, settings: CoachingSettings) -> float:
    """In the brick's own unit: 0.60 of a scale to 1 is 0.60, of a scale to 100 it is 60."""
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
    for place, one in enumerate(scored):
        is_below = one.score < threshold
        below = below + 1 if is_below else 0
        first = (first or one.call.call_id) if is_below else None
        latest = [earlier.score for earlier in scored[max(0, place + 1 - settings.rolling_calls) : place + 1]]
        training, since = _since_training(name, scored[: place + 1], settings.trainings)
        rows.append(
            CoachingRow(
                one.rep.rep_id,
                name,
                one.call.call_id,
                one.call.call_date,
                one.call.week,
                one.call.started_at,
                one.rep.name,
                one.rep.manager_id,
                place + 1,
                one.score,
                threshold,
                is_below,
                below,
                below >= settings.consecutive_calls,
                first,
                sum(latest) / len(latest),
                slope(latest),
                since,
                training,
                one.call.kit_version_id(skill.brick[0]),
                one.call.review_url,
            )
        )
    return rows


def _since_training(
    skill: str, scored: Sequence[_Scored], trainings: Iterable[TrainingSettings]
) -> tuple[str | None, int | None]:
    """The newest training before the last of these calls, and the calls after it, that one included.

    A call on the day of a training counts as held before it.
    """
    newest = scored[-1]
    held = [
        training
        for training in trainings
        if training.date < newest.call.call_date
        and (not training.skills or skill in training.skills)
        and _is_for(training, newest.rep)
    ]
    if not held:
        return None, None
    last = max(held, key=lambda training: (training.date, training.name))
    return last.name, sum(one.call.call_date > last.date for one in scored)


def _is_for(training: TrainingSettings, rep: Rep) -> bool:
    known = {text.strip().casefold() for text in (rep.rep_id, rep.email, rep.name) if text}
    return not training.reps or any(named.strip().casefold() in known for named in training.reps)


def coaching_regressions(rows: Iterable[CoachingRow], reps: Mapping[str, Rep]) -> list[RegressionRow]:
    """One row a slide that was detected; `reps` by id, for the managers' names."""
    series: defaultdict[tuple[str, str], list[CoachingRow]] = defaultdict(list)
    for row in rows:
        series[row.rep_id, row.skill].append(row)
    found = []
    for _, of_rep in sorted(series.items()):
        of_rep.sort(key=lambda row: row.call_number)
        slide: list[CoachingRow] = []
        for row in of_rep:
            if row.is_below:
                slide.append(row)
                continue
            found += _slide(slide, row, reps)
            slide = []
        found += _slide(slide, None, reps)
    return found


def _slide(slide: Sequence[CoachingRow], recovery: CoachingRow | None, reps: Mapping[str, Rep]) -> list[RegressionRow]:
    detected = next((row for row in slide if row.regression_detected), None)
    if detected is None:
        return []
    first, rep = slide[0], reps.get(slide[0].rep_id)
    return [
        RegressionRow(
            first.rep_id,
            first.skill,
            first.call_id,
            first.rep_name,
            first.manager_id,
            rep.manager_name if rep else None,
            rep.manager_email if rep else None,
            first.started_at,
            detected.call_id,
            detected.started_at,
            monday(detected.call_date),
            len(slide),
            detected.threshold,
            min(row.score for row in slide),
            slide[-1].score,
            detected.calls_since_training,
            recovery is not None,
            recovery.call_id if recovery else None,
            recovery.started_at if recovery else None,
        )
    ]
