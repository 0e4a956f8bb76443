"""Notifications of incidents: opened, repeated daily, resolved."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from copilot_pipeline.clients.weekly_quota import WeeklyQuota
from copilot_pipeline.delivery.incident_monitor import IncidentMonitor
from copilot_pipeline.delivery.incidents import Failure
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.delivery.examples import (
    DAY,
    NOW,
    OPPORTUNITY,
    RISK,
    Clock,
    Crm,
    add_call,
    make_dispatcher,
    rules,
)
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, serving

OK = Reply(200, b"ok")


def headings(received: list[ReceivedRequest]) -> list[str]:
    """Return the headings of the messages that Slack received."""
    messages = [json.loads(one.body) for one in received if one.path.startswith("/services/T")]
    return [message["blocks"][0]["text"]["text"] for message in messages]


def test_an_unavailable_sink_is_reported_after_an_hour_daily_and_when_it_recovers(database: Database) -> None:
    """Not in the first hour, then once, again after a day, and at the end."""
    clock, crm = Clock(), Crm()
    crm.is_down = True
    add_call(database, "call-1", {"deal_confidence": 1})
    with serving(lambda received: OK if received.path.startswith("/services/T") else crm(received)) as server:
        dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY, RISK), clock)
        monitor = IncidentMonitor(database, [("slack", "slack")], now=clock)
        dispatcher.enqueue([DAY])
        sent_headings = []
        for _ in range(27 * 2):
            monitor.check(unusable_sinks=dispatcher.send(max_wait_seconds=0).unusable_sinks)
            sent_headings.append(len(headings(server.requests)))
            clock.move(minutes=30)
        assert sent_headings[1] == 0
        assert sent_headings[4] == 1
        assert sent_headings[-1] == 2
        crm.is_down = False
        dispatcher.send()
        monitor.check()
        dispatcher.send()
        monitor.check()
        dispatcher.send()
    assert headings(server.requests) == [
        "Failure: sink salesforce is down",
        "Still failing: sink salesforce is down",
        "Resolved: sink salesforce is down",
    ]
    assert crm.records != {}
    assert monitor.open_incidents() == []


def test_notifications_contain_the_failure_and_the_next_step(database: Database) -> None:
    """A repeated report updates the text without another notification."""
    clock = Clock()
    with serving(lambda _: OK) as server:
        dispatcher = make_dispatcher(database, server.url, rules(RISK), clock)
        monitor = IncidentMonitor(database, [("slack", "slack")], now=clock)
        assert monitor.open(Failure("daily run", "The run of 2026-03-09 failed.", "Open it in the Dagster UI."))
        assert not monitor.open(Failure("daily run", "The run of 2026-03-09 failed.", "Open it in the Dagster UI."))
        assert not monitor.open(Failure("daily run", "It failed again.", "Open it in the Dagster UI."))
        assert [incident.description for incident in monitor.open_incidents()] == ["It failed again."]
        assert monitor.resolve("daily run")
        assert not monitor.resolve("daily run")
        dispatcher.send()
    assert "It was: It failed again." in server.requests[1].body.decode()
    text = server.requests[0].body.decode()
    assert "The run of 2026-03-09 failed." in text
    assert "What to do: Open it in the Dagster UI." in text
    assert headings(server.requests) == ["Failure: daily run", "Resolved: daily run"]


def test_a_failure_after_its_resolution_opens_a_new_incident(database: Database) -> None:
    """With a notification."""
    monitor = IncidentMonitor(database, [], now=Clock())
    failure = Failure("daily run", "failed", "look")
    assert [monitor.open(failure), monitor.resolve("daily run")] == [True, True]
    moved = IncidentMonitor(database, [], now=Clock(NOW + timedelta(minutes=1)))
    assert moved.open(failure)


def test_reports_refused_credentials_and_uncertain_messages(database: Database) -> None:
    """Without a delay, because both need a person."""
    add_call(database, "call-1", {"risk_flag": True, "deal_confidence": 1})
    clock = Clock()

    def answer(received: ReceivedRequest) -> Reply:
        if received.path.startswith("/services/T"):
            return Reply(200, b"ok", is_split=True)
        return Reply(400, b'{"error": "invalid_client"}')

    with serving(answer) as server:
        dispatcher = make_dispatcher(database, server.url, rules(RISK, OPPORTUNITY), clock)
        dispatcher.enqueue([DAY])
        dispatcher.send(max_wait_seconds=0)
    result = {failure.name: failure for failure in IncidentMonitor(database, [], now=clock).check()}
    assert set(result) == {"sink salesforce refuses the credentials", "sink slack has uncertain messages"}
    assert "invalid_client" in result["sink salesforce refuses the credentials"].description


def test_a_growing_backlog_opens_an_incident(database: Database) -> None:
    """After three growing samples; a smaller backlog resolves it."""
    clock = Clock()
    dispatcher = make_dispatcher(database, "http://unused", rules(RISK), clock)
    monitor = IncidentMonitor(database, [], now=clock)
    seen = []
    for hour in range(4):
        for number in range(30):
            add_call(database, f"call-{hour}-{number}", {"risk_flag": True})
        dispatcher.enqueue([DAY])
        seen.append([failure.name for failure in monitor.check()])
        clock.move(hours=1, minutes=1)
    assert seen == [[], [], ["backlog deliveries"], ["backlog deliveries"]]
    with database.connection() as connection:
        connection.execute("UPDATE copilot_ops.outbox SET state = 'sent' WHERE call_id NOT LIKE 'call-0%'")
    assert monitor.check() == []
    assert monitor.open_incidents() == []


def test_the_incident_of_a_backlog_is_resolved_when_it_shrinks(database: Database) -> None:
    """A backlog that merely stops growing neither resolves nor reopens it."""
    clock = Clock()
    dispatcher = make_dispatcher(database, "http://unused", rules(RISK), clock)
    monitor = IncidentMonitor(database, [], now=clock)
    seen = []
    for hour, more in enumerate([60, 10, 10, 0, 10, 0]):
        for number in range(more):
            add_call(database, f"call-{hour}-{number}", {"risk_flag": True})
        dispatcher.enqueue([DAY])
        seen.append(bool(monitor.check()))
        clock.move(hours=1, minutes=1)
    assert seen == [False, False, True, True, True, True]
    with database.connection() as connection:
        connection.execute("UPDATE copilot_ops.outbox SET state = 'sent' WHERE call_id LIKE 'call-1-%'")
    assert monitor.check() == []


def test_a_failing_sink_without_queued_deliveries_is_not_reported(database: Database) -> None:
    """Nothing is sent to it, so its recovery would never be detected."""
    clock = Clock()
    add_call(database, "call-1", {"risk_flag": True})
    dispatcher = make_dispatcher(database, "http://127.0.0.1:9", rules(RISK), clock)
    dispatcher.enqueue([DAY])
    dispatcher.send(max_wait_seconds=0)
    clock.move(hours=2)
    monitor = IncidentMonitor(database, [], now=clock)
    assert [failure.name for failure in monitor.check()] == ["sink slack is down"]
    with database.connection() as connection:
        connection.execute("UPDATE copilot_ops.outbox SET state = 'cancelled'")
    assert monitor.check() == []


def test_a_used_up_quota_is_reported_with_its_reset(database: Database) -> None:
    """No action is needed until then."""
    resets_at = datetime(2026, 3, 15, tzinfo=UTC)
    spent = WeeklyQuota(DAY, resets_at, used=100, limit=100, by_source={})
    monitor = IncidentMonitor(database, [], now=Clock())
    (failure,) = monitor.check(quota=spent)
    assert failure.name == "weekly quota"
    assert "2026-03-15 00:00 UTC" in failure.next_step
    assert monitor.check(quota=WeeklyQuota(DAY, resets_at, used=1, limit=100, by_source={})) == []
    assert monitor.open_incidents() == []
