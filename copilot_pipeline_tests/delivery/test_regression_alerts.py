"""Managers get one alert per skill regression."""

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
    """A regression of three calls, an hour apart, the third of them now."""
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
    """The recipient of alerts in Slack."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.clock = Clock()

    def alerts(self, *regressions: RegressionRow) -> list[str]:
        """Enqueue and send the alerts twice, as a repeated run does. Returns the messages."""
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
        return [json.loads(one.body)["text"] for one in slack.requests]


@pytest.fixture
def manager(database: Database) -> Manager:
    """A manager without alerts so far."""
    return Manager(database)


def test_a_regression_is_alerted_once(manager: Manager) -> None:
    """Neither further calls nor its recovery send another message."""
    assert len(manager.alerts(regression())) == 1
    for days in (1, 2, 6):
        manager.clock.now = NOW + timedelta(days=days)
        assert manager.alerts(regression(calls=3 + days, latest=0.3)) == []
    assert manager.alerts(regression(is_over=True, recovered_call_id="c-9", recovered_at=NOW + timedelta(days=6))) == []


def test_alerts_name_the_rep_and_the_skill(manager: Manager) -> None:
    """So that a manager need not look them up."""
    (text,) = manager.alerts(regression())
    assert "Ana Silva" in text
    assert "objections" in text


def test_a_late_call_that_moves_the_beginning_sends_no_second_alert(manager: Manager) -> None:
    """It is the same regression with an earlier first call."""
    manager.alerts(regression())
    earlier = regression(
        first_call_id="c-0",
        first_call_at=NOW - timedelta(hours=5),
        detected_call_id="c-2",
        detected_at=NOW - timedelta(hours=1),
        calls=4,
    )
    assert manager.alerts(earlier) == []


def test_a_regression_after_recovery_is_alerted_again(manager: Manager) -> None:
    """So is one of another skill or of another rep."""
    recovered = NOW + timedelta(hours=1)
    first = regression(is_over=True, recovered_call_id="c-4", recovered_at=recovered)
    manager.alerts(first)
    manager.clock.now = NOW + timedelta(days=1)
    again = regression(
        first_call_id="c-5",
        first_call_at=recovered + timedelta(hours=1),
        detected_call_id="c-7",
        detected_at=NOW + timedelta(days=1),
    )
    assert len(manager.alerts(first, again)) == 1
    assert len(manager.alerts(first, again, again._replace(skill="discovery"), again._replace(rep_id="u-2"))) == 2


def test_old_regressions_are_suppressed(manager: Manager, database: Database) -> None:
    """A backfill sends no alerts; the reason is stored."""
    long_ago = regression(first_call_at=NOW - timedelta(days=9), detected_at=NOW - timedelta(days=8))
    assert manager.alerts(long_ago) == []
    with database.connection() as connection:
        rows = connection.execute("SELECT state, reason FROM copilot_ops.outbox").fetchall()
    assert rows == [("suppressed", "detected more than a week ago")]
