"""Coaching: skills in call order, regressions, trainings and recovery."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.config.marts import CoachingSettings, TrainingSettings
from copilot_pipeline.marts.brick_roles import Skill, skills
from copilot_pipeline.marts.coaching import CoachingRow, coaching_scores
from copilot_pipeline.marts.coaching_regressions import RegressionRow, coaching_regressions
from copilot_pipeline.marts.model import KitRun, Rep, ScoredCall
from copilot_pipeline_tests.marts.examples import KIT, MONDAY, REP, call, columns_of, rows_of

LEVEL = [0.9, 0.8, 0.85, 0.95] * 10  # forty calls of a rep above the threshold
SKILLS = {"objections": Skill((KIT, "objections"))}


def calls_with(scores: Sequence[Any]) -> list[ScoredCall]:
    """Return a call per day with these scores; None is a null value."""
    return [call(f"c-{n}", {"objections": score}, day=n) for n, score in enumerate(scores)]


def scored(scores: Sequence[Any], **settings: Any) -> list[CoachingRow]:
    """Return the coaching rows of such calls."""
    return rows_for(calls_with(scores), CoachingSettings(**settings))


def rows_for(calls: Sequence[ScoredCall], settings: CoachingSettings) -> list[CoachingRow]:
    """Return the coaching rows of some calls."""
    columns = columns_of(calls, [skill.brick for skill in SKILLS.values()])
    return rows_of(coaching_scores([columns], SKILLS, settings), CoachingRow)


def regressions(scores: Sequence[Any], **settings: Any) -> list[RegressionRow]:
    """Return the regressions of such calls."""
    return list(coaching_regressions(scored(scores, **settings), {REP.rep_id: REP}))


def test_three_consecutive_calls_below_after_a_higher_level_are_a_regression() -> None:
    """It is detected on the third call and ends with the first call at the threshold."""
    found = regressions([*LEVEL, 0.5, 0.4, 0.55, 0.3, 0.6])
    assert len(found) == 1
    regression = found[0]
    assert (regression.first_call_id, regression.detected_call_id, regression.recovered_call_id) == (
        "c-40",
        "c-42",
        "c-44",
    )
    assert (regression.calls, regression.lowest, regression.latest, regression.threshold) == (4, 0.3, 0.3, 0.6)
    assert regression.earlier_calls == 40
    levels = [regression.earlier_mean, regression.mean, regression.drop]
    assert levels == pytest.approx([0.875, 0.4375, 0.4375])
    assert regression.drop_p_value == pytest.approx(1 / 12_341)  # the lowest three of 43 calls
    assert (regression.manager_id, regression.manager_name, regression.manager_email) == (
        "u-9",
        "Max Boss",
        "max@example.com",
    )
    assert regression.is_over
    assert regression.detected_week == MONDAY + timedelta(days=42)


def test_three_consecutive_calls_below_are_below_the_threshold() -> None:
    """The guide's rule, whatever the rep's own level; it says nothing about a drop."""
    rows = scored([0.9, 0.5, 0.4, 0.55, 0.3, 0.6])
    assert [row.below_threshold for row in rows] == [False, False, False, True, True, False]
    assert not any(row.regression_detected for row in rows)


def test_a_rep_who_always_was_below_the_threshold_is_no_regression() -> None:
    """Sixty calls around 0.5: a level, for which a run of three is to be expected."""
    rows = scored([0.5, 0.55, 0.45, 0.52, 0.48] * 12)
    assert all(row.below_threshold for row in rows[2:])
    assert not any(row.regression_detected for row in rows)
    assert rows[0].run_chance is None


def test_a_drop_below_a_low_level_is_a_regression_until_the_level_is_reached_again() -> None:
    """The threshold was never reached; the rep's own level is what the skill recovers to."""
    (found,) = regressions([0.5, 0.55, 0.45, 0.52, 0.48] * 8 + [0.1] * 5 + [0.45, 0.5, 0.9])
    assert (found.first_call_id, found.recovered_call_id) == ("c-40", "c-46")


def test_calls_that_another_version_of_the_kit_scored_are_no_reference() -> None:
    """A version that scores lower is no regression, and no run by bad luck; a drop within a version is a regression."""
    lower = [0.5, 0.55, 0.45, 0.52, 0.48] * 8
    rows = rows_for(by_versions(LEVEL, lower), CoachingSettings())
    assert not any(row.regression_detected for row in rows)
    assert rows[-1].run_chance is None
    found = coaching_regressions(rows_for(by_versions(LEVEL, [*lower, *[0.1] * 5]), CoachingSettings()), {})
    assert [(one.first_call_id, one.earlier_calls) for one in found] == [("c-80", 40)]


def by_versions(*scores: Sequence[float]) -> list[ScoredCall]:
    """Return a call per day with these scores, each sequence by another version of the kit."""
    versions = [str(number) for number, of_version in enumerate(scores) for _ in of_version]
    return [
        call(f"c-{n}", {"objections": score}, day=n, runs={KIT: KitRun("succeeded", "run", kit_version_id=version)})
        for n, (score, version) in enumerate(zip(chain(*scores), versions, strict=True))
    ]


def test_the_chance_of_a_run_is_that_at_the_level_before_it() -> None:
    """Half of the earlier calls are below the threshold: three in a row are one in eight, or a little more, because
    forty calls do not tell the level exactly."""
    rows = scored([0.5, 0.9] * 20 + [0.5] * 3)
    assert rows[-1].run_chance == pytest.approx(0.125, abs=0.02)
    assert scored([*LEVEL, 0.5, 0.5, 0.5])[-1].run_chance == pytest.approx(0, abs=0.001)


