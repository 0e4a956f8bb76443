"""Records of a CRM hold what is true now: scored anew, moved, put off, or answered no longer."""

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
from copilot_pipeline_tests.http_servers import Asked, Reply, reply, serving

OTHER_DEAL = "006000000000002AAA"
LATER = NOW + timedelta(hours=1)


def test_an_answer_that_a_call_no_longer_gives_is_nobody_s(database: Database) -> None:
    """Scored anew without an answer, a call leaves the field to the call before it; a part at a time, and wholly."""
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


def test_a_run_that_failed_takes_nothing_back(database: Database) -> None:
    """Nothing follows from an answer that did not come: what stands in the record stays, nothing is written."""
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


def test_a_call_that_a_rule_no_longer_holds_for_does_not_speak_by_it(database: Database) -> None:
    """The newest call that the rule is true of does."""
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


def test_a_rule_whose_writes_are_put_off_does_not_put_off_another_s(database: Database) -> None:
    """Two rules write fields of one record; one of them meets a lock, again and again."""
    crm = Crm()
    score = {**OPPORTUNITY, "name": "Score", "map": {"Confidence__c": f"{KIT}.deal_confidence"}}
    risk = {**OPPORTUNITY, "name": "Risk", "map": {"Risk__c": f"{KIT}.risk_flag"}}
    locked = {"success": False, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "", "fields": []}]}

    def answer(asked: Asked) -> Reply:
        if not asked.path.endswith("/composite/sobjects"):
            return crm(asked)
        records = json.loads(asked.body)["records"]
        assert len({one["id"] for one in records}) == len(records), "a record stands twice in a request"
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
        assert dispatcher.due() == [], "what waits for its turn is not due"


def test_a_write_without_an_answer_is_not_taken_for_what_stands_there(database: Database) -> None:
    """It may have arrived: when the call takes it back, the field is written, though it was never known to be."""
    crm = Crm()
    clock = Clock()
    add_call(database, "older", {"deal_confidence": 5}, started_at=NOW - timedelta(hours=2))
    with serving(crm) as server:
        dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), clock)
        dispatcher.enqueue([DAY])
        dispatcher.send()

    def swallow(asked: Asked) -> Reply:
        answered = crm(asked)
        return answered if asked.path.endswith("/token") else Reply(200, answered.body, is_split=True)

    with serving(swallow) as server:
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


def test_a_call_that_moves_while_it_is_being_written_leaves_the_record_too(database: Database) -> None:
    """The write to the old record arrives after the move: the call before it speaks there again."""
    crm = Crm()
    add_call(database, "older", {"deal_confidence": 5}, started_at=NOW - timedelta(hours=2))
    add_call(database, "newer", {"deal_confidence": 9})

    def answer(asked: Asked) -> Reply:
        answered = crm(asked)
        if asked.path.endswith("/composite/sobjects") and len(crm.writes) == 1:
            add_call(database, "newer", {"deal_confidence": 9}, deal_id=OTHER_DEAL)
            dispatcher.enqueue([DAY])
        return answered

    with serving(answer) as server:
        dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), Clock())
        dispatcher.enqueue([DAY])
        dispatcher.send()
    assert crm.records == {DEAL: {"Confidence__c": 5}, OTHER_DEAL: {"Confidence__c": 9}}
