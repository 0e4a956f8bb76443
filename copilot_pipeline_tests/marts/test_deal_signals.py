"""Open deals: newest answers, trends, risks, and the stage against the evidence."""

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
    """The signals of one open deal, by brick."""
    return {row.brick: row for row in deal_signals(by_deal(calls), [still_open("d")])}


def test_the_newest_answer_and_the_one_before() -> None:
    """By call time; nulls are skipped and are no change."""
    found = signals(
        call("c-2", {"depth": 70.0, "champion": None, "topic": "price"}, day=2, deal_id="d"),
        call("c-1", {"depth": 40.0, "champion": True, "topic": "price"}, day=1, deal_id="d"),
        call("c-3", {"depth": 60.0, "champion": None, "topic": quoted("timing", "next year")}, day=3, deal_id="d"),
    )
    depth, champion, topic = found["depth"], found["champion"], found["topic"]
    assert (depth.latest, depth.previous, depth.change, depth.trend, depth.answers) == ("60", "70", -10.0, "down", 3)
    assert depth.slope == 10.0
    assert (champion.latest, champion.latest_num, champion.trend, champion.call_id) == ("yes", 1.0, "new", "c-1")
    assert (topic.latest, topic.previous, topic.trend, topic.evidence) == ("timing", "price", "changed", "next year")


@pytest.mark.parametrize(
    ("value", "text"),
    [(1_500_000.0, "1500000"), (0.41, "0.41"), (2 / 3, "0.666667"), (-0.0, "0"), (64.0, "64"), (1e-9, "1e-09")],
)
def test_numbers_are_written_as_people_write_them(value: float, text: str) -> None:
    """A budget of a million and a half is not 1.5e+06."""
    assert signals(call("c", {"budget": value}, deal_id="d"))["budget"].latest == text


def test_only_open_deals_have_signals() -> None:
    """A closed deal needs no inspection; a call without a deal belongs to none."""
    calls = by_deal([call("c-1", {"a": True}, deal_id="w"), call("c-2", {"a": True})])
    assert deal_signals(calls, [won("w")]) == []
    assert inspect_deals(calls, [won("w")], DealSettings(), {}, NOW) == []


def inspected(deal: Deal, *calls: ScoredCall, **settings: Any) -> Any:
    """The one inspected deal."""
    return inspect_deals(by_deal(calls), [deal], DealSettings(**settings), {deal.deal_id: 0.5}, NOW)[0]


def test_a_deal_without_calls_is_there_and_at_risk() -> None:
    """No call yet is a risk, not a missing row."""
    row = inspected(still_open("d", name="Acme"))
    assert (row.calls, row.days_since_last_call, row.risk_flags, row.meddicc_covered) == (0, None, ["no call yet"], 0.5)


def test_risks_are_said_in_words() -> None:
    """Silence, one person only, a close date that has passed, and what the kit flags now."""
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


def test_risks_of_the_settings_take_their_place() -> None:
    """A risk is a condition on the newest answers; what is unknown is none."""
    risks = [{"name": "no champion", "when": {"brick": f"{KIT}.champion", "is": False}}]
    calls = [call("c-1", {"champion": False, "risk_flag": True}, day=27, deal_id="d", prospects=("Pat", "Kim"))]
    assert inspected(still_open("d"), *calls, risks=risks).risk_flags == ["no champion"]
    unknown = [call("c-1", {"champion": None}, day=27, deal_id="d", prospects=("Pat", "Kim"))]
    assert inspected(still_open("d"), *unknown, risks=risks).risk_flags == []


def test_a_stage_is_held_against_the_evidence() -> None:
    """What the stage asks for must have been shown on some call."""
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
