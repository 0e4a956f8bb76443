"""Deliveries are sent once, in spite of outages, repeats and concurrency."""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.delivery.examples import (
    DAY,
    DEAL,
    HOOK,
    NOW,
    OPPORTUNITY,
    RISK,
    Clock,
    Crm,
    add_call,
    make_dispatcher,
    rules,
    states,
)
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, in_sequence, reply, serving

OTHER_DEAL = "006000000000002AAA"
OK = Reply(200, b"ok")


class TestAlerts:
    """Messages to people: one per call and route."""

    def test_repeated_runs_send_a_message_once(self, database: Database) -> None:
        """Neither another run nor a new score of the call sends it again."""
        clock = Clock()
        add_call(database, "call-1", {"risk_flag": True})
        add_call(database, "call-2", {"risk_flag": False})
        add_call(database, "call-3", {"risk_flag": None})
        with serving(lambda _: OK) as slack:
            dispatcher = make_dispatcher(database, slack.url, rules(RISK), clock)
            for version in ("1", "2"):
                add_call(database, "call-1", {"risk_flag": True}, version=version)
                dispatcher.enqueue([DAY])
                dispatcher.send()
        assert len(slack.requests) == 1
        assert "call-1" in slack.requests[0].body.decode()

    def test_sends_a_message_when_a_new_score_makes_the_condition_true(self, database: Database) -> None:
        """The earlier score, of which it was false, does not suppress it."""
        with serving(lambda _: OK) as slack:
            dispatcher = make_dispatcher(database, slack.url, rules(RISK), Clock())
            for version, is_risky in (("1", False), ("2", True)):
                add_call(database, "call-1", {"risk_flag": is_risky}, version=version)
                dispatcher.enqueue([DAY])
                dispatcher.send()
        assert len(slack.requests) == 1

    def test_sends_nothing_before_the_kit_has_answered(self, database: Database) -> None:
        """Neither for an open run nor for a failed one."""
        for status in ("queued", "running", "failed"):
            add_call(database, f"call-{status}", {"risk_flag": True}, status=status)
        assert make_dispatcher(database, "http://unused", rules(RISK), Clock()).enqueue([DAY]).added == 0

    def test_respects_retry_after_of_slack(self, database: Database) -> None:
        """Nothing is sent before the time that Slack named, then every message once."""
        clock = Clock()
        sent_at = []

        def answer(_: ReceivedRequest) -> Reply:
            sent_at.append(clock.now)
            return reply({}, 429, Retry_After="7") if len(sent_at) == 2 else OK

        for number in range(4):
            add_call(database, f"call-{number}", {"risk_flag": True})
        with serving(answer) as slack:
            dispatcher = make_dispatcher(database, slack.url, rules(RISK), clock)
            dispatcher.enqueue([DAY])
            dispatcher.send()
        assert len(sent_at) == 5
        assert sent_at[2] - sent_at[1] >= timedelta(seconds=7)
        assert states(database) == {"sent": 4}

    def test_a_message_whose_response_was_lost_is_uncertain(self, database: Database) -> None:
        """It is not sent again until a person retries it."""
        add_call(database, "call-1", {"risk_flag": True})
        clock = Clock()
        with serving(in_sequence(Reply(200, b"ok", is_split=True), OK)) as slack:
            dispatcher = make_dispatcher(database, slack.url, rules(RISK), clock)
            dispatcher.enqueue([DAY])
            dispatcher.send()
            clock.move(hours=2)
            dispatcher.send()
            assert states(database) == {"uncertain": 1}
            assert len(slack.requests) == 1
            (row,) = dispatcher.outbox.listed()
            assert dispatcher.outbox.retry(ids=[row.id]) == 1
            dispatcher.send()
        assert states(database) == {"sent": 1}

    def test_on_uncertain_resend_sends_the_message_again(self, database: Database) -> None:
        """At-least-once delivery, as configured in pipeline.yaml."""
        from copilot_pipeline.delivery.sinks import SlackSink

        add_call(database, "call-1", {"risk_flag": True})
        clock = Clock()
        with serving(in_sequence(Reply(200, b"ok", is_split=True), OK)) as slack:
            dispatcher = make_dispatcher(
                database, slack.url, rules(RISK), clock, build=lambda _: SlackSink(slack.url, may_repeat=True),
                may_repeat=frozenset({"slack"}),
            )  # fmt: skip
            dispatcher.enqueue([DAY])
            dispatcher.send()
        assert len(slack.requests) == 2
        assert states(database) == {"sent": 1}

    def test_backfills_and_first_runs_suppress_messages(self, database: Database) -> None:
        """They are sent only with `include_suppressed`."""
        clock = Clock()
        quiet = {**RISK, "first_run": "suppress"}
        add_call(database, "before", {"risk_flag": True}, scored_at=NOW - timedelta(minutes=1))
        with serving(lambda _: OK) as slack:
            dispatcher = make_dispatcher(database, slack.url, rules(quiet), clock)
            assert dispatcher.enqueue([DAY]).suppressed == 1
            clock.move(hours=1)
            add_call(database, "old", {"risk_flag": True}, started_at=NOW - timedelta(days=4), scored_at=clock.now)
            add_call(database, "new", {"risk_flag": True}, scored_at=clock.now)
            old_day = DAY - timedelta(days=4)
            assert dispatcher.enqueue([DAY, old_day]).suppressed == 2
            dispatcher.send()
            assert len(slack.requests) == 1
            dispatcher.enqueue([DAY], include_suppressed=True)
            dispatcher.send()
        assert ["new" in one.body.decode() for one in slack.requests] == [True, False]
        assert states(database) == {"sent": 2, "suppressed": 1}

    def test_a_wrong_address_keeps_messages_queued(self, database: Database) -> None:
        """They are sent once the address is fixed."""
        add_call(database, "call-1", {"risk_flag": True})
        with serving(in_sequence(Reply(404, b"no_service"), OK)) as slack:
            dispatcher = make_dispatcher(database, slack.url, rules(RISK), Clock())
            dispatcher.enqueue([DAY])
            dispatcher.send()
            (sink,) = dispatcher.outbox.sink_states()
            assert (sink.problem, sink.queued) == ("credentials", 1)
            assert "no_service" in (sink.last_error or "")
            assert "secret" not in (sink.last_error or "")
            dispatcher.send(ignore_backoff=True)
        assert states(database) == {"sent": 1}


