"""What changed, in sentences."""

from __future__ import annotations

from dataclasses import replace

from copilot_pipeline.report.headlines import headlines
from copilot_pipeline.report.kpis import kpis
from copilot_pipeline.report.model import Coverage, Volume
from copilot_pipeline_tests.report.examples import EMPTY, WEEK, full, slide


def test_each_part_has_its_sentence_and_each_share_its_n() -> None:
    """Calls, coverage, coaching, claims, deals and win/loss."""
    assert headlines(full(slides=(slide(),))) == [
        "131 calls, 1 more than the week before (130); 100 of them scored.",
        "Coverage moved most in metrics: 73 % of 100 calls, 3 points up (70 % of 100 the week before).",
        "Least covered: champion, in 73 of 100 calls.",
        "1 new skill regression: Ana Ruiz in objection handling.",
        "12 claims flagged, on 10 of 100 checked calls (10 of 100 the week before).",
        "1 of 19 open deals with risks; most of them: Acme.",
        "budget_confirmed: 4.1 times the base rate, 37 of 52 won. Of 900 conditions tested 2 hold up.",
    ]


def test_the_numbers_at_a_glance_say_what_they_are_of() -> None:
    """A number, of how many, and what it was the week before."""
    assert [(tile.label, tile.number, *tile.details) for tile in kpis(full(slides=(slide(),)))] == [
        ("Calls", "131", "130 the week before"),
        ("Scored", "76 %", "100 of 131 calls"),
        ("MEDDICC coverage", "73 %", "438 of 600 elements", "70 % of 600 the week before"),
        ("Skill regressions", "1", "1 new since 16 Nov"),
        ("Claims flagged", "12", "on 10 of 100 checked calls", "12 the week before"),
        ("Deals at risk", "1", "of 19 open deals"),
    ]


def test_without_data_nothing_is_said() -> None:
    """No zeros that look like findings."""
    assert headlines(EMPTY) == []
    assert kpis(EMPTY) == []


def test_a_share_of_few_calls_is_no_headline() -> None:
    """A week with nine scored calls moves by chance."""
    few = (Coverage(WEEK.isoformat(), "champion", 9, 9), Coverage("2026-11-09", "champion", 100, 1))
    assert headlines(replace(EMPTY, coverage_by_week=few)) == []


def test_the_same_number_of_calls_is_said_as_such() -> None:
    """Neither more nor fewer."""
    volume = (Volume(EMPTY.week_before, 5, 5, 5, 5), Volume(WEEK, 5, 5, 4, 5))
    assert headlines(replace(EMPTY, volume=volume)) == ["5 calls, as many as the week before; 4 of them scored."]
