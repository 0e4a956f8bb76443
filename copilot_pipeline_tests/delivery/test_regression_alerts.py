"""Managers get one digest a week of the skill regressions of their reps."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from psycopg.sql import SQL, Identifier, Literal

from copilot_pipeline.delivery.dispatcher import Dispatcher
from copilot_pipeline.delivery.model import Sink
from copilot_pipeline.delivery.regression_alerts import ROUTE, enqueue_regression_digests
from copilot_pipeline.delivery.sinks import SlackSink, WebhookSink
from copilot_pipeline.marts.coaching_regressions import RegressionRow
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.delivery.examples import NOW, Clock
from copilot_pipeline_tests.http_servers import Reply, serving


def regression(**fields: Any) -> RegressionRow:
    """An ongoing regression of three calls of this week, an hour apart, the third of them now."""
    row = RegressionRow(
        rep_id="u-1",
        skill="objection_handling_score",
        first_call_id="c-1",
        rep_name="Ana Silva",
        manager_id="u-9",
        manager_name="Max Boss",
        manager_email="max@example.com",
        first_call_at=NOW - timedelta(hours=2),
        detected_call_id="c-3",
        detected_at=NOW,
        detected_week=NOW.date() - timedelta(days=NOW.weekday()),
        calls=3,
        threshold=0.6,
        lowest=0.4,
        latest=0.5,
        earlier_calls=24,
        earlier_mean=0.72,
        mean=0.45,
        drop=0.27,
        drop_p_value=0.00003,
        run_chance=0.004,
        calls_since_training=None,
        is_over=False,
        recovered_call_id=None,
        recovered_at=None,
    )
    return row._replace(**fields)


class Digests:
    """What managers receive in Slack or by webhook, at some time."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = Clock()

    def sent(self, *regressions: RegressionRow, kind: str = "slack") -> list[dict[str, Any]]:
        """Enqueue and send the digests twice, as a repeated run does. Returns the messages."""
        with serving(lambda _: Reply(200, b"ok")) as server:
            slack: Sink = SlackSink(f"{server.url}/services/T/B/x")
            sink = WebhookSink(server.url, None) if kind == "webhook" else slack
            for _ in range(2):
                enqueue_regression_digests(self.database, regressions, "sink", kind, now=self.clock)
                Dispatcher(self.database, [], {"sink": kind}, lambda _: sink, now=self.clock).send()
        return [json.loads(one.body) for one in server.requests]

    def texts(self, *regressions: RegressionRow) -> list[str]:
        """The texts of the messages in Slack."""
        return [message["text"] for message in self.sent(*regressions)]

    def reasons(self) -> list[str]:
        """Why regressions were not sent, or in which digest they were."""
        with self.database.connection() as connection:
            rows = connection.execute(
                "SELECT reason FROM copilot_ops.outbox WHERE state = 'suppressed' AND route = %s ORDER BY id", (ROUTE,)
            )
            return [reason for (reason,) in rows]


@pytest.fixture
def digests(database: Database) -> Digests:
    """No digest so far."""
    return Digests(database)


def add_call_of_regression(database: Database, call_id: str, score: float, quote: str | None, hours: int) -> None:
    """Add a call to `coaching_scores`, and its quote to `evidence`."""
    at = NOW - timedelta(hours=hours)
    values = {
        "rep_id": "u-1", "skill": "objection_handling_score", "call_id": call_id, "call_date": at.date(),
        "week": at.date(), "started_at": at, "call_number": 9 - hours, "score": score, "threshold": 0.6,
        "is_below": True, "calls_below": 3, "below_threshold": True, "regression_detected": True, "rolling_mean": 0.5,
        "kit": "coaching", "brick": "objection_handling_score",
        "review_url": f"https://copilot.clari.com/call/{call_id}",
    }  # fmt: skip
    evidence = {
        "call_id": call_id, "kit": "coaching", "brick": "objection_handling_score", "position": 0,
        "call_date": at.date(), "quote": quote, "match": "exact", "match_score": 1.0, "speaker": "Kim", "start_s": 95.5,
    }  # fmt: skip
    with database.transaction() as connection:
        for table, row in (("coaching_scores", values), *((("evidence", evidence),) if quote else ())):
            connection.execute(
                SQL("INSERT INTO copilot.{} ({}) VALUES ({})").format(
                    Identifier(table), SQL(", ").join(map(Identifier, row)), SQL(", ").join(map(Literal, row.values()))
                )
            )


NEXT_WEEK = NOW + timedelta(days=7)


def test_nothing_is_sent_before_the_week_is_over(digests: Digests) -> None:
    """One digest a week needs the whole week."""
    assert digests.texts(regression()) == []
    digests.clock.now = NEXT_WEEK
    assert len(digests.texts(regression())) == 1


def test_a_manager_gets_one_digest_for_all_reps_and_skills(digests: Digests) -> None:
    """However many regressions; another manager gets another."""
    digests.clock.now = NEXT_WEEK
    texts = digests.texts(
        regression(),
        regression(skill="discovery_technique_depth"),
        regression(rep_id="u-2", rep_name="Bo Li"),
        regression(rep_id="u-3", rep_name="Cy Ng", manager_id="u-8", manager_name="Ida Roth", manager_email=None),
    )
    assert len(texts) == 2
    ida, max_boss = sorted(texts, key=lambda text: "Ida" not in text)
    assert "For Ida Roth." in ida
    assert "Cy Ng" in ida
    assert "For Max Boss (max@example.com)." in max_boss
    assert "Bo Li" in max_boss
    assert "Cy Ng" not in max_boss


