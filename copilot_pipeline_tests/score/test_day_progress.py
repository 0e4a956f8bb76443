"""Progress of the runs by day."""

from __future__ import annotations

from datetime import timedelta

from copilot_pipeline.score.day_progress import DayProgress, ScoredPartition
from copilot_pipeline_tests.score.examples import DAY, task


def test_a_day_is_finished_when_it_is_read_and_its_runs_have_ended() -> None:
    """Not before the last transcript of the day is read."""
    days, first, second = DayProgress(), task("a"), task("b")
    days.start_day(DAY)
    days.start_runs(DAY, [first], 1)
    days.end_run(first)
    assert list(days.take_finished()) == []
    days.start_runs(DAY, [second], 2)
    days.end_reading(DAY)
    assert list(days.take_finished()) == []
    days.add_problem(second, "no")
    days.end_run(second)
    assert list(days.take_finished()) == [ScoredPartition(DAY, 3, ["call b, kit deal: no"])]
    assert list(days.take_finished()) == []


def test_reports_each_change_of_a_day_once() -> None:
    """A day with an ended run is reported, although another run of it is in progress."""
    days, first, second = DayProgress(), task("a"), task("a", kit="coaching")
    next_day = DAY + timedelta(days=1)
    for day in (DAY, next_day):
        days.start_day(day)
        days.end_reading(day)
    assert [report.day for report in days.take_changed()] == [next_day, DAY]
    days.start_runs(DAY, [first, second], 1)
    assert days.take_changed() == []
    days.end_run(first)
    assert [report.day for report in days.take_changed()] == [DAY]
    assert days.take_changed() == []
    assert days.calls_in_progress(DAY) == {"a"}
    assert second.key in days.in_progress
    assert first.key not in days.in_progress
