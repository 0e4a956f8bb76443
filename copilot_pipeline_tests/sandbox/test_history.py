"""The company of the demo: deals that closed over months, with planted effects."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from copilot_pipeline.cli.demo import CLOSED_DEALS, WEEKS
from copilot_pipeline.sandbox.company import Company
from copilot_pipeline.sandbox.history import History, make_history
from copilot_pipeline.sandbox.knowledge import DOCUMENTS
from copilot_pipeline.sandbox.options import SandboxOptions
from copilot_pipeline.sandbox.scoring import KITS, bricks_of
from copilot_pipeline.sandbox.server import World

pytestmark = pytest.mark.unit

FIRST = date(2026, 1, 5)
DAYS = 7 * WEEKS


def history(seed: int = 7) -> History:
    """Make the history of the demo."""
    return make_history(seed, Company(seed, FIRST, DAYS).sellers, FIRST, DAYS, CLOSED_DEALS)


def test_the_same_seed_gives_the_same_history() -> None:
    """A second run of the demo finds the calls of the first."""
    one, two, other = history(), history(), history(8)
    assert [(call.at, call.deal.deal_id, call.signals) for call in one.calls] == [
        (call.at, call.deal.deal_id, call.signals) for call in two.calls
    ]
    assert [call.signals for call in one.calls] != [call.signals for call in other.calls]


def test_the_demo_needs_some_three_hundred_requests() -> None:
    """Calls, deals and accounts are one request each; few enough to leave time for the rest of a minute."""
    made = history()
    accounts = {deal.account_id for deal in made.deals}
    assert len(made.calls) + len(made.deals) + len(accounts) <= 320


def test_deals_close_on_all_days_and_calls_are_held_before() -> None:
    """No call is in the future or after the close; the stages are entered in order."""
    end = datetime.combine(FIRST + timedelta(days=DAYS), time(), UTC)
    made = history()
    closed = [deal for deal in made.deals if deal.is_closed]
    assert len({(deal.close_date.year, (deal.close_date.month - 1) // 3) for deal in closed}) >= 3
    for call in made.calls:
        assert call.at < min(end, call.deal.close_date if call.deal.is_closed else end)
        assert call.at.date() >= FIRST - timedelta(days=1)
    for deal in made.deals:
        moments = [change["date_changed"] for change in deal.history]
        assert moments == sorted(moments)


def test_the_planted_effects_are_there() -> None:
    """Deals with a signer are won more often; one rep answers fewer objections in the last weeks."""
    closed = [deal for deal in history().deals if deal.is_closed]
    rates = {}
    for present in (True, False):
        of_kind = [deal for deal in closed if deal.decision_maker_present is present]
        rates[present] = sum(deal.stage == "Closed Won" for deal in of_kind) / len(of_kind)
    assert rates[True] > 3 * rates[False]
    worst = history().deals[0].rep
    late = [call for call in history().calls if call.deal.rep == worst][-5:]
    assert sum(call.signals.count("brushed_off") for call in late) > sum(call.signals.count("handled") for call in late)


def test_a_wrong_claim_is_answered_by_the_fact_that_it_contradicts() -> None:
    """Each sentence has its own fact, of the document that the kit names; a call with two has both."""
    for kind, document in DOCUMENTS.items():
        brick = next(name for name in KITS["C1A10ACC"] if name.startswith(kind))
        for claim in document.claims:
            found = bricks_of("C1A10ACC", f"Ana: {claim.said}")[brick]
            assert found["reason"] == f"Contradicts {document.name}: {claim.fact}"
            assert found["evidence"] == [claim.said]
    two = bricks_of("C1A10ACC", "\n".join(f"Ana: {claim.said}" for claim in DOCUMENTS["inaccurate"].claims[:2]))
    assert two["inaccurate_claim_present"]["reason"].count(": ") == 2


def test_topics_have_the_time_of_their_sentence() -> None:
    """A matched phrase is in the turn that begins at its time; sentences vary from call to call."""
    world = World(SandboxOptions(first_day=FIRST, days=DAYS, closed_deals=12, segments=20, traps=False))
    said = set()
    for call in world.calls.by_id.values():
        details = world.calls.details(call)
        turns = {turn["start"]: turn["text"].lower() for turn in details["transcript"]}
        said |= set(turns.values())
        for category in details["metrics"]["categories"]:
            for phrase in category["phrases_matched"]:
                assert phrase["text"] in turns[phrase["time"]]
    assert len(said) > 60
