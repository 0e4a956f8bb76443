"""How a deal ended and when: CRMs write their stages in many ways, and deals are opened again."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from copilot_pipeline.config.marts import OutcomeSettings
from copilot_pipeline.transform.deal_outcomes import DealOutcome, closed_at, outcome_of

LAST_MOMENT = datetime(2026, 3, 9, 23, 59, 59, 999999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("Closed Won", DealOutcome.WON),
        (" closed won ", DealOutcome.WON),
        ("closedwon", DealOutcome.WON),
        ("closed-won", DealOutcome.WON),
        ("Won", DealOutcome.WON),
        ("CLOSED_LOST", DealOutcome.LOST),
        ("Closed / Lost", DealOutcome.LOST),
        ("Closing", DealOutcome.OPEN),
        ("Won over", DealOutcome.OPEN),
        ("", DealOutcome.OPEN),
        (None, DealOutcome.OPEN),
    ],
)
def test_only_letters_and_digits_of_a_stage_count(stage: str | None, expected: DealOutcome) -> None:
    """Salesforce, HubSpot and people write the same stage in their own ways; another stage is open."""
    assert outcome_of(stage, OutcomeSettings()) is expected


def test_stages_of_the_settings_take_the_place_of_the_usual_ones() -> None:
    """A workspace names its own."""
    own = OutcomeSettings(won=("Gewonnen", "签约"), lost=("Verloren",))
    stages = ("gewonnen", "签约", "Verloren", "Closed Won")
    assert [outcome_of(stage, own) for stage in stages] == [
        DealOutcome.WON,
        DealOutcome.WON,
        DealOutcome.LOST,
        DealOutcome.OPEN,
    ]


@pytest.mark.parametrize(
    ("changes", "day"),
    [
        ([("Discovery", 1), ("Closed Won", 5)], 5),
        ([("Closed Won", 5), ("Discovery", 1)], 5),
        ([("Closed Lost", 3), ("Negotiation", 6), ("Closed Won", 9)], 9),
        ([("Closed Won", 3), ("Won", 6)], 3),
        ([("Closed Lost", 3), ("Closed Won", 6)], 6),
        ([("Closed Won", 3), ("Negotiation", 6)], None),
        ([("Discovery", 1)], None),
        ([], None),
    ],
    ids=["once", "in any order", "again", "stays won", "lost, then won", "opened again", "never", "no history"],
)
def test_a_deal_closes_when_it_comes_to_its_present_end(changes: list[tuple[str, int]], day: int | None) -> None:
    """The last time that it closed counts; from one won stage to another it stays closed."""
    history = [{"stage": stage, "date_changed": f"2026-03-{on:02}T10:00:00.000Z"} for stage, on in changes]
    expected = datetime(2026, 3, day, 10, tzinfo=UTC) if day else None
    assert closed_at(json.dumps(history), OutcomeSettings()) == expected


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (None, None),
        ("{}", None),
        ('[null, 3, {"stage": 7}, {"stage": "Closed Won"}, {"stage": "Closed Won", "date_changed": "soon"}]', None),
        ('[{"stage": "Closed Won", "date_changed": "2026-03-09"}]', LAST_MOMENT),
        ('[{"stage": "Closed Won", "date_changed": "2026-03-09T23:59:59.999999"}]', LAST_MOMENT),
    ],
    ids=["none", "no list", "nothing of use", "a day", "without a zone"],
)
def test_what_a_history_does_not_say_is_unknown(history: str | None, expected: datetime | None) -> None:
    """A history of any shape is read as far as it can be; a deal that closed on a day closed at its end."""
    assert closed_at(history, OutcomeSettings()) == expected
