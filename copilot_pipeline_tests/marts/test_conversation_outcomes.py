"""Conversation metrics of won and lost deals: no artefact of exposure or of reps, and planted differences are found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from copilot_pipeline.config.marts import MartSettings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.marts.build import MartBuilder
from copilot_pipeline.marts.conversation_outcomes import (
    CallMetrics,
    ConversationOutcomeRow,
    DealMetric,
    adjusted_difference,
    conversation_outcomes,
)
from copilot_pipeline.marts.model import Deal
from copilot_pipeline.postgres import Database
from copilot_pipeline.transform.deal_outcomes import DealOutcome
from copilot_pipeline_tests.delivery.examples import NOW, add_call

WORLDS = 200
DEALS = 300
EFFECT = 0.05  # of winning on the mean share of speech
NULL_WORLDS = ("noise", "calls", "calls and drift", "length", "reps")


def world(rng: np.random.Generator, kind: str, effect: float, reps: int = 20) -> list[DealMetric]:
    """Closed deals whose outcome depends on what `kind` names, and on the metric only by `effect`."""
    rep = rng.integers(reps, size=DEALS)
    style = rng.normal(0, 0.08, reps)
    calls = rng.integers(1, 14, size=DEALS)
    days = calls * rng.uniform(2, 12, size=DEALS)
    log_odds: Any = {
        "noise": -0.3, "calls": -1.8 + 0.25 * calls, "calls and drift": -1.8 + 0.25 * calls,
        "length": -1.5 + 0.05 * days, "reps": 12 * style[rep],
    }[kind]  # fmt: skip
    won = rng.random(DEALS) < 1 / (1 + np.exp(-log_odds))
    value = 0.45 + style[rep] + rng.normal(0, 0.15, DEALS) / np.sqrt(calls) + rng.normal(0, 0.05, DEALS) + effect * won
    if kind == "calls and drift":  # reps talk more on later calls
        value = value + 0.06 * np.log(calls)
    if kind == "length":
        value = value + 0.02 * np.log1p(days)
    return [
        DealMetric(str(rep[number]), bool(won[number]), float(value[number]), int(calls[number]), float(days[number]))
        for number in range(DEALS)
    ]


@pytest.mark.parametrize("kind", NULL_WORLDS)
def test_intervals_cover_the_truth_in_every_kind_of_world(kind: str) -> None:
    """In at least 93 % of worlds without a difference, and in as many with one."""
    rng = np.random.default_rng(11)
    covered = 0
    for number in range(WORLDS):
        effect = EFFECT if number % 2 else 0.0
        found = adjusted_difference(world(rng, kind, effect), 10)
        assert found is not None
        covered += found.low <= effect <= found.high
    assert covered >= 0.93 * WORLDS


def test_the_raw_difference_of_such_worlds_would_mislead() -> None:
    """The adjustment is needed: without it, most worlds in which only reps or exposure matter show a difference."""
    rng = np.random.default_rng(11)
    for kind in ("calls and drift", "reps"):
        misled = 0
        for _ in range(50):
            deals = world(rng, kind, 0.0)
            won, lost = ([deal.value for deal in deals if deal.is_won is one] for one in (True, False))
            error = np.sqrt(np.var(won) / len(won) + np.var(lost) / len(lost))
            misled += abs(np.mean(won) - np.mean(lost)) > 1.96 * error
        assert misled > 25, kind


def test_a_planted_difference_is_found() -> None:
    """Five percentage points among 300 deals, in at least 95 % of worlds."""
    rng = np.random.default_rng(3)
    found = [adjusted_difference(world(rng, "calls", EFFECT), 10) for _ in range(100)]
    assert sum(one is not None and one.p_value < 0.05 and one.value > 0 for one in found) >= 95


CLOSED = datetime(2026, 3, 1, tzinfo=UTC)


def call(deal: int, number: int, talk_share: float | None, rep_id: str = "u-1", **fields: Any) -> CallMetrics:
    """A call of a deal, some days before the close."""
    values: dict[str, Any] = {
        "rep_name": "Dana", "started_at": CLOSED - timedelta(days=20 - number), "longest_monologue_s": None,
        "rep_questions_per_hour": None, "prospect_questions_per_hour": None, **fields,
    }  # fmt: skip
    return CallMetrics(call_id=f"{deal}-{number}", deal_id=f"d-{deal}", rep_id=rep_id, talk_share=talk_share, **values)


def deal(number: int, outcome: DealOutcome) -> Deal:
    """A deal that closed at CLOSED."""
    return Deal(f"d-{number}", outcome, closed_at=CLOSED)


def rows(
    found: list[ConversationOutcomeRow], metric: str = "talk_share"
) -> dict[tuple[str, str], ConversationOutcomeRow]:
    """The rows of a metric by grain and id."""
    return {(row.grain, row.grain_id): row for row in found if row.metric == metric}


def test_each_deal_counts_once_with_its_calls_before_the_close() -> None:
    """As the mean of its calls; calls after the close, open deals and calls without the metric do not count."""
    calls = [
        call(1, 0, 0.2), call(1, 1, 0.4), call(1, 2, None), call(1, 30, 0.9),
        call(2, 0, 0.8), call(3, 0, 0.9), call(4, 0, None),
    ]  # fmt: skip
    deals = [deal(1, DealOutcome.WON), deal(2, DealOutcome.LOST), deal(3, DealOutcome.OPEN), deal(4, DealOutcome.LOST)]
    row = rows(conversation_outcomes(calls, deals))["all", "all"]
    assert (row.n, row.won, row.lost, row.calls) == (2, 1, 1, 4)
    assert (row.mean_won, row.mean_lost, row.difference) == pytest.approx((0.3, 0.8, -0.5))
    assert (row.adjusted_difference, row.is_significant) == (None, False)
    assert row.sentence == (
        "The rep's own share of the speech: 1 won and 1 lost deals are too few, or too unlike in their number of "
        "calls, for a comparison."
    )


def test_reps_are_compared_with_themselves_and_corrected_for_their_number() -> None:
    """A rep with too few deals has counts and means only; q values correct over the reps of a metric."""
    rng = np.random.default_rng(5)
    calls, deals = [], []
    for number in range(90):
        rep_id = f"u-{number % 3}" if number < 80 else "u-few"
        won = bool(rng.random() < 0.5)
        deals.append(deal(number, DealOutcome.WON if won else DealOutcome.LOST))
        effect = 0.2 * won if rep_id == "u-1" else 0.0
        calls += [call(number, one, 0.5 - effect + rng.normal(0, 0.05), rep_id) for one in range(1 + number % 4)]
    found = rows(conversation_outcomes(calls, deals))
    assert {key: row.is_significant for key, row in found.items() if key[0] == "rep"} == {
        ("rep", "u-0"): False, ("rep", "u-1"): True, ("rep", "u-2"): False, ("rep", "u-few"): False,
    }  # fmt: skip
    assert found["rep", "u-few"].adjusted_difference is None
    assert found["rep", "u-1"].adjusted_difference == pytest.approx(-0.2, abs=0.05)
    assert found["rep", "u-1"].q_value == pytest.approx(3 * (found["rep", "u-1"].p_value or 0))
    assert "percentage points lower in won than in lost deals with as many calls" in found["rep", "u-1"].sentence


def test_no_deals_and_no_variation_are_no_errors() -> None:
    """Constant values, deals with one call each, and outcomes that never differ."""
    assert [row.n for row in conversation_outcomes([], [])] == [0, 0, 0, 0]
    outcomes = [DealOutcome.WON, DealOutcome.LOST] * 15
    constant = conversation_outcomes([call(number, 0, 0.5) for number in range(30)],
                                     [deal(number, outcome) for number, outcome in enumerate(outcomes)])  # fmt: skip
    assert not any(row.is_significant for row in constant)
    won = [DealMetric("u-1", True, 0.1 * number, 1, 0.0) for number in range(20)]
    assert adjusted_difference(won, 10) is None


def test_the_mart_reads_the_own_share_of_the_rep_of_the_call(database: Database, home: Path) -> None:
    """And questions per hour of the call, in both stores."""
    add_call(database, "c-1", {}, started_at=NOW - timedelta(days=9), deal_id="d-1")
    with database.connection() as connection:
        connection.execute(
            """UPDATE copilot.calls SET rep_user_id = 'u-1', duration_s = 1800, questions = 10, questions_by_reps = 4,
            longest_monologue_s = 90"""
        )
        connection.execute("INSERT INTO copilot.users (user_id, name) VALUES ('u-1', 'Dana')")
        connection.execute("INSERT INTO copilot.deals (deal_id, stage, calls, outcome) VALUES ('d-1', 'Won', 1, 'won')")
        for person_id, user_id, share in (("1", "u-1", 0.25), ("2", "u-2", 0.4)):
            connection.execute(
                """INSERT INTO copilot.participants (call_id, person_id, call_date, side, user_id, talk_seconds,
                  talk_share, utterances, words)
                SELECT call_id, %s, call_date, 'rep', %s, 100, %s, 1, 1 FROM copilot.calls""",
                (person_id, user_id, share),
            )
    lake = Lake(str(home))
    builder = MartBuilder(lake, database, MartSettings())
    builder.build_rep_calls()
    assert builder.build_conversation_outcomes() == {"conversation_outcomes": 8}
    with database.connection() as connection:
        stored = dict(
            connection.execute(
                "SELECT metric, mean_won FROM copilot.conversation_outcomes WHERE grain = 'all'"
            ).fetchall()
        )
    assert stored == {
        "talk_share": 0.25, "longest_monologue_s": 90.0, "rep_questions_per_hour": 8.0,
        "prospect_questions_per_hour": 12.0,
    }  # fmt: skip