class TestWebhooks:
    """Events for Zapier, n8n and Make."""

    def test_events_are_signed_and_contain_every_brick(self, database: Database) -> None:
        """The library of the convention verifies it."""
        from datetime import UTC, datetime

        add_call(database, "call-1", {"risk_flag": True, "topics": ["a", "b"]})
        with serving(lambda _: OK) as hook:
            dispatcher = make_dispatcher(database, hook.url, rules(HOOK), Clock(datetime.now(UTC)))
            dispatcher.enqueue([DAY], include_suppressed=True)
            dispatcher.send()
        (received,) = hook.requests
        event = Webhook("whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ=").verify(received.body, dict(received.headers))
        assert event["type"] == "call.scored"
        assert event["data"]["bricks"]["deal_signals"]["risk_flag"]["value"] is True
        assert event["data"]["bricks"]["deal_signals"]["topics"]["value"] == ["a", "b"]

    def test_a_retried_event_has_the_same_id_and_body(self, database: Database) -> None:
        """So that a receiver can drop it. A new score is a new event with another id."""
        add_call(database, "call-1", {"risk_flag": True})
        with serving(in_sequence(Reply(200, b"ok", is_split=True), Reply(503), OK)) as hook:
            dispatcher = make_dispatcher(database, hook.url, rules(HOOK), Clock())
            dispatcher.enqueue([DAY])
            dispatcher.send(max_wait_seconds=100)
            add_call(database, "call-1", {"risk_flag": False}, version="2")
            dispatcher.enqueue([DAY])
            dispatcher.send()
        ids = [received.headers["webhook-id"] for received in hook.requests]
        assert len(set(ids[:3])) == 1
        assert len({received.body for received in hook.requests[:3]}) == 1
        assert len(ids) == 4
        assert ids[3] != ids[0]


