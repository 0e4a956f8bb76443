"""A person is told once, again a day later, and when it is over."""

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
from copilot_pipeline_tests.http_servers import Asked, Reply, serving

OK = Reply(200, b"ok")


def headings(asked: list[Asked]) -> list[str]:
    """The headings of the messages that arrived in Slack."""
    messages = [json.loads(one.body) for one in asked if one.path.startswith("/services/T")]
    return [message["blocks"][0]["text"]["text"] for message in messages]


def test_a_sink_down_for_an_hour_is_told_once_a_day_and_when_it_is_back(database: Database) -> None:
    """Nothing in the first hour, then one message, another after a day, and one at the end."""
    clock, crm = Clock(), Crm()
    crm.is_down = True
    add_call(database, "call-1", {"deal_confidence": 1})
    with serving(lambda asked: OK if asked.path.startswith("/services/T") else crm(asked)) as server:
        dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY, RISK), clock)
        monitor = IncidentMonitor(database, [("slack", "slack")], now=clock)
        dispatcher.enqueue([DAY])
        told = []
        for _ in range(27 * 2):
            monitor.check(unusable_sinks=dispatcher.send(max_wait_seconds=0).unusable_sinks)
            told.append(len(headings(server.asked)))
            clock.move(minutes=30)
        assert told[1] == 0
        assert told[4] == 1
        assert told[-1] == 2
        crm.is_down = False
        dispatcher.send()
        monitor.check()
        dispatcher.send()
        monitor.check()
        dispatcher.send()
    assert headings(server.asked) == [
        "Failure: sink salesforce is down",
        "Still failing: sink salesforce is down",
        "Resolved: sink salesforce is down",
    ]
    assert crm.records != {}
    assert monitor.open_incidents() == []


def test_a_message_says_what_happened_and_what_to_do(database: Database) -> None:
    """Whoever is woken knows where to begin."""
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
    assert "It was: It failed again." in server.asked[1].body.decode()
    text = server.asked[0].body.decode()
    assert "The run of 2026-03-09 failed." in text
    assert "What to do: Open it in the Dagster UI." in text
    assert headings(server.asked) == ["Failure: daily run", "Resolved: daily run"]


def test_the_same_failure_after_its_end_is_a_new_one(database: Database) -> None:
    """Told again at once: it is another one."""
    monitor = IncidentMonitor(database, [], now=Clock())
    problem = Failure("daily run", "failed", "look")
    assert [monitor.open(problem), monitor.resolve("daily run")] == [True, True]
    moved = IncidentMonitor(database, [], now=Clock(NOW + timedelta(minutes=1)))
    assert moved.open(problem)


def test_refused_credentials_and_uncertain_messages_are_failures(database: Database) -> None:
    """Both need a person, and at once."""
    add_call(database, "call-1", {"risk_flag": True, "deal_confidence": 1})
    clock = Clock()

    def answer(asked: Asked) -> Reply:
        if asked.path.startswith("/services/T"):
            return Reply(200, b"ok", is_split=True)
        return Reply(400, b'{"error": "invalid_client"}')

    with serving(answer) as server:
        dispatcher = make_dispatcher(database, server.url, rules(RISK, OPPORTUNITY), clock)
        dispatcher.enqueue([DAY])
        dispatcher.send(max_wait_seconds=0)
    found = {problem.name: problem for problem in IncidentMonitor(database, [], now=clock).check()}
    assert set(found) == {"sink salesforce refuses the credentials", "sink slack has uncertain messages"}
    assert "invalid_client" in found["sink salesforce refuses the credentials"].description


def test_a_backlog_that_grows_is_told_and_one_that_shrinks_is_not(database: Database) -> None:
    """Three hours in a row with more waiting; a smaller count ends it."""
    clock = Clock()
    dispatcher = make_dispatcher(database, "http://unused", rules(RISK), clock)
    monitor = IncidentMonitor(database, [], now=clock)
    seen = []
    for hour in range(4):
        for number in range(30):
            add_call(database, f"call-{hour}-{number}", {"risk_flag": True})
        dispatcher.enqueue([DAY])
        seen.append([problem.name for problem in monitor.check()])
        clock.move(hours=1, minutes=1)
    assert seen == [[], [], ["backlog deliveries"], ["backlog deliveries"]]
    with database.connection() as connection:
        connection.execute("UPDATE copilot_ops.outbox SET state = 'sent' WHERE call_id NOT LIKE 'call-0%'")
    assert monitor.check() == []
    assert monitor.open_incidents() == []


def test_a_backlog_that_was_told_of_is_over_when_it_shrinks(database: Database) -> None:
    """That it grows no further is no end of it, and no reason to be told anew when it does."""
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


def test_a_sink_that_nothing_waits_for_is_no_failure(database: Database) -> None:
    """It failed once, and what it was to have has gone elsewhere: nobody will ever know whether it is back."""
    clock = Clock()
    add_call(database, "call-1", {"risk_flag": True})
    dispatcher = make_dispatcher(database, "http://127.0.0.1:9", rules(RISK), clock)
    dispatcher.enqueue([DAY])
    dispatcher.send(max_wait_seconds=0)
    clock.move(hours=2)
    monitor = IncidentMonitor(database, [], now=clock)
    assert [problem.name for problem in monitor.check()] == ["sink slack is down"]
    with database.connection() as connection:
        connection.execute("UPDATE copilot_ops.outbox SET state = 'cancelled'")
    assert monitor.check() == []


def test_a_spent_budget_is_told_with_the_time_it_opens_again(database: Database) -> None:
    """Nothing to do but wait, and until when."""
    resets_at = datetime(2026, 3, 15, tzinfo=UTC)
    spent = WeeklyQuota(DAY, resets_at, used=100, limit=100, by_source={})
    monitor = IncidentMonitor(database, [], now=Clock())
    (problem,) = monitor.check(quota=spent)
    assert problem.name == "weekly budget"
    assert "2026-03-15 00:00 UTC" in problem.next_step
    assert monitor.check(quota=WeeklyQuota(DAY, resets_at, used=1, limit=100, by_source={})) == []
    assert monitor.open_incidents() == []