def test_a_digest_names_rep_skill_and_levels_and_links_the_calls(digests: Digests) -> None:
    """So that a manager need not look them up: the skill in words, the quote of the weakest call."""
    for call_id, score, quote, hours in (
        ("c-1", 0.5, "So so.", 2),
        ("c-2", 0.4, "I will not <b>", 1),
        ("c-3", 0.45, None, 0),
    ):
        add_call_of_regression(digests.database, call_id, score, quote, hours)
    with digests.database.transaction() as connection:
        connection.execute(
            """INSERT INTO copilot.bricks (kit, brick, position, label, scale_low, scale_high)
            VALUES ('coaching', 'objection_handling_score', 0, 'Objections', 0, 1)"""
        )
    digests.clock.now = NEXT_WEEK
    (text,) = digests.texts(regression())
    assert "Ana Silva: objection handling*" in text
    assert "0.45 on average over 3 calls since 2026-03-10, 0.72 over the 24 calls before" in text
    assert "chance of so many calls in a row below it is 0.4%" in text
    for call_id in ("c-1", "c-2", "c-3"):
        assert f"<https://copilot.clari.com/call/{call_id}|" in text
    assert "> I will not &lt;b&gt;\n> — Kim, 1:35" in text
    assert "Threshold 0.6 on the scale from 0 to 1." in text
    assert "So so." not in text


def test_a_webhook_gets_the_digest_as_data(digests: Digests) -> None:
    """With the calls and the numbers of each regression."""
    add_call_of_regression(digests.database, "c-1", 0.5, "So so.", 2)
    digests.clock.now = NEXT_WEEK
    (message,) = digests.sent(regression(), kind="webhook")
    (one,) = message["data"]["regressions"]
    assert (message["type"], message["data"]["manager_id"], message["data"]["week"]) == (
        "coaching.digest",
        "u-9",
        "2026-03-09",
    )
    assert (one["regression_detected"], one["skill_in_words"], one["quote"]) == (True, "objection handling", "So so.")
    assert [call["call_id"] for call in one["calls_of_regression"]] == ["c-1"]


def test_a_regression_is_in_one_digest_only(digests: Digests) -> None:
    """Neither further calls nor its recovery nor another week send another message."""
    digests.clock.now = NEXT_WEEK
    assert len(digests.texts(regression())) == 1
    for days in (8, 14, 21):
        digests.clock.now = NOW + timedelta(days=days)
        assert digests.texts(regression(calls=3 + days, latest=0.3)) == []
    over = regression(is_over=True, recovered_call_id="c-9", recovered_at=NOW + timedelta(days=6))
    assert digests.texts(over) == []


def test_what_has_ended_is_not_sent(digests: Digests) -> None:
    """The manager would ask about something that is over; the reason is stored."""
    over = regression(is_over=True, recovered_call_id="c-9", recovered_at=NOW + timedelta(days=1))
    digests.clock.now = NEXT_WEEK
    assert digests.texts(over) == []
    assert digests.reasons() == ["over before it was sent"]


def test_a_regression_that_was_scored_late_is_in_the_next_digest(digests: Digests) -> None:
    """The digest of its week has been sent; there is no second one."""
    digests.clock.now = NEXT_WEEK
    late = regression(rep_id="u-2", rep_name="Bo Li")
    assert len(digests.texts(regression())) == 1
    assert digests.texts(regression(), late) == []
    digests.clock.now = NOW + timedelta(days=14)
    (text,) = digests.texts(regression(), late)
    assert "Bo Li" in text
    assert "Ana Silva" not in text


def test_a_late_call_that_moves_the_beginning_sends_no_second_message(digests: Digests) -> None:
    """It is the same regression with an earlier first call."""
    digests.clock.now = NEXT_WEEK
    digests.texts(regression())
    earlier = regression(
        first_call_id="c-0",
        first_call_at=NOW - timedelta(hours=5),
        detected_call_id="c-2",
        detected_at=NOW - timedelta(hours=1),
        calls=4,
    )
    digests.clock.now = NOW + timedelta(days=14)
    assert digests.texts(earlier) == []


def test_a_regression_after_recovery_is_sent_again(digests: Digests) -> None:
    """It is another one."""
    digests.clock.now = NEXT_WEEK
    digests.texts(regression())
    recovered = NOW + timedelta(days=7)
    first = regression(is_over=True, recovered_call_id="c-4", recovered_at=recovered)
    again = regression(
        first_call_id="c-5",
        first_call_at=recovered + timedelta(hours=1),
        detected_call_id="c-7",
        detected_at=recovered + timedelta(days=1),
        detected_week=regression().detected_week + timedelta(days=7),
    )
    digests.clock.now = NOW + timedelta(days=14)
    assert len(digests.texts(first, again)) == 1


def test_old_regressions_are_suppressed(digests: Digests) -> None:
    """A backfill sends no digests; the reason is stored."""
    digests.clock.now = NOW + timedelta(days=21)
    assert digests.texts(regression()) == []
    assert digests.reasons() == ["detected too long ago"]


def test_a_rep_without_a_manager_is_not_left_out(digests: Digests) -> None:
    """The recipient is asked to forward the message."""
    digests.clock.now = NEXT_WEEK
    (text,) = digests.texts(regression(manager_id=None, manager_name=None, manager_email=None))
    assert "no manager in Clari Copilot: please forward" in text
