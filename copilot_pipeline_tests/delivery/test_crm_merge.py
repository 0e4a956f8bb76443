"""CRM records hold the newest answers of the calls that are linked to them."""

from __future__ import annotations

import json
from datetime import timedelta

from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.delivery.examples import (
    DAY,
    DEAL,
    KIT,
    NOW,
    OPPORTUNITY,
    Clock,
    Crm,
    add_call,
    make_dispatcher,
    rules,
)
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, reply, serving

OTHER_DEAL = "006000000000002AAA"
LATER = NOW + timedelta(hours=1)


def test_a_removed_answer_falls_back_to_the_previous_call(database: Database) -> None:
    """For one field, or for all fields of the call."""
    crm = Crm()
    add_call(database, "older", {"deal_confidence": 5, "risk_flag": False}, started_at=NOW - timedelta(hours=2))
    add_call(database, "newer", {"deal_confidence": 9, "risk_flag": True})
    with serving(crm) as server:
        dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), Clock())

        def record() -> dict[str, object]:
            for _ in range(2):
                dispatcher.enqueue([DAY])
                dispatcher.send()
            return crm.records[DEAL]

        assert record() == {"Confidence__c": 9, "Risk__c": True}
        add_call(database, "newer", {"deal_confidence": None, "risk_flag": True}, version="2", scored_at=LATER)
        assert record() == {"Confidence__c": 5, "Risk__c": True}
        add_call(database, "newer", {}, version="3", scored_at=LATER + timedelta(hours=1))
        assert record() == {"Confidence__c": 5, "Risk__c": False}
        assert len(crm.writes) == 3
        add_call(database, "newer", {"deal_confidence": 7}, version="4", scored_at=LATER + timedelta(hours=2))
        assert record() == {"Confidence__c": 7, "Risk__c": False}


def test_a_failed_run_changes_no_record(database: Database) -> None:
    """The record keeps its values and nothing is written."""
    crm = Crm()
    add_call(database, "older", {"deal_confidence": 5}, started_at=NOW - timedelta(hours=2))
    add_call(database, "newer", {"deal_confidence": 9})
    with serving(crm) as server:
        dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), Clock())
        for status in ("succeeded", "queued", "failed"):
            add_call(database, "newer", {"deal_confidence": 9} if status == "succeeded" else {}, status=status)
            dispatcher.enqueue([DAY])
            dispatcher.send()
    assert crm.writes == [{"id": DEAL, "Confidence__c": 9}]


def test_a_call_whose_condition_is_no_longer_true_does_not_count(database: Database) -> None:
    """The newest call whose condition is true decides."""
    crm = Crm()
    only_risky = {**OPPORTUNITY, "when": {"brick": f"{KIT}.risk_flag", "is": True}}
    add_call(database, "older", {"deal_confidence": 5, "risk_flag": True}, started_at=NOW - timedelta(hours=2))
    add_call(database, "newer", {"deal_confidence": 9, "risk_flag": True})
    with serving(crm) as server:
        dispatcher = make_dispatcher(database, server.url, rules(only_risky), Clock())
        dispatcher.enqueue([DAY])
        dispatcher.send()
        add_call(database, "newer", {"deal_confidence": 9, "risk_flag": False}, version="2", scored_at=LATER)
        dispatcher.enqueue([DAY])
        dispatcher.send()
    assert [one["Confidence__c"] for one in crm.writes] == [9, 5]


