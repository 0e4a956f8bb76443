"""Open deals: newest values, trends, risks, and the evidence for their stage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from copilot_pipeline.config.marts import DealSettings
from copilot_pipeline.marts.deals import DealSignalRow, by_deal, deal_signals, inspect_deals
from copilot_pipeline.marts.model import Deal, ScoredCall
from copilot_pipeline_tests.marts.examples import KIT, call, quoted, still_open, won

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def signals(*calls: ScoredCall) -> dict[str, DealSignalRow]:
    """Return the signals of one open deal by brick."""
    return {row.brick: row for row in deal_signals(by_deal(calls), [still_open("d")])}


def test_compares_the_newest_value_with_the_previous_one() -> None:
    """Calls are ordered by time, and nulls are skipped."""
    result = signals(
        call("c-2", {"depth": 70.0, "champion": None, "topic": "price"}, day=2, deal_id="d"),
        call("c-1", {"depth": 40.0, "champion": True, "topic": "price"}, day=1, deal_id="d"),
        call("c-3", {"depth": 60.0, "champion": None, "topic": quoted("timing", "next year")}, day=3, deal_id="d"),
    )
    depth, champion, topic = result["depth"], result["champion"], result["topic"]
    assert (depth.latest, depth.previous, depth.change, depth.trend, depth.answers) == ("60", "70", -10.0, "down", 3)
    assert depth.slope == 10.0
    assert (champion.latest, champion.latest_num, champion.trend, champion.call_id) == ("yes", 1.0, "new", "c-1")
    assert (topic.latest, topic.previous, topic.trend, topic.evidence) == ("timing", "price", "changed", "next year")


@pytest.mark.parametrize(
    ("value", "text"),
    [(1_500_000.0, "1500000"), (0.41, "0.41"), (2 / 3, "0.666667"), (-0.0, "0"), (64.0, "64"), (1e-9, "1e-09")],
)
def test_formats_numbers_without_exponents(value: float, text: str) -> None:
    """A budget of 1500000 is not written 1.5e+06."""
    assert signals(call("c", {"budget": value}, deal_id="d"))["budget"].latest == text


def test_only_open_deals_have_signals() -> None:
    """Closed deals and calls without a deal have no rows."""
    calls = by_deal([call("c-1", {"a": True}, deal_id="w"), call("c-2", {"a": True})])
    assert deal_signals(calls, [won("w")]) == []
    assert inspect_deals(calls, [won("w")], DealSettings(), {}, NOW) == []


def inspected(deal: Deal, *calls: ScoredCall, **settings: Any) -> Any:
    """Return the inspection of one deal."""
    return inspect_deals(by_deal(calls), [deal], DealSettings(**settings), {deal.deal_id: 0.5}, NOW)[0]


def test_a_deal_without_calls_is_at_risk() -> None:
    """Its row is not missing."""
    row = inspected(still_open("d", name="Acme"))
    assert (row.calls, row.days_since_last_call, row.risk_flags, row.meddicc_covered) == (0, None, ["no call yet"], 0.5)


def test_risks_are_texts() -> None:
    """No recent call, a single prospect, a past close date, and the newest flags of the kit."""
    row = inspected(
        still_open("d", close_date=NOW - timedelta(days=1)),
        call("c-1", {"risk_flag": False}, day=0, deal_id="d", prospects=("Pat",)),
        call("c-2", {"risk_flag": True}, day=8, deal_id="d", prospects=("Pat",)),
    )
    assert row.risk_flags == [
        "no call for 20 days",
        "only 1 prospect on all calls",
        "close date has passed",
        "risk_flag",
    ]
    assert (row.risks, row.people, row.last_call_id) == (4, ["Pat"], "c-2")


def test_configured_risks_replace_the_risk_bricks() -> None:
    """A risk is a condition on the newest values; an unknown value is not a risk."""
    risks = [{"name": "no champion", "when": {"brick": f"{KIT}.champion", "is": False}}]
    calls = [call("c-1", {"champion": False, "risk_flag": True}, day=27, deal_id="d", prospects=("Pat", "Kim"))]
    assert inspected(still_open("d"), *calls, risks=risks).risk_flags == ["no champion"]
    unknown = [call("c-1", {"champion": None}, day=27, deal_id="d", prospects=("Pat", "Kim"))]
    assert inspected(still_open("d"), *unknown, risks=risks).risk_flags == []


def test_lists_the_conditions_of_a_stage_that_no_call_fulfils() -> None:
    """Each must be fulfilled on at least one call."""
    stages = {
        "negotiation": {
            "budget": {"brick": f"{KIT}.budget", "is": True},
            "depth": {"brick": f"{KIT}.depth", "above": 65},
        }
    }
    row = inspected(
        still_open("d", stage=" Negotiation"),
        call("c-1", {"budget": True, "depth": 10.0}, day=26, deal_id="d", prospects=("Pat", "Kim")),
        call("c-2", {"budget": False, "depth": None}, day=27, deal_id="d", prospects=("Pat", "Kim")),
        stages=stages,
    )
    assert (row.stage_expects, row.stage_lacks, row.stage_evidence) == (["budget", "depth"], ["depth"], 0.5)
    assert row.risk_flags == ["missing for this stage: depth"]
