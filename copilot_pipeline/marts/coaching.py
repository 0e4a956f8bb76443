"""Coaching: the skills of each rep in call order, calls below the threshold, drops and trainings.

`below_threshold` is the rule of the vendor's guide: several consecutive calls below a fixed threshold. It is also true
of a rep who never was above it. A regression needs a drop as well: calls that are lower than the rep's own earlier
ones (`marts.level_drops`). A call without a score of the skill (null, or not scored by the kit) is skipped.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from copilot_pipeline.config.marts import CoachingSettings, TrainingSettings
from copilot_pipeline.load.tables import COACHING_SCORES
from copilot_pipeline.marts.brick_roles import Skill, scale_of
from copilot_pipeline.marts.call_columns import CallColumns, encoded, taken
from copilot_pipeline.marts.level_drops import Floats, chance_of_run
from copilot_pipeline.marts.model import BrickKey, Rep
from copilot_pipeline.marts.skill_drops import Drop, drops_of
from copilot_pipeline.marts.trends import moving_mean, moving_slope

_OF_DROPS = ("regression_first_call_id", "earlier_calls", "earlier_mean", "drop", "drop_p_value")


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


@dataclass(frozen=True, slots=True, eq=False)
class _Series:
    """The scores of a rep's skill and their calls, sorted by time, ties by call id."""

    rep: Rep
    skill: str
    brick: BrickKey
    scores: Floats
    calls: pa.Table  # with `kit_version_id`


def coaching_scores(
    calls: Iterable[CallColumns], skills: Mapping[str, Skill], settings: CoachingSettings
) -> Iterator[pa.Table]:
    """Yield a table per rep and skill, in this order, with one row per scored call, oldest first.

    Calls without a rep are left out.
    """
    reps: dict[str, Rep] = {}
    chunks: defaultdict[str, list[pa.Table]] = defaultdict(list)
    for chunk in calls:
        for rep in chunk.reps:
            if rep is not None:
                reps.setdefault(rep.rep_id, rep)
        for name, skill in skills.items():
            chunks[name].append(_scored(chunk, skill))
    found = {name: pa.concat_tables(of_skill) for name, of_skill in chunks.items()}
    series = [one for name, scored in found.items() for one in _series(name, skills[name], scored, reps)]
    highest = {name: pc.max(scored["score"]).as_py() for name, scored in found.items()}
    for one in sorted(series, key=lambda one: (one.rep.rep_id, one.skill)):
        yield _rows(one, _threshold(skills[one.skill], highest[one.skill], settings), settings)


def _scored(chunk: CallColumns, skill: Skill) -> pa.Table:
    """Return the calls that have a rep and a score."""
    of_brick = chunk.bricks[skill.brick]
    values = [*of_brick.values, None]  # the last one, at -1, is that of calls without a score
    is_score = [isinstance(value, int | float) and not isinstance(value, bool) for value in values]
    scores = np.array([value if is_one else 0.0 for value, is_one in zip(values, is_score, strict=True)], dtype=float)
    has_rep = chunk.calls["rep_id"].is_valid().to_numpy()
    rows = np.flatnonzero(np.array(is_score)[of_brick.codes] & has_rep)
    kit = chunk.kits.get(skill.brick[0])
    versions = taken(kit.version_ids, rows) if kit else pa.nulls(len(rows), pa.string())
    columns = {column: taken(chunk.calls[column], rows) for column in chunk.calls.column_names}
    return pa.table({**columns, "kit_version_id": versions, "score": scores[of_brick.codes[rows]]})


def _series(name: str, skill: Skill, scored: pa.Table, reps: Mapping[str, Rep]) -> Iterator[_Series]:
    keys = [("rep_id", "ascending"), ("started_at", "ascending"), ("call_id", "ascending")]
    scored = scored.sort_by(keys).combine_chunks()
    rep_ids, of_rows = encoded(scored["rep_id"].dictionary_encode())
    ends = np.searchsorted(of_rows, np.arange(len(rep_ids) + 1))
    for number, rep_id in enumerate(rep_ids):
        calls = scored.slice(ends[number], ends[number + 1] - ends[number])
        yield _Series(reps[rep_id], name, skill.brick, calls["score"].to_numpy(), calls)


def _threshold(skill: Skill, highest: float, settings: CoachingSettings) -> float:
    """Return the threshold in the brick's unit: 0.60 becomes 0.60 on a scale to 1 and 60 on a scale to 100."""
    if skill.threshold is not None:
        return skill.threshold
    low, high = scale_of(skill.scale, highest)
    return low + settings.threshold * (high - low)


def _rows(series: _Series, threshold: float, settings: CoachingSettings) -> pa.Table:
    scores, n = series.scores, len(series.scores)
    versions = series.calls["kit_version_id"].to_pylist()
    runs = _runs((scores < threshold).tolist())
    is_run = np.array(runs) >= settings.consecutive_calls
    trainings = _trainings(series, settings.trainings)
    columns = {
        **{name: series.calls[name] for name in series.calls.column_names},
        "skill": pa.repeat(series.skill, n),
        "kit": pa.repeat(series.brick[0], n),
        "brick": pa.repeat(series.brick[1], n),
        "call_number": np.arange(1, n + 1),
        "threshold": np.full(n, threshold),
        "is_below": np.array(runs) > 0,
        "calls_below": runs,
        "below_threshold": is_run,
        "run_chance": pa.array(_run_chances(runs, versions), pa.float64(), mask=~is_run),
        "rolling_mean": moving_mean(scores, settings.rolling_calls),
        "trend": pa.array(moving_slope(scores, settings.rolling_calls), pa.float64(), from_pandas=True),
        "training": [name for name, _ in trainings],
        "calls_since_training": [since for _, since in trainings],
        **_drops(series, drops_of(scores, runs, versions, threshold, settings)),
    }
    return pa.table(columns, schema=COACHING_SCORES.arrow_schema)


def _drops(series: _Series, drops: Iterable[Drop]) -> dict[str, list[Any]]:
    """Return the columns of the regression that each call belongs to, from its detection until it ends."""
    n = len(series.scores)
    columns: dict[str, list[Any]] = {name: [None] * n for name in _OF_DROPS}
    detected = [False] * n
    for drop in drops:
        first_call_id = series.calls["call_id"][drop.first].as_py()
        for position in range(drop.detected, n if drop.recovered is None else drop.recovered):
            change = drop.earlier_mean - float(series.scores[drop.first : position + 1].mean())
            values = (first_call_id, drop.earlier_calls, drop.earlier_mean, change, drop.p_value)
            detected[position] = True
            for name, value in zip(_OF_DROPS, values, strict=True):
                columns[name][position] = value
    return {"regression_detected": detected, **columns}


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
    if not applicable:
        return [(None, None)] * len(series.scores)
    in_order = series.calls["call_date"].to_pylist()
    dates = sorted(in_order)
    calls_until = {training.date: bisect_right(dates, training.date) for training in applicable}
    newest: list[tuple[str | None, int | None]] = []
    for index, day in enumerate(in_order):
        before = [training for training in applicable if training.date < day]
        newest.append((before[-1].name, index + 1 - calls_until[before[-1].date]) if before else (None, None))
    return newest


def _is_for(training: TrainingSettings, rep: Rep) -> bool:
    known = {text.strip().casefold() for text in (rep.rep_id, rep.email, rep.name) if text}
    return not training.reps or any(named.strip().casefold() in known for named in training.reps)