def test_retried_writes_of_one_route_do_not_delay_another_route(database: Database) -> None:
    """Two routes write to one record, which is locked for one of them."""
    crm = Crm()
    score = {**OPPORTUNITY, "name": "Score", "map": {"Confidence__c": f"{KIT}.deal_confidence"}}
    risk = {**OPPORTUNITY, "name": "Risk", "map": {"Risk__c": f"{KIT}.risk_flag"}}
    locked = {"success": False, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "", "fields": []}]}

    def answer(received: ReceivedRequest) -> Reply:
        if not received.path.endswith("/composite/sobjects"):
            return crm(received)
        records = json.loads(received.body)["records"]
        assert len({one["id"] for one in records}) == len(records), "a record occurs twice in a request"
        return reply([locked if "Risk__c" in one else crm.write(one) for one in records])

    add_call(database, "call-1", {"risk_flag": True, "deal_confidence": 5})
    clock = Clock()
    with serving(answer) as server:
        dispatcher = make_dispatcher(database, server.url, rules(score, risk), clock)
        dispatcher.enqueue([DAY])
        for _ in range(3):
            dispatcher.send(max_wait_seconds=0)
            clock.move(minutes=11)
        assert crm.records == {DEAL: {"Confidence__c": 5}}
        assert dispatcher.due() == ["salesforce"]
        dispatcher.send(max_wait_seconds=0)
        assert dispatcher.due() == [], "a retried write is not due before its next attempt"


def test_a_write_whose_response_was_lost_does_not_count_as_stored(database: Database) -> None:
    """A later score without the answer writes the previous call's value."""
    crm = Crm()
    clock = Clock()
    add_call(database, "older", {"deal_confidence": 5}, started_at=NOW - timedelta(hours=2))
    with serving(crm) as server:
        dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), clock)
        dispatcher.enqueue([DAY])
        dispatcher.send()

    def drop_response(received: ReceivedRequest) -> Reply:
        answered = crm(received)
        return answered if received.path.endswith("/token") else Reply(200, answered.body, is_split=True)

    with serving(drop_response) as server:
        add_call(database, "newer", {"deal_confidence": 9})
        dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), clock)
        dispatcher.enqueue([DAY])
        dispatcher.send(max_wait_seconds=0)
        assert crm.records[DEAL] == {"Confidence__c": 9}
    with serving(crm) as server:
        add_call(database, "newer", {"risk_flag": True}, version="2", scored_at=LATER)
        dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), clock)
        dispatcher.enqueue([DAY])
        dispatcher.send(ignore_backoff=True)
    assert crm.records[DEAL] == {"Confidence__c": 5, "Risk__c": True}


def test_a_call_that_is_relinked_during_the_write_leaves_the_record(database: Database) -> None:
    """The previous call is written there again after the write succeeds."""
    crm = Crm()
    add_call(database, "older", {"deal_confidence": 5}, started_at=NOW - timedelta(hours=2))
    add_call(database, "newer", {"deal_confidence": 9})

    def answer(received: ReceivedRequest) -> Reply:
        answered = crm(received)
        if received.path.endswith("/composite/sobjects") and len(crm.writes) == 1:
            add_call(database, "newer", {"deal_confidence": 9}, deal_id=OTHER_DEAL)
            dispatcher.enqueue([DAY])
        return answered

    with serving(answer) as server:
        dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), Clock())
        dispatcher.enqueue([DAY])
        dispatcher.send()
    assert crm.records == {DEAL: {"Confidence__c": 5}, OTHER_DEAL: {"Confidence__c": 9}}


def test_a_removed_call_leaves_the_record_to_the_newest_remaining_call(database: Database) -> None:
    """A record without another call keeps its values; a removed call that was not sent yet is not written."""
    crm = Crm()
    add_call(database, "older", {"deal_confidence": 5}, started_at=NOW - timedelta(hours=2))
    add_call(database, "newer", {"deal_confidence": 9})

    def remove(call_id: str) -> None:
        with database.connection() as connection:
            connection.execute("UPDATE copilot.calls SET removed_at = now() WHERE call_id = %s", (call_id,))

    with serving(crm) as server:
        dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), Clock())

        def record() -> object:
            for _ in range(2):
                dispatcher.enqueue([DAY])
                dispatcher.send()
            return crm.records[DEAL]["Confidence__c"]

        assert record() == 9
        remove("newer")
        assert record() == 5
        add_call(database, "newest", {"deal_confidence": 1}, started_at=NOW + timedelta(minutes=5))
        dispatcher.enqueue([DAY])
        remove("newest")
        assert record() == 5
        remove("older")
        assert record() == 5
    assert [write["Confidence__c"] for write in crm.writes] == [9, 5]
