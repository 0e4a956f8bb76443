"""A manager hears of each regression once, in the week in which it was detected."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from copilot_pipeline.delivery.dispatcher import Dispatcher
from copilot_pipeline.delivery.regression_alerts import enqueue_regression_alerts
from copilot_pipeline.delivery.sinks import SlackSink
from copilot_pipeline.marts.coaching import RegressionRow
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.delivery.examples import NOW, Clock
from copilot_pipeline_tests.http_servers import Reply, serving


def regression(**fields: Any) -> RegressionRow:
    """Three weak calls in a row, an hour apart, the third of them now."""
    row = RegressionRow(
        rep_id="u-1",
        skill="objections",
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
        calls_since_training=None,
        is_over=False,
        recovered_call_id=None,
        recovered_at=None,
    )
    return row._replace(**fields)


class Manager:
    """The alerts as they arrive in Slack."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.clock = Clock()

    def hears(self, *regressions: RegressionRow) -> list[str]:
        """What a day's answers lead to, made twice because anything may be run again."""
        with serving(lambda _: Reply(200, b"ok")) as slack:
            for _ in range(2):
                enqueue_regression_alerts(self._database, regressions, "slack", "slack", now=self.clock)
                Dispatcher(
                    self._database,
                    [],
                    {"slack": "slack"},
                    lambda _: SlackSink(f"{slack.url}/services/T/B/x"),
                    now=self.clock,
                ).send()
        return [json.loads(one.body)["text"] for one in slack.asked]


@pytest.fixture
def manager(database: Database) -> Manager:
    """A manager nobody has told anything yet."""
    return Manager(database)


def test_a_slide_is_told_once_and_not_with_each_call(manager: Manager) -> None:
    """It goes on for days and is over in the end: one message, of the day it was detected."""
    assert len(manager.hears(regression())) == 1
    for days in (1, 2, 6):
        manager.clock.now = NOW + timedelta(days=days)
        assert manager.hears(regression(calls=3 + days, latest=0.3)) == []
    assert manager.hears(regression(is_over=True, recovered_call_id="c-9", recovered_at=NOW + timedelta(days=6))) == []


def test_the_message_says_who_slides_in_what_and_whose_it_is(manager: Manager) -> None:
    """A manager need not look anything up."""
    (text,) = manager.hears(regression())
    assert "Ana Silva" in text
    assert "objections" in text


def test_a_late_call_that_moves_the_beginning_tells_nothing_new(manager: Manager) -> None:
    """A call scored late may make the regression begin, and be detected, earlier: it is the same regression."""
    manager.hears(regression())
    earlier = regression(
        first_call_id="c-0",
        first_call_at=NOW - timedelta(hours=5),
        detected_call_id="c-2",
        detected_at=NOW - timedelta(hours=1),
        calls=4,
    )
    assert manager.hears(earlier) == []


def test_after_recovery_a_slide_is_another_one(manager: Manager) -> None:
    """So is one of another skill, and one of another rep."""
    recovered = NOW + timedelta(hours=1)
    first = regression(is_over=True, recovered_call_id="c-4", recovered_at=recovered)
    manager.hears(first)
    manager.clock.now = NOW + timedelta(days=1)
    again = regression(
        first_call_id="c-5",
        first_call_at=recovered + timedelta(hours=1),
        detected_call_id="c-7",
        detected_at=NOW + timedelta(days=1),
    )
    assert len(manager.hears(first, again)) == 1
    assert len(manager.hears(first, again, again._replace(skill="discovery"), again._replace(rep_id="u-2"))) == 2


def test_a_regression_of_long_ago_is_no_news(manager: Manager, database: Database) -> None:
    """A year of old calls brings no year of alerts; that nothing was sent is written down with its reason."""
    long_ago = regression(first_call_at=NOW - timedelta(days=9), detected_at=NOW - timedelta(days=8))
    assert manager.hears(long_ago) == []
    with database.connection() as connection:
        rows = connection.execute("SELECT state, reason FROM copilot_ops.outbox").fetchall()
    assert rows == [("suppressed", "detected more than a week ago")]
