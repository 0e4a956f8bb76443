"""Deliveries are sent once, in spite of outages, repeats and concurrency."""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from copilot_pipeline.delivery.outbox import Outbox
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
)
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, in_sequence, reply, serving

OTHER_DEAL = "006000000000002AAA"
OK = Reply(200, b"ok")


def states(database: Database) -> Counter[str]:
    """Count the deliveries by state."""
    return Counter(row.state for row in Outbox(database).listed(limit=10_000))


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


class TestOpportunities:
    """CRM records hold the newest scores."""

    def test_writes_the_newest_call_to_each_opportunity(self, database: Database) -> None:
        """Several queued calls result in one write."""
        crm = Crm()
        for number, score in enumerate((10.0, 20.0, 30.0)):
            started = NOW + timedelta(minutes=number)
            add_call(database, f"call-{2 - number}", {"deal_confidence": score}, started_at=started)
        add_call(database, "call-x", {"deal_confidence": 5}, deal_id=OTHER_DEAL)
        with serving(crm) as server:
            dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), Clock())
            dispatcher.enqueue([DAY])
            dispatcher.send()
        assert crm.records == {DEAL: {"Confidence__c": 30}, OTHER_DEAL: {"Confidence__c": 5}}
        assert len(crm.writes) == 2

    def test_an_older_call_scored_late_does_not_overwrite_a_newer_one(self, database: Database) -> None:
        """It only fills fields that the newer call has no answer for."""
        crm = Crm()
        with serving(crm) as server:
            dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), Clock())
            add_call(database, "new", {"deal_confidence": 80.0, "risk_flag": None})
            dispatcher.enqueue([DAY])
            dispatcher.send()
            earlier = NOW - timedelta(hours=3)
            add_call(database, "older", {"deal_confidence": 20.0, "risk_flag": True}, started_at=earlier)
            add_call(database, "oldest", {"risk_flag": False}, started_at=earlier - timedelta(hours=1))
            dispatcher.enqueue([DAY])
            dispatcher.send()
        assert crm.records == {DEAL: {"Confidence__c": 80, "Risk__c": True}}
        assert crm.writes == [{"id": DEAL, "Confidence__c": 80}, {"id": DEAL, "Risk__c": True}]

    def test_a_new_version_of_the_scores_is_a_new_write(self, database: Database) -> None:
        """Both values are written, in order."""
        crm = Crm()
        with serving(crm) as server:
            dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), Clock())
            for version, score in (("1", 40), ("2", 50)):
                scored_at = NOW + timedelta(minutes=int(version))
                add_call(database, "call-1", {"deal_confidence": score}, version=version, scored_at=scored_at)
                dispatcher.enqueue([DAY])
                dispatcher.send()
        assert [write["Confidence__c"] for write in crm.writes] == [40, 50]

    def test_both_forms_of_a_salesforce_id_are_one_record(self, database: Database) -> None:
        """15 and 18 characters identify the same opportunity, so the newest call decides."""
        crm = Crm()
        add_call(database, "short", {"deal_confidence": 1}, deal_id=DEAL[:15])
        add_call(database, "long", {"deal_confidence": 2}, deal_id=DEAL, started_at=NOW + timedelta(hours=1))
        with serving(crm) as server:
            dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), Clock())
            dispatcher.enqueue([DAY])
            dispatcher.send()
        assert crm.writes == [{"id": DEAL, "Confidence__c": 2}]

    def test_a_read_only_field_fails_only_its_record(self, database: Database) -> None:
        """The reason names the field and the next step, and not the value."""
        crm = Crm()
        crm.read_only = {"Risk__c"}
        add_call(database, "bad", {"deal_confidence": 1, "risk_flag": True})
        add_call(database, "good", {"deal_confidence": 2}, deal_id=OTHER_DEAL)
        with serving(crm) as server:
            dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), Clock())
            dispatcher.enqueue([DAY])
            dispatcher.send()
        assert crm.records == {OTHER_DEAL: {"Confidence__c": 2}}
        (refused,) = dispatcher.outbox.listed(states=["failed"])
        assert refused.reason is not None
        assert refused.reason.startswith("INVALID_FIELD_FOR_INSERT_UPDATE (Risk__c): let the integration user write it")

    def test_an_unknown_field_fails_only_the_records_that_have_it(self, database: Database) -> None:
        """Although the vendor rejects the whole request."""
        crm = Crm()
        crm.unknown = {"Risk__c"}
        for number in range(40):
            bricks = {"deal_confidence": number} | ({"risk_flag": True} if number % 2 else {})
            add_call(database, f"call-{number}", bricks, deal_id=f"0060000000{number:05d}AAA")
        with serving(crm) as server:
            dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), Clock())
            dispatcher.enqueue([DAY])
            dispatcher.send()
        assert states(database) == {"sent": 20, "failed": 20}
        assert len(server.requests) == 4, "a token, the whole batch, the records with the field and those without"
        crm.unknown = set()
        assert dispatcher.outbox.retry(route="Opportunity") == 20
        with serving(crm) as server:
            make_dispatcher(database, server.url, rules(OPPORTUNITY), Clock()).send()
        assert states(database) == {"sent": 40}

    def test_writes_the_previous_score_if_the_newest_is_rejected(self, database: Database) -> None:
        """The record gets the newest score that it accepts."""
        crm = Crm()
        crm.read_only = {"Risk__c"}
        add_call(database, "older", {"deal_confidence": 10})
        add_call(database, "newer", {"deal_confidence": 20, "risk_flag": True}, started_at=NOW + timedelta(hours=1))
        with serving(crm) as server:
            dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), Clock())
            dispatcher.enqueue([DAY])
            dispatcher.send()
        assert crm.records == {DEAL: {"Confidence__c": 10}}

    def test_splits_more_than_200_records_into_several_requests(self, database: Database) -> None:
        """200 is the vendor's limit."""
        crm = Crm()
        for number in range(201):
            add_call(database, f"call-{number}", {"deal_confidence": number}, deal_id=f"0060000000{number:05d}AAA")
        with serving(crm) as server:
            dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), Clock())
            dispatcher.enqueue([DAY])
            dispatcher.send()
        sizes = [len(json.loads(one.body)["records"]) for one in server.requests if one.method == "PATCH"]
        assert sizes == [200, 1]
        assert len(crm.records) == 201

    def test_renews_an_expired_token(self, database: Database) -> None:
        """The session ends between two requests, and the record is written once."""
        crm = Crm()
        with serving(crm) as server:
            dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), Clock())
            add_call(database, "call-1", {"deal_confidence": 1})
            dispatcher.enqueue([DAY])

            def expire_after_sign_in(received: ReceivedRequest) -> Reply:
                answer = crm(received)
                crm.is_expired = crm.tokens == 1
                return answer

            with serving(expire_after_sign_in) as flaky:
                make_dispatcher(database, flaky.url, rules(OPPORTUNITY), Clock()).send()
        assert crm.tokens == 2
        assert len(crm.writes) == 1

    def test_calls_without_a_record_are_listed_until_they_are_linked(self, database: Database) -> None:
        """With the reason: no deal, no account, or another CRM.

        Once linked they are written, whatever their day.
        """
        crm = Crm()
        add_call(database, "no-deal", {"deal_confidence": 1}, deal_id=None)
        add_call(database, "no-account", {"deal_confidence": 2}, deal_id=None, account_id=None, system=None)
        add_call(database, "elsewhere", {"deal_confidence": 3}, deal_id="123", system="HUBSPOT")
        with serving(crm) as server:
            dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), Clock())
            report = dispatcher.enqueue([DAY])
            assert report.unlinked == {"no deal": 1, "no account": 1, "other CRM": 1}
            reasons = {call.call_id: call.reason for call in dispatcher.outbox.unlinked_calls((DAY, DAY))}
            assert reasons == {"no-deal": "no deal", "no-account": "no account", "elsewhere": "other CRM"}
            add_call(database, "no-deal", {"deal_confidence": 1}, deal_id=DEAL)
            dispatcher.enqueue([])
            dispatcher.send()
        assert crm.records == {DEAL: {"Confidence__c": 1}}
        assert {call.call_id for call in dispatcher.outbox.unlinked_calls()} == {"no-account", "elsewhere"}

    def test_a_relinked_call_is_not_written_to_its_former_deal(self, database: Database) -> None:
        """The queued delivery to the former record is cancelled."""
        crm = Crm()
        with serving(crm) as server:
            dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), Clock())
            add_call(database, "call-1", {"deal_confidence": 1})
            dispatcher.enqueue([DAY])
            add_call(database, "call-1", {"deal_confidence": 1}, deal_id=OTHER_DEAL)
            dispatcher.enqueue([DAY])
            dispatcher.send()
        assert crm.records == {OTHER_DEAL: {"Confidence__c": 1}}

    def test_a_relinked_call_no_longer_counts_for_its_former_deal(self, database: Database) -> None:
        """The newest remaining call does, and the call itself if it is linked again."""
        crm = Crm()
        older = NOW - timedelta(hours=3)
        with serving(crm) as server:
            dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), Clock())

            def linked_to(deal_id: str | None) -> dict[str, Any]:
                add_call(database, "newer", {"deal_confidence": 80, "risk_flag": True}, deal_id=deal_id)
                for _ in range(2):  # enqueueing twice writes once
                    dispatcher.enqueue([DAY])
                    dispatcher.send()
                return {record: dict(fields) for record, fields in crm.records.items()}

            add_call(database, "oldest", {"risk_flag": False}, started_at=older - timedelta(hours=1))
            add_call(database, "older", {"deal_confidence": 20}, started_at=older)
            own, newest = {"Confidence__c": 20, "Risk__c": False}, {"Confidence__c": 80, "Risk__c": True}
            assert linked_to(DEAL) == {DEAL: newest}
            assert linked_to(OTHER_DEAL) == {DEAL: own, OTHER_DEAL: newest}
            assert linked_to(DEAL) == {DEAL: newest, OTHER_DEAL: newest}  # no call is linked to the other deal
            assert linked_to(None) == {DEAL: own, OTHER_DEAL: newest}
            assert len(crm.writes) == 5
            add_call(database, "older", {"deal_confidence": 30}, started_at=older, version="2")
            dispatcher.enqueue([DAY])
            dispatcher.send()
        assert crm.records[DEAL] == {"Confidence__c": 30, "Risk__c": False}


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
