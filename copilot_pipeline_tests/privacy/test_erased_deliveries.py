"""What was not sent when a person was erased does not leave with the former text."""

from __future__ import annotations

from pathlib import Path

import pytest

from copilot_pipeline.config.loading import load_settings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.postgres import Database
from copilot_pipeline.privacy.erasure import Erased, Erasure, Request
from copilot_pipeline.privacy.search import Search, Stores
from copilot_pipeline.privacy.subjects import Subjects
from copilot_pipeline_tests.delivery.examples import DAY, RISK, Clock, add_call, make_dispatcher, states
from copilot_pipeline_tests.delivery.examples import rules as rules_of
from copilot_pipeline_tests.http_servers import Reply, reply, serving

NAME = "Mei Lin"


def erase(database: Database, home: Path) -> Erased:
    """Mask a person in calls that stay."""
    stores = Stores(database, Lake(str(home / "lake")), home)
    erasure = Erasure(stores, load_settings(), Request(person=NAME))
    subject = Subjects(database, stores.lake).person(NAME)
    return erasure.run(erasure.begin(Search(stores, subject), "mask"))


def test_a_masked_delivery_is_not_sent(database: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither when its sink works again, nor when it is retried: it is cancelled, and enqueueing makes it again from
    what is stored. A message that may have arrived can be confirmed, and not repeated. Others are sent as they are."""
    monkeypatch.setenv("COPILOT_PIPELINE_PRIVACY_KEY", "0123456789abcdef")
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    monkeypatch.chdir(home.parent)
    clock, replies = Clock(), [reply("no_text", status=400), Reply(200, b"ok", is_split=True)]
    with serving(lambda _: replies.pop(0) if replies else reply("ok")) as slack:
        dispatcher = make_dispatcher(database, slack.url, rules_of(RISK), clock)
        for call_id in ("failed", "uncertain", "queued"):
            add_call(database, call_id, {"risk_flag": True}, title=f"{NAME} x Acme")
            dispatcher.enqueue([DAY])
            if call_id != "queued":
                dispatcher.send(max_wait_seconds=0)
        add_call(database, "other", {"risk_flag": True})
        dispatcher.enqueue([DAY])
        assert states(database) == {"failed": 1, "uncertain": 1, "queued": 2}
        erased = erase(database, home)
        assert erased.record.cancelled == 3
        before = len(slack.requests)
        clock.move(hours=2)
        ids = [row.id for row in dispatcher.outbox.listed()]
        assert dispatcher.outbox.retry(ids=ids, route="Risk") == 0
        dispatcher.send()
        sent = [request.body for request in slack.requests[before:] if b"blocks" in request.body]
        assert ["Northwind x Acme" in str(body) for body in sent] == [True]
        assert states(database) == {"cancelled": 2, "uncertain": 1, "sent": 1}

        dispatcher.enqueue([DAY])
        dispatcher.send()
        again = [request.body for request in slack.requests[before:] if b"blocks" in request.body][1:]
        assert [b"Erased person" in body and NAME.encode() not in body for body in again] == [True, True]
        assert states(database) == {"uncertain": 1, "sent": 3}