class TestOutage:
    """An unavailable sink delays its own deliveries only."""

    def test_an_outage_of_one_sink_does_not_delay_another(self, database: Database) -> None:
        """Attempts become rarer, and after the outage each write is sent once."""
        clock, crm = Clock(), Crm()
        crm.is_down = True
        messages: list[Any] = []

        def answer(received: ReceivedRequest) -> Reply:
            if received.path.startswith("/services/T"):
                messages.append(json.loads(received.body))
                return OK
            return crm(received)

        with serving(answer) as server:
            dispatcher = make_dispatcher(database, server.url, rules(RISK, OPPORTUNITY), clock)
            for minute in range(60):
                if minute % 10 == 0:
                    started = NOW + timedelta(minutes=minute)
                    bricks = {"risk_flag": True, "deal_confidence": minute}
                    add_call(database, f"call-{minute}", bricks, started_at=started)
                dispatcher.enqueue([DAY])
                dispatcher.send(max_wait_seconds=0)
                clock.move(minutes=1)
            assert len(messages) == 6
            tries = len(server.requests) - len(messages)
            assert 6 <= tries <= 20, "delays grow"
            crm.is_down = False
            clock.move(minutes=10)
            dispatcher.send()
        assert crm.records == {DEAL: {"Confidence__c": 50, "Risk__c": True}}
        assert len(messages) == 6
        assert states(database)["queued"] == 0

    def test_concurrent_dispatchers_send_each_message_once(self, database: Database) -> None:
        """Four dispatchers, thirty messages."""
        for number in range(30):
            add_call(database, f"call-{number}", {"risk_flag": True})
        with serving(lambda _: OK) as slack:
            make_dispatcher(database, slack.url, rules(RISK), Clock()).enqueue([DAY])
            senders = [make_dispatcher(database, slack.url, rules(RISK), Clock()) for _ in range(4)]
            threads = [threading.Thread(target=sender.send) for sender in senders]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        bodies = Counter(received.body for received in slack.requests)
        assert len(bodies) == 30
        assert set(bodies.values()) == {1}

    @pytest.mark.parametrize("status", [500, 502, 503, 408])
    def test_server_errors_keep_deliveries_queued(self, database: Database, status: int) -> None:
        """The reason has the status, and nothing of the body."""
        add_call(database, "call-1", {"risk_flag": True})
        with serving(lambda _: Reply(status, b"<html>secret words</html>")) as slack:
            dispatcher = make_dispatcher(database, slack.url, rules(RISK), Clock())
            dispatcher.enqueue([DAY])
            dispatcher.send(max_wait_seconds=0)
        (row,) = dispatcher.outbox.listed()
        assert (row.state, row.reason) == ("queued", f"HTTP {status}")

    def test_a_failed_connection_keeps_the_message_queued(self, database: Database) -> None:
        """Nothing can have arrived, so it is not uncertain."""
        add_call(database, "call-1", {"risk_flag": True})
        with serving(lambda _: OK) as slack:
            url = slack.url
        dispatcher = make_dispatcher(database, url, rules(RISK), Clock())
        dispatcher.enqueue([DAY])
        dispatcher.send(max_wait_seconds=0)
        (row,) = dispatcher.outbox.listed()
        assert (row.state, row.reason) == ("queued", "cannot be reached (ConnectError)")


def test_preview_stores_and_sends_nothing(database: Database) -> None:
    """It returns what would be sent."""
    add_call(database, "call-1", {"risk_flag": True})
    add_call(database, "call-2", {"risk_flag": True}, deal_id=None)
    dispatcher = make_dispatcher(database, "http://unused", rules(RISK, OPPORTUNITY), Clock())
    result = dispatcher.preview([DAY])
    assert sorted((one.route, one.call_id) for one in result) == [
        ("Opportunity", "call-1"),
        ("Opportunity", "call-2"),
        ("Risk", "call-1"),
        ("Risk", "call-2"),
    ]
    assert states(database) == {}
    assert dispatcher.outbox.unlinked_calls() == []
    with database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM copilot_ops.routes").fetchone() == (0,)


def test_sinks_with_only_suppressed_deliveries_have_a_state(database: Database) -> None:
    """The list of sinks is complete although nothing was ever sent to one of them."""
    add_call(database, "old", {"risk_flag": True}, started_at=NOW - timedelta(days=4))
    dispatcher = make_dispatcher(database, "http://unused", rules(RISK), Clock())
    dispatcher.enqueue([DAY - timedelta(days=4)])
    assert states(database) == {"suppressed": 1}
    assert [(sink.name, sink.queued, sink.oldest_queued_at) for sink in dispatcher.outbox.sink_states()] == [
        ("slack", 0, None)
    ]
