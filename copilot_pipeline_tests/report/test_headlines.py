"""The headlines and key figures of the report."""

from __future__ import annotations

from dataclasses import replace

from copilot_pipeline.report.headlines import headlines
from copilot_pipeline.report.kpis import kpis
from copilot_pipeline.report.model import Coverage, Volume
from copilot_pipeline_tests.report.examples import CONCLUSION, EMPTY, WEEK, full, regression


def test_writes_a_sentence_per_subject_and_an_n_per_share() -> None:
    """Calls, coverage, coaching, claims, deals and win/loss."""
    assert headlines(full(regressions=(regression(),))) == [
        "131 calls, 1 more than the week before (130); 100 of them scored.",
        "Coverage moved most in metrics: 73 % of 100 calls, 3 points up (70 % of 100 the week before).",
        "Least covered: champion, in 73 of 100 calls.",
        "1 new skill regression: Ana Ruiz in objection handling.",
        "12 claims flagged, on 10 of 100 checked calls (10 of 100 the week before).",
        "1 of 19 open deals with risks; most risks: Acme.",
        CONCLUSION,
    ]


def test_key_figures_state_their_base_and_the_week_before() -> None:
    """Each figure has its base, and the value of the week before."""
    assert [(kpi.label, kpi.number, *kpi.details) for kpi in kpis(full(regressions=(regression(),)))] == [
        ("Calls", "131", "130 the week before"),
        ("Scored", "76 %", "100 of 131 calls"),
        ("MEDDICC coverage", "73 %", "438 of 600 elements", "70 % of 600 the week before"),
        ("Skill regressions", "1", "1 new since 16 Nov"),
        ("Claims flagged", "12", "on 10 of 100 checked calls", "12 the week before"),
        ("Deals at risk", "1", "of 19 open deals"),
    ]


def test_an_empty_report_has_no_headlines_and_no_figures() -> None:
    """Zeros would look like findings."""
    assert headlines(EMPTY) == []
    assert kpis(EMPTY) == []


def test_shares_of_few_calls_are_no_headline() -> None:
    """The share of nine calls varies too much by chance."""
    few = (Coverage(WEEK.isoformat(), "champion", 9, 9), Coverage("2026-11-09", "champion", 100, 1))
    assert headlines(replace(EMPTY, coverage_by_week=few)) == []


def test_states_that_the_number_of_calls_is_unchanged() -> None:
    """Neither `more` nor `fewer` fits."""
    volume = (Volume(EMPTY.week_before, 5, 5, 5, 5), Volume(WEEK, 5, 5, 4, 5))
    assert headlines(replace(EMPTY, volume=volume)) == ["5 calls, as many as the week before; 4 of them scored."]
