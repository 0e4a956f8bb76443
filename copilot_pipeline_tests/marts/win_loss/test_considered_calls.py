"""Which calls of a deal the analysis considers, and what it adjusts for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from copilot_pipeline.config.marts import MeddiccSettings, WinLossSettings
from copilot_pipeline.marts.brick_roles import Element
from copilot_pipeline.marts.meddicc import Coverage, meddicc_coverage
from copilot_pipeline.marts.meddicc_outcomes import meddicc_outcomes
from copilot_pipeline.marts.win_loss.confounders import adjusted_for, covariates
from copilot_pipeline.marts.win_loss.deal_observations import Elements, deal_observations
from copilot_pipeline.marts.win_loss.drivers import win_loss_drivers
from copilot_pipeline_tests.marts.examples import KIT, call, columns_of, lost, won


def at_noon(day: int) -> datetime:
    """Return noon, some days after the Monday."""
    return datetime(2026, 11, 2, 12, tzinfo=UTC) + timedelta(days=day)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, 4.0),
        ({"first_calls": 2}, 2.0),
        ({"until_stage": "negotiation"}, 3.0),
        ({"days_before_close": 3}, 1.0),
        ({"until_stage": "Negotiation", "first_calls": 1}, 1.0),
    ],
    ids=["all before the close", "first calls", "until a stage", "days before the close", "both"],
)
def test_considers_the_calls_up_to_the_same_point(limits: dict[str, Any], expected: float) -> None:
    """The highest of the scores 1 to 5 on days 1 to 5 of a deal that closes on day 5 before its fifth call."""
    deal = won(
        "d",
        closed_at=at_noon(6) - timedelta(days=1, hours=1),
        stages=((at_noon(0), "New"), (at_noon(4), "Negotiation")),
    )
    calls = [call(f"c-{day}", {"depth": float(day)}, day=day, deal_id="d") for day in (1, 2, 3, 4, 5)]
    observed = deal_observations(calls, [deal], WinLossSettings(**limits))[0]
    assert observed.answers == {(KIT, "depth"): expected}


def test_leaves_out_deals_that_never_reached_the_stage() -> None:
    """They were never at that point."""
    calls = [call("c-1", {"depth": 1.0}, deal_id="d")]
    assert deal_observations(calls, [won("d", closed_at=at_noon(9))], WinLossSettings(until_stage="Proposal")) == []


def test_adjusts_for_what_differs_between_the_deals_only() -> None:
    """One call and one rep each: only the amount differs."""
    calls = [call(f"c-{n}", {"seen": n % 2 == 0}, deal_id=f"d-{n}") for n in range(40)]
    deals = [(won if n % 3 else lost)(f"d-{n}", amount=1_000.0 * n) for n in range(40)]
    observed = deal_observations(calls, deals, WinLossSettings())
    everything = ("calls", "duration", "segment", "amount", "rep", "stage", "close_date")
    assert adjusted_for(observed, everything) == ["amount"]
    assert covariates(observed, everything).shape == (40, 3)


def test_coverage_counts_are_those_of_meddicc_outcomes() -> None:
    """A null answer of a scored call is not covered in both; a deal without a scored call of the kit is in neither."""
    calls = [
        *(call(f"c-{n}", {"champion": [None, 0.2, 0.9][n % 3]}, deal_id=f"d-{n}") for n in range(60)),
        call("other", {"champion": 0.9}, deal_id="d-60", runs={}),
    ]
    deals = [(won if n % 3 == 2 or n % 7 == 0 else lost)(f"d-{n}") for n in range(61)]
    elements = {"champion": Element((KIT, "champion"))}
    highest = {"champion": 0.9}
    columns = columns_of(calls, [element.brick for element in elements.values()])
    coverage = Coverage()
    assert list(coverage.adding(meddicc_coverage([columns], elements, MeddiccSettings(), highest)))
    outcomes = meddicc_outcomes(coverage.table(), deals)
    result = win_loss_drivers(
        calls, deals, WinLossSettings(max_conditions=1), Elements(elements, MeddiccSettings(), highest)
    )
    row = next(one for one in result.drivers if one.condition == "champion never covered")
    assert row.n == sum(one.n for one in outcomes) == 60
    assert row.support == sum(one.uncovered for one in outcomes) == 40
    assert row.won == next(one.uncovered for one in outcomes if one.outcome == "won")