def test_two_consecutive_calls_below_are_no_regression() -> None:
    """A call at the threshold is not below it."""
    assert not any(row.below_threshold for row in scored([0.5, 0.5, 0.6, 0.5, 0.5, 0.7]))
    assert regressions([*LEVEL, 0.5, 0.5, 0.6, 0.5, 0.5, 0.7]) == []


def test_skips_calls_without_a_score_of_the_skill() -> None:
    """Null neither continues nor ends a regression, and is not a score of 0."""
    rows = scored([0.5, None, 0.5, None, 0.5])
    assert [row.call_id for row in rows] == ["c-0", "c-2", "c-4"]
    assert [row.below_threshold for row in rows] == [False, False, True]


def test_a_regression_after_recovery_is_another_row() -> None:
    """The first is over, the second is not; the calls of the first are no reference for the second."""
    found = regressions([*LEVEL, *[0.1] * 3, 0.9, 0.95, *[0.1] * 5])
    assert [(one.first_call_id, one.is_over) for one in found] == [("c-40", True), ("c-45", False)]
    assert found[1].earlier_mean == pytest.approx((40 * 0.875 + 0.9 + 0.95) / 42)


@pytest.mark.parametrize(
    ("highest", "expected"), [(0.9, 0.6), (4.0, 3.0), (9.0, 6.0), (88.0, 60.0)], ids=["1", "5", "10", "100"]
)
def test_the_threshold_is_a_share_of_the_scale(highest: float, expected: float) -> None:
    """The scale is the smallest of 1, 5, 10 and 100 that holds the highest score."""
    assert scored([highest])[0].threshold == pytest.approx(expected)


def test_rolling_mean_and_trend_cover_the_last_five_calls() -> None:
    """A trend needs at least three calls."""
    rows = scored([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    assert [row.trend for row in rows[:2]] == [None, None]
    assert rows[-1].rolling_mean == pytest.approx(0.5)
    assert rows[-1].trend == pytest.approx(0.1)


def test_counts_calls_since_the_newest_training_of_the_rep_and_skill() -> None:
    """Calls on the day of the training are before it."""
    trainings = (
        TrainingSettings(name="for all", date=MONDAY),
        TrainingSettings(name="for Ana", date=MONDAY + timedelta(days=3), reps=(" ANA@example.com ",)),
        TrainingSettings(name="for another", date=MONDAY + timedelta(days=4), reps=("bo@example.com",)),
        TrainingSettings(name="another skill", date=MONDAY + timedelta(days=4), skills=("discovery",)),
    )
    rows = scored([0.9] * 6, trainings=trainings)
    assert [(row.training, row.calls_since_training) for row in rows] == [
        (None, None),
        ("for all", 1),
        ("for all", 2),
        ("for all", 3),
        ("for Ana", 1),
        ("for Ana", 2),
    ]


def test_orders_calls_by_their_time() -> None:
    """A call that was scored late has its place in the order."""
    rows = rows_for(calls_with([*LEVEL, 0.5, 0.5, 0.5])[::-1], CoachingSettings())
    assert [row.call_number for row in rows] == list(range(1, 44))
    assert rows[-1].regression_detected


def test_counts_each_rep_separately() -> None:
    """Three weak calls of three reps are not a regression; a call without a rep is left out."""
    calls = [call(f"c-{n}", {"objections": 0.1}, day=n, rep=Rep(f"u-{n}")) for n in range(3)]
    calls.append(call("c-9", {"objections": 0.1}, rep=None))
    rows = rows_for(calls, CoachingSettings())
    assert len(rows) == 3
    assert not any(row.below_threshold for row in rows)


def test_infers_skills_from_names() -> None:
    """Without settings, skills are the scores of the coaching kit, else the bricks of the vendor's guide."""
    known = {("coaching", "depth"): {"num"}, ("coaching", "notes"): {"text"}, ("deal", "depth"): {"num"}}
    assert list(skills(CoachingSettings(), known)) == ["depth"]
    guide = {("any", "objection_handling_score"): {"num"}, ("any", "other"): {"num"}}
    assert list(skills(CoachingSettings(), guide)) == ["objection_handling_score"]


@given(st.lists(st.sampled_from([0.2, 0.59, 0.6, 0.95, None]), max_size=40), st.integers(1, 5))
def test_runs_of_calls_below_the_threshold_are_marked(scores: list[float | None], consecutive: int) -> None:
    """Each run of at least N calls below is marked from its N-th call on, and nothing else is."""
    known = [score for score in scores if score is not None]
    runs = "".join("x" if score < 0.6 else " " for score in known).split()
    # The high score at the end keeps the scale at 1.
    rows = scored([*scores, 0.95], consecutive_calls=consecutive)
    marked = sum(row.below_threshold for row in rows)
    assert marked == sum(len(run) - consecutive + 1 for run in runs if len(run) >= consecutive)
    assert all(row.below_threshold for row in rows if row.regression_detected)


@given(st.lists(st.sampled_from([0.2, 0.3, 0.5, 0.59, 0.6, 0.95]), min_size=8, max_size=60))
def test_regressions_agree_with_the_scores(scores: list[float]) -> None:
    """A row for each regression that the scores show, with its calls, and every call below the threshold."""
    rows = scored([*LEVEL, *scores])
    found = list(coaching_regressions(rows, {}))
    assert len(found) == len({row.regression_first_call_id for row in rows} - {None})
    for one in found:
        calls = [row for row in rows if one.first_call_at <= row.started_at][: one.calls]
        assert calls[0].call_id == one.first_call_id
        assert all(row.is_below for row in calls)
        assert one.mean == pytest.approx(sum(row.score for row in calls) / len(calls))
        assert one.is_over == (one.recovered_call_id is not None)
