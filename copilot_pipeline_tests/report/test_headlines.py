"""The headlines and key figures of the report."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from copilot_pipeline.report.actions import Actions, ForecastTotal
from copilot_pipeline.report.figures import coverage_moves
from copilot_pipeline.report.headlines import forecast_lines, headlines
from copilot_pipeline.report.kpis import kpis
from copilot_pipeline.report.model import Coverage, Volume
from copilot_pipeline_tests.report.examples import EMPTY, MOMENT, WEEK, full, regression


def test_writes_a_sentence_per_subject_and_an_n_per_share() -> None:
    """Calls, coverage, coaching, claims, deals and win/loss."""
    assert headlines(full(regressions=(regression(),))) == [
        "131 calls, 1 more than the week before (130); 100 of them scored.",
        "No element's coverage moved beyond chance (6 compared with the week before).",
        "Least covered: champion, in 73 of 100 calls.",
        "1 new skill regression: Ana Ruiz in objection handling.",
        "12 claims flagged, on 10 of 100 checked calls (10 of 100 the week before).",
        "1 of 19 open deals with risks; first: Acme.",
        "budget confirmed and decision maker present and discovery depth > 65: 37 of 52 newer deals won (71 %, "
        "95 % interval 58 to 82 %); of comparable deals 17 %. 1 more driver confirmed.",
    ]


def test_messages_begin_with_the_forecast_against_that_of_a_week_earlier() -> None:
    """One sentence per currency; without an earlier forecast there is no comparison."""
    totals = (
        ForecastTotal("USD", date(2026, 11, 23), 20, 1_150_000.0, date(2026, 11, 16), 1_300_000.0),
        ForecastTotal("EUR", date(2026, 11, 23), 1, 5000.0, None, None),
    )
    assert forecast_lines(replace(EMPTY, actions=Actions(totals=totals))) == [
        "USD 1,150,000 expected from 20 open deals, USD 150,000 less than on 16 Nov 2026.",
        "EUR 5,000 expected from 1 open deal.",
    ]
    assert forecast_lines(EMPTY) == []


def test_key_figures_state_their_base_and_the_week_before() -> None:
    """Each figure has its base, and the value of the week before; each share has its interval."""
    assert [(kpi.label, kpi.number, *kpi.details) for kpi in kpis(full(regressions=(regression(),)))] == [
        ("Calls", "131", "130 the week before"),
        ("Scored", "76 %", "100 of 131 calls", "95 % interval 68 to 83 %"),
        (
            *("MEDDICC coverage", "73 %", "438 of 600 elements", "95 % interval 69 to 76 %"),
            *("70 % of 600 the week before", "95 % interval 66 to 74 %"),
        ),
        ("Skill regressions", "1", "1 new this week"),
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


def week_of_coverage(covered_now: int, covered_before: int, n: int = 200) -> tuple[Coverage, ...]:
    """Two weeks of seven elements, of which one moves."""
    now, before = WEEK.isoformat(), EMPTY.week_before.isoformat()
    steady = [Coverage(week, f"element {number}", n, n // 2) for number in range(6) for week in (before, now)]
    return (*steady, Coverage(before, "champion", n, covered_before), Coverage(now, "champion", n, covered_now))


def complete_weeks(*, before: bool = True, now: bool = True) -> tuple[Volume, ...]:
    """The calls of two weeks."""
    return (Volume(EMPTY.week_before, 90, 90, 90, 90, before), Volume(WEEK, 11, 11, 11, 11, now))


def test_names_a_move_that_is_beyond_chance_with_its_interval() -> None:
    """Sixty points of two hundred calls are not chance, whatever the number of elements."""
    report = replace(EMPTY, volume=complete_weeks(), coverage_by_week=week_of_coverage(40, 160))
    (line,) = [line for line in headlines(report) if "moved" in line]
    assert re.match(
        r"Coverage of champion moved 60 points down \(interval 4\d to \d\d\): 20 % of 200 calls, 80 % of 200", line
    )


def test_a_move_that_is_significant_alone_is_not_named_among_seven() -> None:
    """The largest of seven moves is large by chance: p is 0.02 before the correction."""
    report = replace(EMPTY, volume=complete_weeks(), coverage_by_week=week_of_coverage(90, 113))
    assert coverage_moves(report)[0].p_value == pytest.approx(7 * 0.021, abs=0.01)
    assert not any("moved" in line and "champion" in line for line in headlines(report))


def test_moves_by_chance_are_rarely_named() -> None:
    """At most 5 % of the weeks without a change name a move."""
    random = np.random.default_rng(14)
    named = 0
    for _ in range(200):
        coverage = tuple(
            Coverage(week.isoformat(), f"element {number}", 150, int(random.binomial(150, 0.1 + 0.1 * number)))
            for number in range(7)
            for week in (EMPTY.week_before, WEEK)
        )
        report = replace(EMPTY, volume=complete_weeks(), coverage_by_week=coverage)
        named += any(move.is_beyond_chance for move in coverage_moves(report))
    assert named <= 200 * 0.05


@pytest.mark.parametrize("part", ["before", "now"])
def test_never_compares_a_part_of_a_week(part: str) -> None:
    """Three days have fewer calls than seven, which is no news."""
    volume = complete_weeks(before=part != "before", now=part != "now")
    report = full(volume=volume, coverage_by_week=week_of_coverage(40, 160))
    texts = [*headlines(report), *(detail for kpi in kpis(report) for detail in kpi.details)]
    assert not any("before" in text or "moved" in text for text in texts)
    assert ("11 calls in a part of the week; 11 of them scored." in texts) is (part == "now")


def test_sentence_and_key_figure_count_the_same_regressions() -> None:
    """Detected in the week and earlier ones, ongoing and recovered: one definition of new and of ongoing."""
    earlier = regression("Bo Li", detected_on=EMPTY.week_before)
    recovered = regression("Cy Ng", recovered_at=MOMENT)
    report = full(regressions=(regression(), earlier, recovered))
    (figure,) = [kpi for kpi in kpis(report) if kpi.label == "Skill regressions"]
    assert (figure.number, figure.details) == ("2", ("1 new this week",))
    assert "1 new skill regression: Ana Ruiz in objection handling; 1 earlier one ongoing." in headlines(report)
