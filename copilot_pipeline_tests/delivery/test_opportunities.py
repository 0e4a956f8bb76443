"""Opportunities in Salesforce have the newest scores."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.delivery.examples import (
    DAY,
    DEAL,
    NOW,
    OPPORTUNITY,
    Clock,
    Crm,
    add_call,
    make_dispatcher,
    rules,
    states,
)
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, serving

OTHER_DEAL = "006000000000002AAA"
OK = Reply(200, b"ok")


def test_writes_the_newest_call_to_each_opportunity(database: Database) -> None:
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


def test_an_older_call_scored_late_does_not_overwrite_a_newer_one(database: Database) -> None:
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


def test_a_new_version_of_the_scores_is_a_new_write(database: Database) -> None:
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


def test_both_forms_of_a_salesforce_id_are_one_record(database: Database) -> None:
    """15 and 18 characters identify the same opportunity, so the newest call decides."""
    crm = Crm()
    add_call(database, "short", {"deal_confidence": 1}, deal_id=DEAL[:15])
    add_call(database, "long", {"deal_confidence": 2}, deal_id=DEAL, started_at=NOW + timedelta(hours=1))
    with serving(crm) as server:
        dispatcher = make_dispatcher(database, server.url, rules(OPPORTUNITY), Clock())
        dispatcher.enqueue([DAY])
        dispatcher.send()
    assert crm.writes == [{"id": DEAL, "Confidence__c": 2}]


def test_a_read_only_field_fails_only_its_record(database: Database) -> None:
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


def test_an_unknown_field_fails_only_the_records_that_have_it(database: Database) -> None:
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


def test_writes_the_previous_score_if_the_newest_is_rejected(database: Database) -> None:
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


def test_splits_more_than_200_records_into_several_requests(database: Database) -> None:
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


def test_renews_an_expired_token(database: Database) -> None:
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


def test_calls_without_a_record_are_listed_until_they_are_linked(database: Database) -> None:
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


def test_a_relinked_call_is_not_written_to_its_former_deal(database: Database) -> None:
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


def test_a_relinked_call_no_longer_counts_for_its_former_deal(database: Database) -> None:
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
