"""Due deliveries: only what can be sent, and no sink delays another one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from copilot_pipeline.delivery.model import Sink
from copilot_pipeline.delivery.outbox_leases import OutboxLeases
from copilot_pipeline.delivery.sinks import SlackSink, WebhookSink
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.delivery.examples import DAY, HOOK, RISK, Clock, add_call, make_dispatcher, rules
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, serving

OK = Reply(200, b"ok")
WITHIN_SECONDS = 30


def test_sinks_that_cannot_be_built_or_are_unused_are_not_due(database: Database) -> None:
    """Otherwise the sensor would start a run every few seconds."""

    def build(name: str) -> Any:
        raise ConfigurationError(f"sink {name}: SLACK_WEBHOOK_URL is not set")

    add_call(database, "call-1", {"risk_flag": True})
    dispatcher = make_dispatcher(database, "http://unused", rules(RISK), Clock(), build=build)
    dispatcher.enqueue([DAY])
    assert dispatcher.due() == []
    assert dispatcher.send().unusable_sinks == {"slack": "sink slack: SLACK_WEBHOOK_URL is not set"}
    assert make_dispatcher(database, "http://unused", rules(HOOK), Clock()).due() == []
    assert make_dispatcher(database, "http://unused", rules(RISK), Clock()).due() == ["slack"]


def test_deliveries_of_a_crashed_dispatcher_are_due(database: Database) -> None:
    """Even if nothing else is queued."""
    add_call(database, "call-1", {"risk_flag": True})
    dispatcher = make_dispatcher(database, "http://unused", rules(RISK), Clock())
    dispatcher.enqueue([DAY])
    with OutboxLeases(database.url, now=Clock()) as leases:
        assert leases.lease("slack", 1, are_records=False)
        assert dispatcher.due() == []
    ends_at = time.monotonic() + WITHIN_SECONDS
    while not dispatcher.due():  # until PostgreSQL has detected the closed connection
        assert time.monotonic() < ends_at


def test_new_deliveries_do_not_wait_for_a_slow_sink(database: Database) -> None:
    """An alert enqueued while a webhook does not respond is sent in the same run."""
    webhook_called, alert_sent = threading.Event(), threading.Event()

    def answer(request: ReceivedRequest) -> Reply:
        if request.path == "/hook":
            webhook_called.set()
            assert alert_sent.wait(WITHIN_SECONDS), "the alert waited for the hook"
        else:
            alert_sent.set()
        return OK

    with serving(answer) as server:
        builders: dict[str, Callable[[], Sink]] = {
            "slack": lambda: SlackSink(server.url),
            "webhook": lambda: WebhookSink(f"{server.url}/hook", None),
        }
        dispatcher = make_dispatcher(
            database, server.url, rules(RISK, HOOK), Clock(), build=lambda name: builders[name]()
        )
        add_call(database, "call-1", {"risk_flag": False})
        dispatcher.enqueue([DAY])
        sender = threading.Thread(target=dispatcher.send)
        sender.start()
        assert webhook_called.wait(WITHIN_SECONDS)
        add_call(database, "call-2", {"risk_flag": True})
        dispatcher.enqueue([DAY])
        sender.join()
        assert alert_sent.is_set()


def test_an_outage_makes_few_messages_uncertain(database: Database) -> None:
    """Most attempts during the outage are probes, which post nothing."""
    clock = Clock()
    is_down = True
    received = []

    def answer(request: ReceivedRequest) -> Reply:
        if is_down:
            return Reply(200, b"", is_split=True)
        if request.method == "POST":
            received.append(request.body)
        return OK if request.method == "POST" else Reply(405)

    for number in range(6):
        add_call(database, f"call-{number}", {"risk_flag": True})
    with serving(answer) as server:
        dispatcher = make_dispatcher(database, server.url, rules(RISK), clock)
        dispatcher.enqueue([DAY])
        for _ in range(12):
            dispatcher.send(max_wait_seconds=0)
            clock.move(minutes=5)
        posts = [request for request in server.requests if request.method == "POST"]
        assert (len(posts), len(server.requests) > 6) == (2, True)
        is_down = False
        clock.move(minutes=10)
        dispatcher.send()
    assert len(received) == 4
    assert sorted(row.state for row in dispatcher.outbox.listed()) == ["sent"] * 4 + ["uncertain"] * 2
