"""`kill -9` of a dispatcher during a request."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.delivery.examples import (
    DAY,
    HOOK,
    OPPORTUNITY,
    RISK,
    Clock,
    Crm,
    add_call,
    make_dispatcher,
    rules,
)
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, serving
from copilot_pipeline_tests.processes import running_process

pytestmark = pytest.mark.e2e

OK = Reply(200, b"ok")
WITHIN_SECONDS = 30


@pytest.mark.parametrize(
    ("route", "repeats", "state"),
    [(RISK, 0, "uncertain"), (HOOK, 1, "sent"), (OPPORTUNITY, 1, "sent")],
    ids=["slack", "webhook", "salesforce"],
)
def test_a_killed_dispatcher_loses_and_repeats_nothing(
    database: Database, route: Mapping[str, Any], repeats: int, state: str
) -> None:
    """What may have arrived is repeated if harmless, else it becomes uncertain.

    While the process is alive, no other one takes over its delivery.
    """
    crm = Crm()
    arrived, may_respond = threading.Event(), threading.Event()
    pending: list[ReceivedRequest] = []

    def answer(received: ReceivedRequest) -> Reply:
        is_message = received.path not in ("/services/oauth2/token",)
        if is_message and not arrived.is_set():
            pending.append(received)
            arrived.set()
            may_respond.wait(WITHIN_SECONDS)
            return OK
        return crm(received) if received.path.startswith("/services/") and "/T/" not in received.path else OK

    for number in range(3):
        deal_id = f"0060000000{number:05d}AAA"
        add_call(database, f"call-{number}", {"risk_flag": True, "deal_confidence": number}, deal_id=deal_id)
    with serving(answer) as server:
        dispatcher = make_dispatcher(database, server.url, rules(route), Clock())
        dispatcher.enqueue([DAY])
        command = [sys.executable, "-m", "copilot_pipeline_tests.delivery.dispatcher_process", database.url, server.url]
        with running_process(command) as sender:
            assert arrived.wait(WITHIN_SECONDS)
            if route is RISK:
                dispatcher.send()  # a second dispatcher, while the first one holds its lease
                assert len(dispatcher.outbox.listed(states=["sending"])) == 1
            sender.kill()
        may_respond.set()
        dispatcher.send()
        rows = dispatcher.outbox.listed()
    first = pending[0]
    same = [
        received for received in server.requests if _key(received) == _key(first) and received.method == first.method
    ]
    assert len(same) == 1 + repeats
    counted = Counter(row.state for row in rows)
    if route is OPPORTUNITY:
        assert counted == {"sent": 3}
        assert len(crm.records) == 3
    else:
        assert counted == Counter({state: 1}) + Counter({"sent": 2})


def _key(received: ReceivedRequest) -> str:
    """Return what identifies a message for a receiver."""
    if received.path.endswith("/composite/sobjects"):
        return json.dumps(json.loads(received.body), sort_keys=True)
    return received.headers.get("webhook-id") or received.body.decode()
