"""Coaching: skills in call order, slides, trainings and recovery."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.config.marts import CoachingSettings, TrainingSettings
from copilot_pipeline.marts.brick_roles import Skill, skills
from copilot_pipeline.marts.coaching import CoachingRow, RegressionRow, coaching_regressions, coaching_scores
from copilot_pipeline.marts.model import Rep, ScoredCall
from copilot_pipeline_tests.marts.examples import KIT, MONDAY, REP, call

SKILLS = {"objections": Skill((KIT, "objections"))}


def calls_with(scores: Sequence[Any]) -> list[ScoredCall]:
    """A call a day with these scores; None is a null answer."""
    return [call(f"c-{n}", {"objections": score}, day=n) for n, score in enumerate(scores)]


def scored(scores: Sequence[Any], **settings: Any) -> list[CoachingRow]:
    """The rows of such calls."""
    return coaching_scores(calls_with(scores), SKILLS, CoachingSettings(**settings))


def slides(scores: Sequence[Any], **settings: Any) -> list[RegressionRow]:
    """The slides of such calls."""
    return coaching_regressions(scored(scores, **settings), {REP.rep_id: REP})


def test_three_calls_below_in_a_row_are_a_regression() -> None:
    """Detected on the third, with the first call of the slide and whom to tell; over when a call is back."""
    found = slides([0.9, 0.5, 0.4, 0.55, 0.3, 0.6])
    assert len(found) == 1
    slide = found[0]
    assert (slide.first_call_id, slide.detected_call_id, slide.recovered_call_id) == ("c-1", "c-3", "c-5")
    assert (slide.calls, slide.lowest, slide.latest, slide.threshold) == (4, 0.3, 0.3, 0.6)
    assert (slide.manager_id, slide.manager_name, slide.manager_email) == ("u-9", "Max Boss", "max@example.com")
    assert slide.is_over
    assert slide.detected_week == MONDAY


def test_two_calls_below_are_none() -> None:
    """A call at the threshold is not below it and breaks the row."""
    assert slides([0.5, 0.5, 0.6, 0.5, 0.5, 0.7]) == []


def test_a_call_without_the_skill_is_no_call_of_it() -> None:
    """Null neither goes on with a slide nor ends it, and is not a score of 0."""
    rows = scored([0.5, None, 0.5, None, 0.5])
    assert [row.call_id for row in rows] == ["c-0", "c-2", "c-4"]
    assert [row.regression_detected for row in rows] == [False, False, True]


def test_a_second_slide_is_a_second_row() -> None:
    """After recovery it may slide again."""
    found = slides([0.1] * 3 + [0.9] + [0.1] * 5)
    assert [(one.first_call_id, one.is_over) for one in found] == [("c-0", True), ("c-4", False)]


@pytest.mark.parametrize(
    ("highest", "expected"), [(0.9, 0.6), (4.0, 3.0), (9.0, 6.0), (88.0, 60.0)], ids=["1", "5", "10", "100"]
)
def test_the_threshold_is_of_the_scale(highest: float, expected: float) -> None:
    """0.60 is 0.6 of 1, 3 of 5, 6 of 10 and 60 of 100, as the highest answer tells."""
    assert scored([highest])[0].threshold == pytest.approx(expected)


def test_rolling_mean_and_trend() -> None:
    """Over the last five calls; no trend from fewer than three."""
    rows = scored([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    assert [row.trend for row in rows[:2]] == [None, None]
    assert rows[-1].rolling_mean == pytest.approx(0.5)
    assert rows[-1].trend == pytest.approx(0.1)


def test_calls_since_training() -> None:
    """Counted from the day after the newest training of this rep and skill."""
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


def test_calls_go_by_time_and_not_by_arrival() -> None:
    """A call that was scored late takes its place."""
    rows = coaching_scores(reversed(calls_with([0.9, 0.5, 0.5, 0.5])), SKILLS, CoachingSettings())
    assert [row.call_number for row in rows] == [1, 2, 3, 4]
    assert rows[-1].regression_detected


def test_reps_are_kept_apart() -> None:
    """Three weak calls of three reps are nobody's regression; a call of nobody is nobody's."""
    calls = [call(f"c-{n}", {"objections": 0.1}, day=n, rep=Rep(f"u-{n}")) for n in range(3)]
    calls.append(call("c-9", {"objections": 0.1}, rep=None))
    rows = coaching_scores(calls, SKILLS, CoachingSettings())
    assert len(rows) == 3
    assert not any(row.regression_detected for row in rows)


def test_skills_are_recognised() -> None:
    """Without settings: every score of a kit named after coaching; two kits' bricks of one name are told apart."""
    known = {("coaching", "depth"): {"num"}, ("coaching", "notes"): {"text"}, ("deal", "depth"): {"num"}}
    assert list(skills(CoachingSettings(), known)) == ["depth"]
    guide = {("any", "objection_handling_score"): {"num"}, ("any", "other"): {"num"}}
    assert list(skills(CoachingSettings(), guide)) == ["objection_handling_score"]


@given(st.lists(st.sampled_from([0.2, 0.59, 0.6, 0.95, None]), max_size=40), st.integers(1, 5))
def test_slides_are_the_runs_below(scores: list[float | None], consecutive: int) -> None:
    """Whatever the course: a slide for each unbroken run of at least N calls below, of its length, and no other."""
    known = [score for score in scores if score is not None]
    runs = "".join("x" if score < 0.6 else " " for score in known).split()
    # Without a high score among them the scale would be another one.
    found = slides([*scores, 0.95], consecutive_calls=consecutive)
    assert [slide.calls for slide in found] == [len(run) for run in runs if len(run) >= consecutive]
    assert all(slide.is_over for slide in found)
