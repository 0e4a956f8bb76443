"""The outcome of a deal and when it closed, from CRM stages and stage histories."""

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
def test_compares_letters_and_digits_of_stages(stage: str | None, expected: DealOutcome) -> None:
    """CRMs write the same stage in different ways; any other stage is open."""
    assert outcome_of(stage, OutcomeSettings()) is expected


def test_configured_stages_replace_the_defaults() -> None:
    """`Closed Won` is open if it is not configured."""
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
    ids=["once", "in any order", "again", "stays won", "lost, then won", "reopened", "never", "no history"],
)
def test_a_deal_closes_when_it_reaches_its_present_outcome(changes: list[tuple[str, int]], day: int | None) -> None:
    """The last close counts; a change between two won stages is none."""
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
def test_tolerates_incomplete_stage_histories(history: str | None, expected: datetime | None) -> None:
    """Unusable entries are skipped; a date without a time is the end of that day."""
    assert closed_at(history, OutcomeSettings()) == expected
