"""Coaching: the skills of each rep in call order, calls below the threshold, drops and trainings.

`below_threshold` is the rule of the vendor's guide: several consecutive calls below a fixed threshold. It is also true
of a rep who never was above it. A regression needs a drop as well: calls that are lower than the rep's own earlier
ones (`marts.level_drops`). A call without a score of the skill (null, or not scored by the kit) is skipped.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

import numpy as np

from copilot_pipeline.config.marts import CoachingSettings, TrainingSettings
from copilot_pipeline.marts.brick_roles import Skill, scale_of
from copilot_pipeline.marts.level_drops import Floats, chance_of_run
from copilot_pipeline.marts.model import BrickKey, Rep, ScoredCall, monday
from copilot_pipeline.marts.skill_drops import Drop, drops_of
from copilot_pipeline.marts.trends import moving_mean, moving_slope


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
    below_threshold: bool
    run_chance: float | None
    earlier_calls: int | None
    earlier_mean: float | None
    drop: float | None
    drop_p_value: float | None
    kit: str
    brick: str


class _Call(NamedTuple):
    """What the rows need of a call; the answers of thousands of calls would not fit into memory."""

    started_at: datetime
    call_id: str
    call_date: date
    rep_name: str | None
    manager_id: str | None  # at the time of the call
    kit_version_id: str | None
    review_url: str | None


@dataclass(slots=True)
class _Series:
    """The scores of a rep's skill, sorted by time, ties by call id."""

    rep: Rep
    skill: str
    brick: BrickKey
    scores: list[tuple[_Call, float]] = field(default_factory=list)


def coaching_scores(
    calls: Iterable[ScoredCall], skills: Mapping[str, Skill], settings: CoachingSettings
) -> Iterator[CoachingRow]:
    """Yield one row per rep, skill and scored call, in the order of rep, skill and time.

    Calls without a rep are left out.
    """
    series_of: dict[tuple[str, str], _Series] = {}
    highest: dict[str, float] = {}
    for call in calls:
        if call.rep is None:
            continue
        for name, skill in skills.items():
            value = call.value_of(skill.brick)
            if not isinstance(value, int | float) or isinstance(value, bool):
                continue
            score = float(value)
            series = series_of.setdefault((call.rep.rep_id, name), _Series(call.rep, name, skill.brick))
            series.scores.append((_call(call, call.rep, skill), score))
            highest[name] = max(score, highest.get(name, score))
    for key in sorted(series_of):
        series = series_of.pop(key)
        series.scores.sort()
        yield from _rows(series, _threshold(skills[series.skill], highest[series.skill], settings), settings)


def _call(call: ScoredCall, rep: Rep, skill: Skill) -> _Call:
    return _Call(
        started_at=call.started_at,
        call_id=call.call_id,
        call_date=call.call_date,
        rep_name=rep.name,
        manager_id=rep.manager_id,
        kit_version_id=call.kit_version_id(skill.brick[0]),
        review_url=call.review_url,
    )


def _threshold(skill: Skill, highest: float, settings: CoachingSettings) -> float:
    """Return the threshold in the brick's unit: 0.60 becomes 0.60 on a scale to 1 and 60 on a scale to 100."""
    if skill.threshold is not None:
        return skill.threshold
    low, high = scale_of(skill.scale, highest)
    return low + settings.threshold * (high - low)


def _rows(series: _Series, threshold: float, settings: CoachingSettings) -> Iterator[CoachingRow]:
    scores: Floats = np.array([score for _, score in series.scores])
    versions = [call.kit_version_id for call, _ in series.scores]
    runs = _runs([score < threshold for score in scores])
    chances = _run_chances(runs, versions)
    drop_of: dict[int, Drop] = {
        position: drop
        for drop in drops_of(scores, runs, versions, threshold, settings)
        for position in range(drop.detected, len(scores) if drop.recovered is None else drop.recovered)
    }
    means, slopes = moving_mean(scores, settings.rolling_calls), moving_slope(scores, settings.rolling_calls)
    trainings = _trainings(series, settings.trainings)
    for index, (call, score) in enumerate(series.scores):
        drop = drop_of.get(index)
        training, since = trainings[index]
        is_run = runs[index] >= settings.consecutive_calls
        yield CoachingRow(
            rep_id=series.rep.rep_id,
            skill=series.skill,
            call_id=call.call_id,
            call_date=call.call_date,
            week=monday(call.call_date),
            started_at=call.started_at,
            rep_name=call.rep_name,
            manager_id=call.manager_id,
            call_number=index + 1,
            score=score,
            threshold=threshold,
            is_below=runs[index] > 0,
            calls_below=runs[index],
            below_threshold=is_run,
            run_chance=chances[index] if is_run else None,
            regression_detected=drop is not None,
            regression_first_call_id=series.scores[drop.first][0].call_id if drop else None,
            earlier_calls=drop.earlier_calls if drop else None,
            earlier_mean=drop.earlier_mean if drop else None,
            drop=drop.earlier_mean - float(scores[drop.first : index + 1].mean()) if drop else None,
            drop_p_value=drop.p_value if drop else None,
            rolling_mean=float(means[index]),
            trend=None if np.isnan(slopes[index]) else float(slopes[index]),
            calls_since_training=since,
            training=training,
            kit=series.brick[0],
            brick=series.brick[1],
            kit_version_id=call.kit_version_id,
            review_url=call.review_url,
        )


def _runs(below: Sequence[bool]) -> list[int]:
    """Return the number of consecutive calls below the threshold up to each call."""
    lengths: list[int] = []
    for is_below in below:
        lengths.append((lengths[-1] if lengths else 0) + 1 if is_below else 0)
    return lengths


def _run_chances(runs: Sequence[int], versions: Sequence[str | None]) -> list[float | None]:
    """Return the chance of each run at the share of calls below the threshold before it, by the same kit version."""
    starts = np.arange(1, len(runs) + 1) - np.array(runs)
    below, earlier = np.zeros(len(runs), dtype=np.int64), np.zeros(len(runs), dtype=np.int64)
    for version in dict.fromkeys(versions):
        is_same = np.array([one == version for one in versions])
        of_version = np.concatenate([[0], np.cumsum(is_same)])
        below_of_version = np.concatenate([[0], np.cumsum(is_same & (np.array(runs) > 0))])
        earlier[is_same], below[is_same] = of_version[starts[is_same]], below_of_version[starts[is_same]]
    return chance_of_run(below.tolist(), earlier.tolist(), runs)


def _trainings(series: _Series, trainings: Iterable[TrainingSettings]) -> list[tuple[str | None, int | None]]:
    """Return, for each call, the newest training before it and the number of calls since, this one included.

    A call on the day of a training counts as before it.
    """
    applicable = sorted(
        (
            training
            for training in trainings
            if (not training.skills or series.skill in training.skills) and _is_for(training, series.rep)
        ),
        key=lambda training: (training.date, training.name),
    )
    dates = sorted(call.call_date for call, _ in series.scores)
    calls_until = {training.date: bisect_right(dates, training.date) for training in applicable}
    newest: list[tuple[str | None, int | None]] = []
    for index, (call, _) in enumerate(series.scores):
        before = [training for training in applicable if training.date < call.call_date]
        newest.append((before[-1].name, index + 1 - calls_until[before[-1].date]) if before else (None, None))
    return newest


def _is_for(training: TrainingSettings, rep: Rep) -> bool:
    known = {text.strip().casefold() for text in (rep.rep_id, rep.email, rep.name) if text}
    return not training.reps or any(named.strip().casefold() in known for named in training.reps)
